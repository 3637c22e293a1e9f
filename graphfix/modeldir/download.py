"""Fetches published archives, which have to be what the recipe says: so many bytes, this SHA-256.

A download gets its name once it is complete and verified, never before: what has arrived
lies in a directory that the caller removes whatever happens.  A connection that is lost is made
again, and goes on where it was lost (RFC 7233), or from the beginning where the server knows no
ranges.

A download of N bytes has 300 seconds, and one more for every 64 KiB; a server may be silent for 60.
A socket's timeout does not bound the download, since a server that sends a byte now and then is
never silent; so a thread receives, and is left behind when the time is up.
"""

import hashlib
import os
import re
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Optional, Tuple

from graphfix.errors import GraphfixError, RequestError, SourceError
from graphfix.formats import durable

_CHUNK = 1 << 16
_SILENCE, _SECONDS, _BYTES_A_SECOND = 60, 300, 1 << 16
_TRIES = 5
_RANGE = re.compile(r"bytes (\d{1,19})-")


def fetch(url: str, *, size: int, sha256: str, path: str, work: str) -> None:
    """Makes `path` the archive at `url`; `work` is a directory on the same disk.

    Raises:
      SourceError: it cannot be had in time, or is another one.
      RequestError: the disk cannot hold it.
    """
    part = os.path.join(work, os.path.basename(path))
    try:
        with durable.replacing(path, part, "wb") as file:
            _Transfer(url, size, sha256, file, path).run()
    except OSError as error:
        raise _unwritten(path, error) from None


def _unwritten(path: str, error: OSError) -> RequestError:
    return RequestError(
        path, f"cannot be written: {error.strerror}", "check its permissions and the space there"
    )


class _Lost(Exception):
    """The connection was lost, or never made; says why."""


class _Transfer:
    """What has arrived so far."""

    def __init__(self, url: str, size: int, sha256: str, file, path: str):
        self.url, self.size, self.sha256, self.file, self.path = url, size, sha256, file, path
        self.count, self.digest = 0, hashlib.sha256()
        self.seconds = _SECONDS + size // _BYTES_A_SECOND
        self.stopped = False
        self.error: Optional[BaseException] = None

    def run(self) -> None:
        """Receives all of it; raises as fetch does."""
        deadline = time.monotonic() + self.seconds
        farthest = 0
        joined = False  # of parts of several connections
        for left in reversed(range(_TRIES)):
            try:
                self._connect(deadline)
                if self.digest.hexdigest() == self.sha256:
                    return
                if not joined:
                    raise SourceError(
                        self.url,
                        f"has the SHA-256 {self.digest.hexdigest()}, not the recipe's",
                        "do not use it, unless you know that the recipe is wrong",
                    )
                self._restart()  # perhaps another file took its place in between
                joined = False
            except _Lost as error:
                if self.count <= farthest or not left:
                    raise SourceError(
                        self.url,
                        f"cannot be downloaded: {error}",
                        "check the address, and try again",
                    ) from None
                farthest, joined = self.count, True
        raise SourceError(
            self.url, "cannot be downloaded: its parts are not of one file", "try again"
        )

    def _connect(self, deadline: float) -> None:
        """Receives what one connection gives."""
        self.error = None
        thread = threading.Thread(target=self._receive, daemon=True)
        thread.start()
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            self.stopped = True
            raise SourceError(
                self.url,
                (
                    f"cannot be downloaded: after {self.seconds} seconds, {self.count} of "
                    f"{self.size} bytes are "
                    "here"
                ),
                "try again, or download it yourself and name it as source",
            )
        if self.error:
            raise self.error

    def _receive(self) -> None:
        try:
            try:
                self._read()
            except urllib.error.HTTPError as error:
                if not self.count or error.code not in (412, 416):
                    raise
                self._restart()  # it has no such part
                self._read()
        except (GraphfixError, _Lost) as error:
            self.error = error
        except (urllib.error.URLError, HTTPException, OSError, ValueError) as error:
            self.error = _Lost(str(getattr(error, "reason", None) or error))
        except BaseException as error:
            self.error = error

    def _read(self) -> None:
        request = urllib.request.Request(self.url)
        if self.count:
            request.add_header("Range", f"bytes={self.count}-")
        with urllib.request.urlopen(request, timeout=_SILENCE) as response:
            begin, length = _extent(response)
            if begin != self.count:
                self._restart()
            if begin not in (0, self.count):
                raise _Lost("the server sent another part than was asked for")
            if length is not None and begin + length != self.size:
                raise self._other(begin + length)
            # One byte too many tells, where no length was promised.
            while not self.stopped and self.count < self.size + (length is None):
                chunk = response.read1(_CHUNK)
                if not chunk:
                    break
                self._take(chunk)
        if self.count > self.size or (self.count < self.size and length is None):
            raise self._other(self.count)
        if self.count < self.size:
            raise _Lost(f"the connection ended after {self.count} of {self.size} bytes")

    def _take(self, chunk: bytes) -> None:
        try:
            self.file.write(chunk)
        except OSError as error:
            raise _unwritten(self.path, error) from None
        self.digest.update(chunk)
        self.count += len(chunk)

    def _restart(self) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.count, self.digest = 0, hashlib.sha256()

    def _other(self, found: int) -> SourceError:
        compared = "more" if found > self.size else f"only {found} bytes, fewer"
        return SourceError(
            self.url,
            f"has {compared} than the {self.size} bytes the recipe says",
            "download it again, or correct the recipe",
        )


def _extent(response) -> Tuple[int, Optional[int]]:
    """Where what a response brings begins in the file, and how long it is, where it says so."""
    length = response.headers.get("Content-Length") or ""
    begin = _RANGE.match(response.headers.get("Content-Range") or "")
    return (
        int(begin.group(1)) if begin and getattr(response, "status", None) == 206 else 0,
        int(length) if re.match(r"[0-9]{1,19}\Z", length) else None,
    )
