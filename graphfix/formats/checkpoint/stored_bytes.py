"""The bytes of a tensor in a checkpoint: read, checked against their checksum, and measured."""

import hashlib
from typing import Callable, List, Tuple

import numpy as np

from graphfix.errors import SourceError
from graphfix.formats import checksum, extents
from graphfix.formats.checkpoint import entries
from graphfix.formats.dtypes import STRING, VARIANT
from graphfix.formats.tensors import Extent, TensorMeta, TensorView

COPY_AGAIN = "download or copy the checkpoint again"


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
        data = extents.read(extent)
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
    return entries.strings(bytes(extents.read(extent)), view.meta.size)


def check(view: TensorView) -> None:
    """Reads a view's stored bytes, and checks them.

    Takes little memory, except for strings, variants and partitioned variables.

    Raises:
      SourceError: naming the file and the tensor, when they are not what was saved.
    """
    if view.extent is None:
        view.load()
    else:
        with extents.Extents() as opened:
            measure(view, opened)


def measure(view: TensorView, opened: extents.Extents) -> Tuple[int, int]:
    """The CRC-32C and the sum (`checksum.sum64`) of a view's stored bytes, which lie in one
    extent, and are checked on the way.

    Raises:
      SourceError: naming the file and the tensor, when they are not what was saved.
    """
    meta, extent = view.meta, view.extent
    assert extent is not None
    crc = total = 0
    for chunk in opened.chunks(extent):
        crc = checksum.crc32c(chunk, crc)
        total = checksum.sum64(chunk, total)
    stored = crc
    if meta.dtype in (STRING, VARIANT):
        special = entries.string_checksum if meta.dtype == STRING else entries.variant_checksum
        try:
            stored = special(bytes(extents.read(extent)), meta.size)
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
    for chunk in extents.chunks(view.extent):
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
