"""Writes into a published directory what `verify` has found: its report, read back and shown again.

First its manifest gets the new contents beside the old ones, as pending; then each file is written
beside its place and renamed into it: pictures, under names that their contents give them, then
report.json, whose data the page shows, then report.html.  Then the manifest has the new contents,
and as pending the pictures that only the old report names, until these are removed.  A run that is
killed anywhere leaves no report that shows another one's pictures, and a directory that its
manifest holds for whole.

Nothing is written through a link in the directory, and nothing removed there that is an input of
the same command.
"""

import dataclasses
import hashlib
import os
from typing import Sequence, Tuple

from graphfix.errors import RequestError, SourceError
from graphfix.modeldir import manifest, measuring, ownership, publishing
from graphfix.modeldir.names import MANIFEST, PICTURES, REPORT_HTML, REPORT_JSON
from graphfix.modeldir.single_files import replace_file
from graphfix.report import html
from graphfix.report.report import Outputs, Picture, Verification, load

Pictures = Sequence[Tuple[Picture, bytes]]


def picture_file(data: bytes) -> str:
    """The name a picture's copy gets."""
    return hashlib.sha256(data).hexdigest()[:16] + ".jpg"


def update_report(
    directory: str,
    verifications: Sequence[Verification],
    pictures: Pictures,
    *,
    outputs: Sequence[Outputs] = (),
    inputs: Sequence[str] = (),
) -> None:
    """Adds results to the report of `directory`; pictures replace those of an earlier run, if any
    are given, but for those that are among the `inputs` of this one.

    Raises:
      SourceError: there is no report, or it or the manifest is damaged.
      RequestError: the directory cannot be written, or is being written by another run.
    """
    try:
        # What another run has just written there counts, so all is read under the lock.
        with publishing.locked(directory):
            report = load(directory).with_results(verifications, outputs)
            before = manifest.read_manifest(directory)
            if before is None:
                raise SourceError(
                    os.path.join(directory, MANIFEST),
                    "is missing",
                    "convert again with this version of graphfix",
                )
            _check_places(directory, before, [_place(one) for one, _ in pictures])
            if pictures:
                report = dataclasses.replace(
                    report,
                    pictures=tuple(one for one, _ in pictures),
                    artifacts=tuple(sorted(set(report.artifacts) | {PICTURES})),
                )
            contents = {_place(one): data for one, data in pictures}
            shown = {
                one.file: contents.get(_place(one)) or _read(os.path.join(directory, _place(one)))
                for one in report.pictures
            }
            contents[REPORT_JSON] = report.to_json().encode()
            contents[REPORT_HTML] = html.render(report, shown).encode()
            new = {path: measuring.content_of(data) for path, data in contents.items()}
            if pictures:
                os.makedirs(os.path.join(directory, PICTURES), exist_ok=True)
            _write_manifest(directory, dataclasses.replace(before, pending=new))
            for path in sorted(contents, key=(REPORT_HTML, REPORT_JSON).__contains__):
                replace_file(os.path.join(directory, path), contents[path])
            old = {
                path: row
                for rows in (before.files, before.pending)
                for path, row in rows.items()
                if path not in contents
                and os.path.dirname(path) == PICTURES
                and (pictures or path not in before.files)
            }
            files = {path: row for path, row in before.files.items() if path not in old}
            files.update(new)
            directories = set(before.directories) | {PICTURES for _ in pictures[:1]}
            after = dataclasses.replace(
                before, files=files, pending=old, directories=tuple(sorted(directories))
            )
            _write_manifest(directory, after)
            kept = {
                path: row
                for path, row in old.items()
                if ownership.same_file(os.path.join(directory, path), inputs)
            }
            for path in set(old) - set(kept):
                _remove(os.path.join(directory, path))
            _write_manifest(
                directory, dataclasses.replace(after, files=dict(files, **kept), pending={})
            )
    except OSError as error:
        raise RequestError(
            directory,
            f"cannot be written: {error.strerror}",
            "check its permissions and the space there",
        ) from None


def _place(picture: Picture) -> str:
    return f"{PICTURES}/{picture.file}"


def _check_places(directory: str, before: manifest.Manifest, pictures: Sequence[str]) -> None:
    """What is written goes into the directory, not through a link to elsewhere, and not over
    somebody's picture."""
    for name in (PICTURES, REPORT_JSON, REPORT_HTML, MANIFEST):
        path = os.path.join(directory, name)
        if os.path.islink(path) or (
            name == PICTURES and os.path.lexists(path) and not os.path.isdir(path)
        ):
            raise RequestError(
                path,
                "is a link" if os.path.islink(path) else "is not a directory",
                "move it elsewhere",
            )
    for name in pictures:
        path = os.path.join(directory, name)
        listed = name in before.files or name in before.pending
        if os.path.lexists(path) and (os.path.islink(path) or not listed):
            raise RequestError(
                path,
                "is in the place of a picture, and graphfix did not put it there",
                "move it elsewhere",
            )


def _write_manifest(directory: str, record: manifest.Manifest) -> None:
    replace_file(os.path.join(directory, MANIFEST), record.to_json().encode("ascii"))


def _remove(path: str) -> None:
    """Removes a picture of an earlier report, unless it has become something else."""
    if os.path.isfile(path) and not os.path.islink(path):
        os.remove(path)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise SourceError(
            path, f"cannot be read: {error.strerror}", "compare the pictures again, with --images"
        ) from None
