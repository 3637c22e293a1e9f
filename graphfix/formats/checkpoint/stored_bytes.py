"""The bytes of a tensor in a checkpoint: read, checked against their checksum, and measured."""

import hashlib
from typing import Any, Callable, Iterator, List, Tuple

import numpy as np

from graphfix.errors import SourceError
from graphfix.formats import checksum, regular_files
from graphfix.formats.checkpoint import entries
from graphfix.formats.dtypes import STRING, VARIANT
from graphfix.formats.tensors import Extent, TensorMeta, TensorView

COPY_AGAIN = "download or copy the checkpoint again"
_CHUNK = 1 << 20


class Extents:
    """Reads extents in chunks, and keeps the last one's file open: most tensors of a checkpoint lie
    in one."""

    def __init__(self) -> None:
        self._file: Any = None
        self._path = ""
        self._buffer = memoryview(b"")

    def __enter__(self) -> "Extents":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def chunks(self, extent: Extent) -> Iterator[memoryview]:
        """The bytes of an extent in chunks of at most _CHUNK, each valid until the next.

        Raises:
          SourceError: the file cannot be read, or is too short.
        """
        left = extent.length
        if len(self._buffer) < min(_CHUNK, left):
            self._buffer = memoryview(bytearray(min(_CHUNK, left)))
        try:
            self._open(extent.path).seek(extent.offset)
            while left:
                chunk = self._buffer[:left]
                count = 0
                while count < len(chunk):
                    read = self._file.readinto(chunk[count:])
                    if not read:
                        raise SourceError(
                            extent.path, "became shorter while it was read", COPY_AGAIN
                        )
                    count += read
                left -= count
                yield chunk
        except OSError as error:
            raise SourceError(
                extent.path,
                f"cannot be read: {error.strerror}",
                "check the path and its permissions",
            ) from None

    def _open(self, path: str) -> Any:
        if self._path != path:
            if self._file:
                self._file.close()
            self._path, self._file = "", None
            self._file = regular_files.open_file(path, buffering=0)
            self._path = path
        return self._file


def loader(meta: TensorMeta, extent: Extent) -> Callable[[], np.ndarray]:
    """A function that reads a tensor's value; it raises SourceError where the bytes are damaged or
    have no array form."""

    def load() -> np.ndarray:
        if meta.dtype.itemsize == 0:
            raise SourceError(
                extent.path,
                f"tensor '{meta.name}' is of type {meta.dtype}, which has no array form",
                "leave it as it is in the plan",
            )
        data = _bytes(extent)
        _compare(meta, extent, checksum.crc32c(data))
        return np.frombuffer(data, meta.dtype.numpy or np.dtype("<u2")).reshape(meta.shape)

    return load


def strings(view: TensorView) -> List[bytes]:
    """The elements of a stored string tensor.

    Raises:
      SourceError: it is damaged.
    """
    extent = view.extent
    assert extent is not None and view.meta.dtype == STRING
    check(view)
    return entries.strings(bytes(_bytes(extent)), view.meta.size)


def check(view: TensorView) -> None:
    """Reads a view's stored bytes, and checks them.

    Takes little memory, except for strings, variants and partitioned variables.

    Raises:
      SourceError: naming the file and the tensor, when they are not what was saved.
    """
    if view.extent is None:
        view.load()
    else:
        with Extents() as extents:
            measure(view, extents)


def measure(view: TensorView, extents: Extents) -> Tuple[int, int]:
    """The CRC-32C and the sum (`checksum.sum64`) of a view's stored bytes, which lie in one
    extent, and are checked on the way.

    Raises:
      SourceError: naming the file and the tensor, when they are not what was saved.
    """
    meta, extent = view.meta, view.extent
    assert extent is not None
    crc = total = 0
    for chunk in extents.chunks(extent):
        crc = checksum.crc32c(chunk, crc)
        total = checksum.sum64(chunk, total)
    stored = crc
    if meta.dtype in (STRING, VARIANT):
        special = entries.string_checksum if meta.dtype == STRING else entries.variant_checksum
        try:
            stored = special(bytes(_bytes(extent)), meta.size)
        except ValueError as error:
            raise SourceError(
                extent.path, f"tensor '{meta.name}' is damaged: {error}", COPY_AGAIN
            ) from None
    _compare(meta, extent, stored)
    return crc, total


def digest(view: TensorView) -> str:
    """The SHA-256 of a view's stored bytes, which are checked on the way.

    Raises:
      SourceError: naming the file and the tensor, when they are not what was saved.
    """
    found = hashlib.sha256()
    if view.extent is None:
        found.update(np.ascontiguousarray(view.load()).tobytes())
        return found.hexdigest()
    if view.meta.dtype in (STRING, VARIANT):
        check(view)
    crc = 0
    for chunk in _chunks(view.extent):
        found.update(chunk)
        crc = checksum.crc32c(chunk, crc)
    if view.meta.dtype not in (STRING, VARIANT):
        _compare(view.meta, view.extent, crc)
    return found.hexdigest()


def _compare(meta: TensorMeta, extent: Extent, crc: int) -> None:
    if crc != extent.crc32c:
        raise SourceError(
            extent.path,
            f"tensor '{meta.name}' is damaged: its bytes do not match their checksum",
            COPY_AGAIN,
        )


def _bytes(extent: Extent) -> bytearray:
    data = bytearray()
    for chunk in _chunks(extent):
        data += chunk
    return data


def _chunks(extent: Extent) -> Iterator[memoryview]:
    with Extents() as extents:
        yield from extents.chunks(extent)
