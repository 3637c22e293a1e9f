"""Fetches published archives, which have to be what the recipe says: so many bytes, this SHA-256.

A download lies under the name of its digest once it is whole and right, and never before.
"""

import contextlib
import hashlib
import os
import urllib.error
import urllib.request
from http.client import HTTPException

from graphfix.errors import RequestError, SourceError

_CHUNK = 1 << 20
_SECONDS = 60


def fetch(url: str, *, size: int, sha256: str, path: str) -> None:
    """Makes `path` the archive at `url`.

    Raises:
      SourceError: it cannot be had, or is another one.
      RequestError: the disk cannot hold it.
    """
    part = path + ".part"
    digest = hashlib.sha256()
    count = 0
    try:
        with open(part, "wb") as file:
            try:
                with urllib.request.urlopen(url, timeout=_SECONDS) as response:
                    while count <= size:
                        chunk = response.read(min(_CHUNK, size + 1 - count))
                        if not chunk:
                            break
                        digest.update(chunk)
                        count += len(chunk)
                        _write(file, chunk, path)
            except (urllib.error.URLError, HTTPException, OSError, ValueError) as error:
                raise SourceError(url, "cannot be downloaded: %s" % getattr(
                    error, "reason", None) or str(error), "check the address, and try again"
                                  ) from None
            file.flush()
            os.fsync(file.fileno())
        if count != size:
            raise SourceError(url, "has %s than the %d bytes the recipe says" % (
                "more" if count > size else "only %d bytes, fewer" % count, size),
                "download it again, or correct the recipe")
        if digest.hexdigest() != sha256:
            raise SourceError(url, "has the SHA-256 %s, not the recipe's" % digest.hexdigest(),
                              "do not use it, unless you know that the recipe is wrong")
        os.replace(part, path)
    except OSError as error:
        raise RequestError(path, "cannot be written: %s" % error.strerror,
                           "check its permissions and the space there") from None
    finally:
        with contextlib.suppress(OSError):
            os.remove(part)


def _write(file, chunk: bytes, path: str) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        raise RequestError(path, "cannot be written: %s" % error.strerror,
                           "check its permissions and the space there") from None
