"""Published models as they are downloaded: a tar archive of one directory, mostly gzipped, or zip.

A compressed archive cannot be read here and there, so what a conversion needs of it (checkpoint,
config, label map, graphs) is unpacked into a temporary directory, which goes when nobody needs it.
Nothing is used before the archive was read to its end.  An archive comes from a stranger:
names that lead out of it, links, devices, and sizes beyond any detector are refused before a byte
of them is written.
"""

import os
import re
import weakref
from typing import Any, BinaryIO, Dict, Iterator, Optional, Tuple

from graphfix import places
from graphfix.errors import RequestError, SourceError
from graphfix.formats import regular_files, tarball
from graphfix.process.scratch import Scratch

SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
_ZIP = b"PK\x03\x04"
# What macOS adds beside each file begins with "._".
_WANTED = re.compile(
    r"((?!\._).*\.(index|meta|data-\d{5}-of-\d{5})|pipeline\.config|label_map\.pbtxt|checkpoint"
    r"|frozen_inference_graph\.pb|saved_model\.pb)\Z"
)
# Label maps that have another name, which count only where the model is.
_LABELS = re.compile(r"(?!\._).*label.*\.(pbtxt|txt)\Z", re.I)
_LARGEST_LABELS = 4 << 20  # bytes
INSTEAD_OF_TF2 = (
    "take the model of TensorFlow 1 from the TF1 detection model zoo; graphfix converts detectors "
    "of the TensorFlow 1 API"
)
# Where TensorFlow 2's exporter puts its checkpoint.
_OBJECT_BASED = re.compile(r"(.*/)?checkpoint/ckpt-\d+\.index\Z")
# The directory of a SavedModel within a model's.
_SAVED_MODEL = "saved_model"
# The largest published detectors have checkpoints of half a gigabyte.
_MOST_BYTES = 8 << 30
_MOST_MEMBERS = 100000
# Weights hardly shrink: an archive that unpacks to many times its size has something else in it.
_MOST_TIMES = 100
_SMALL = 64 << 20
_HEAD = 512
_AGAIN = "download the archive again, from where the model is published"


def is_archive(path: str) -> bool:
    """Whether a path leads to an archive, by its name or by what it begins with."""
    if not os.path.isfile(path):
        return False
    if path.endswith(SUFFIXES):
        return True
    try:
        head = regular_files.read(path, _HEAD)
    except OSError:
        return False
    return head.startswith((tarball.GZIP, _ZIP)) or head[257:262] == tarball.MAGIC


def _zipball() -> Any:
    from graphfix.formats import zipball  # and with it Python's zipfile, which few runs need

    return zipball


class Unpacked:
    """An archive's model directory on disk, for as long as this object lives.  `checked`: the
    archive has a checksum of all its content, so that damage would have been noticed."""

    def __init__(self, path: str):
        self._scratch = Scratch()
        self.directory = self._scratch.path
        self._top: Optional[str] = None
        self._labels: Dict[Tuple[str, str], bytes] = {}  # by folder and name
        self._path = path
        places.unpacked(path, self.directory)
        weakref.finalize(self, places.removed, self.directory)
        try:
            self.checked = self._unpack(path)
        except BaseException:
            self.close()
            raise

    def _unpack(self, path: str) -> bool:
        try:
            with open(path, "rb") as file:
                head = file.read(_HEAD)
                regular_files.refuse_pointer(path, head)
                file.seek(0)
                zipped = head.startswith(_ZIP) or (
                    path.endswith(".zip") and not head.startswith(tarball.GZIP)
                )
                for member in _members(file, path, _zipball() if zipped else tarball):
                    self._take(member, path)
                self._place_labels()
                return zipped or head.startswith(tarball.GZIP)
        except tarball.Damaged as error:
            kind = "zip" if zipped else "tar"
            raise SourceError(path, f"is not a valid {kind} archive: {error}", _AGAIN) from None
        except tarball.TooLarge as error:
            raise SourceError(
                path, f"unpacks to more than any detector has ({error})", _AGAIN
            ) from None
        except OSError as error:
            if error.filename == path:
                raise regular_files.unreadable(path, error) from None
            raise RequestError(
                os.path.dirname(self.directory),
                (f"cannot hold what the archive unpacks to: {error.strerror}"),
                "free some space, or set TMPDIR to a larger directory",
            ) from None

    def _take(self, member: tarball.Member, path: str) -> None:
        folder, name = os.path.split(member.name)
        if _OBJECT_BASED.match(member.name):
            raise SourceError(
                path,
                f"is a TensorFlow 2 model: {member.name} is an object-based checkpoint",
                INSTEAD_OF_TF2,
            )
        within = ""
        if name == _SAVED_MODEL + ".pb":
            folder, within = os.path.split(folder)
            if within != _SAVED_MODEL:
                return
        elif not _WANTED.match(name):
            if _LABELS.match(name):
                self._keep_labels(member, folder, name)
            return
        if self._top not in (None, folder):
            raise RequestError(
                path,
                f"has models in several directories, such as {self._top or '.'} and "
                f"{folder or '.'}",
                "unpack it and name the one you mean",
            )
        self._top = folder
        place = os.path.join(self.directory, within, name)
        if os.path.exists(place):
            raise self._twice(member.name)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "xb") as target:
            for piece in member.content:
                target.write(piece)

    def _twice(self, name: str) -> RequestError:
        return RequestError(
            self._path, f"holds '{name}' twice", "unpack it, and name the directory"
        )

    def _keep_labels(self, member: tarball.Member, folder: str, name: str) -> None:
        if (folder, name) in self._labels:
            raise self._twice(member.name)
        data = b""
        for piece in member.content:
            if len(data) <= _LARGEST_LABELS:
                data += piece
        if len(data) <= _LARGEST_LABELS:
            self._labels[folder, name] = data

    def _place_labels(self) -> None:
        """Writes the label maps that lie beside the model."""
        for (folder, name), data in self._labels.items():
            if folder == self._top:
                with open(os.path.join(self.directory, name), "wb") as target:
                    target.write(data)

    def close(self) -> None:
        """Removes the directory."""
        self._scratch.close()


def _members(file: BinaryIO, path: str, form: Any) -> Iterator[tarball.Member]:
    """The files of an archive, each checked before it is given out; `form` is the module that reads
    it."""
    most = min(_MOST_BYTES, max(_SMALL, _MOST_TIMES * os.path.getsize(path)))
    for member in form.members(file, most_bytes=most, most_headers=_MOST_MEMBERS):
        parts = member.name.split("/")
        if (
            member.name.startswith("/")
            or ".." in parts
            or "\0" in member.name
            or "\\" in member.name
        ):
            raise SourceError(path, f"has a name that leads out of it: {member.name!r}", _AGAIN)
        if member.type == tarball.DIRECTORY:
            continue
        if member.type != tarball.FILE:
            raise SourceError(path, f"holds {member.name!r}, which is not a plain file", _AGAIN)
        yield member
