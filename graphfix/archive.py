"""Published models as they are downloaded: a gzipped tar archive of one directory.

A compressed archive cannot be read here and there, so what a conversion needs of it (checkpoint,
config, label map, graphs) is unpacked into a temporary directory, which goes when nobody needs it.  An
archive is a stranger's: names that lead out of it, links, devices, and sizes beyond any detector
are refused before a byte is written.
"""

import os
import re
import shutil
import tarfile
import tempfile
import zlib
from typing import Iterator

from graphfix.errors import RequestError, SourceError

SUFFIXES = (".tar.gz", ".tgz", ".tar")
_WANTED = re.compile(r"(.*\.(index|data-\d{5}-of-\d{5})|pipeline\.config|label_map\.pbtxt"
                     r"|frozen_inference_graph\.pb|saved_model\.pb)\Z")
# The directory of a SavedModel within a model's.
_SAVED_MODEL = "saved_model"
# The largest published detectors have checkpoints of half a gigabyte.
_MOST_BYTES = 8 << 30
_MOST_MEMBERS = 100000
_MOST_HEADER = 1 << 20
# Weights hardly shrink: an archive that unpacks to many times its size holds something else.
_MOST_TIMES = 100
_SMALL = 64 << 20
# What tarfile makes of damage; the last ones come of headers whose parts make no sense.
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, IndexError, KeyError,
            TypeError, OverflowError)
_AGAIN = "download the archive again, from where the model is published"


class Unpacked:
    """An archive's model directory on disk, for as long as this object lives."""

    def __init__(self, path: str):
        self._holder = tempfile.TemporaryDirectory(prefix="graphfix-")
        self.directory = self._holder.name
        try:
            with tarfile.open(path, _mode(path), tarinfo=_Member) as archive:
                top = None
                for member in _members(archive, path):
                    folder, name = os.path.split(member.name)
                    if not _WANTED.match(name):
                        continue
                    within = ""
                    if name == _SAVED_MODEL + ".pb":
                        folder, within = os.path.split(folder)
                        if within != _SAVED_MODEL:
                            continue
                    if top not in (None, folder):
                        raise RequestError(path, "holds models in several directories, such as %s "
                                           "and %s" % (top or ".", folder or "."),
                                           "unpack it and name the one you mean")
                    top = folder
                    os.makedirs(os.path.join(self.directory, within), exist_ok=True)
                    with archive.extractfile(member) as source, \
                            open(os.path.join(self.directory, within, name), "xb") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
        except _DAMAGED as error:
            self.close()
            if isinstance(error, OSError) and error.filename and error.filename != path:
                raise RequestError(os.path.dirname(self.directory), "cannot hold what the archive "
                                   "unpacks to: %s" % error.strerror,
                                   "free some space, or set TMPDIR to a larger directory") from None
            raise SourceError(path, "is no whole tar archive: %s" % error, _AGAIN) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Removes the directory."""
        self._holder.cleanup()


def _mode(path: str) -> str:
    """How tarfile is to open an archive: gzipped or plain, by its first bytes."""
    with open(path, "rb") as file:
        return "r:gz" if file.read(2) == b"\x1f\x8b" else "r:"


class _Member(tarfile.TarInfo):
    """A member whose header is no bomb: tarfile reads extended headers into memory whole."""

    def _proc_member(self, archive):
        if not self.isreg() and self.size > _MOST_HEADER:
            raise tarfile.ReadError("a header of %d bytes" % self.size)
        return super()._proc_member(archive)


def _members(archive: tarfile.TarFile, path: str) -> Iterator[tarfile.TarInfo]:
    """The files of an archive, each checked before it is given out."""
    total = 0
    most = min(_MOST_BYTES, max(_SMALL, _MOST_TIMES * os.path.getsize(path)))
    for number, member in enumerate(archive):
        parts = member.name.split("/")
        if member.name.startswith("/") or ".." in parts or "\0" in member.name or "\\" in member.name:
            raise SourceError(path, "holds a name that leads out of it: %r" % member.name, _AGAIN)
        if member.isdir():
            continue
        if not member.isfile() or member.issparse():
            raise SourceError(path, "holds %r, which is no plain file" % member.name, _AGAIN)
        total += member.size
        if total > most or number >= _MOST_MEMBERS:
            raise SourceError(path, "unpacks to more than any detector has", _AGAIN)
        yield member
