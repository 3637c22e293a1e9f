"""Writes into a published directory what `verify` has found: its report, read back and shown again.

Each file is written beside its place and renamed into it: report.json, whose data the page shows,
before report.html, and pictures before both, under names that their contents give them, so that a
run that is killed leaves no report that shows another one's pictures.
"""

import dataclasses
import hashlib
import os
from typing import Sequence, Tuple

from graphfix.emit import html
from graphfix.emit.files import replace_file
from graphfix.emit.report import PICTURES, REPORT_HTML, REPORT_JSON, Picture, Verification, load
from graphfix.errors import RequestError, SourceError

Pictures = Sequence[Tuple[Picture, bytes]]


def picture_file(data: bytes) -> str:
    """The name a picture's copy gets."""
    return hashlib.sha256(data).hexdigest()[:16] + ".jpg"


def update_report(directory: str, verifications: Sequence[Verification], pictures: Pictures) -> None:
    """Adds results to the report of `directory`; pictures replace those of an earlier run, if any
    are given.

    Raises:
      SourceError: there is no report, or it is damaged.
      RequestError: the directory cannot be written.
    """
    report = load(directory).with_verifications(verifications)
    folder = os.path.join(directory, PICTURES)
    if pictures:
        report = dataclasses.replace(
            report, pictures=tuple(one for one, _ in pictures),
            artifacts=tuple(sorted(set(report.artifacts) | {PICTURES})))
    try:
        if pictures:
            os.makedirs(folder, exist_ok=True)
        for picture, data in pictures:
            replace_file(os.path.join(folder, picture.file), data)
        contents = {one.file: _read(os.path.join(folder, one.file)) for one in report.pictures}
        replace_file(os.path.join(directory, REPORT_JSON), report.to_json().encode())
        replace_file(os.path.join(directory, REPORT_HTML), html.render(report, contents).encode())
        if pictures:
            for name in set(os.listdir(folder)) - set(contents):
                os.remove(os.path.join(folder, name))
    except OSError as error:
        raise RequestError(directory, "cannot be written: %s" % error.strerror,
                           "check its permissions and the space there") from None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise SourceError(path, "cannot be read: %s" % error.strerror,
                          "compare the pictures again, with --images") from None
