"""Named tensors whose metadata is at hand and whose values are read on request.

A `TensorStore` is what every reader gives and every writer takes.  Opening one costs metadata
only; a `TensorView` reads its value when `load` is called, and says, when its bytes lie in a file
in the very form a checkpoint stores, where (`extent`), so that a writer can copy them without
ever decoding them.
"""

import collections.abc
import dataclasses
import functools
from typing import Callable, Iterable, Iterator, NamedTuple, Optional, Tuple

import numpy as np

from graphfix.formats.dtypes import STRING, DType


class TensorMeta(NamedTuple):
    """Name, type and shape (a tuple of dimensions, () for a scalar)."""

    name: str
    dtype: DType
    shape: Tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for dimension in self.shape:
            size *= dimension
        return size

    @property
    def nbytes(self) -> int:
        """Bytes of all elements; 0 for types without a fixed element size."""
        return self.size * self.dtype.itemsize


class Extent(NamedTuple):
    """Where a tensor's stored bytes lie: file, offset and length in bytes, and their CRC-32C.

    `crc32c` is the plain checksum, not the masked form that checkpoint files hold.
    """

    path: str
    offset: int
    length: int
    crc32c: int


@dataclasses.dataclass(frozen=True)
class TensorView:
    """A tensor that is not read yet.

    `load()` gives its value as an array of `meta.shape` (bfloat16: uint16 bit patterns), or
    raises SourceError when the bytes behind it are damaged or of a type that has no array form.
    """

    meta: TensorMeta
    load: Callable[[], np.ndarray] = dataclasses.field(compare=False)
    extent: Optional[Extent] = None


def constant(name: str, dtype: DType, value: np.ndarray) -> TensorView:
    """A view of a value in memory."""
    array = np.asarray(value, dtype.numpy)
    return TensorView(TensorMeta(name, dtype, array.shape), lambda: array)


def text(name: str, value: bytes) -> TensorView:
    """A view of a string scalar in memory."""
    array = np.array(value, object)
    return TensorView(TensorMeta(name, STRING, ()), lambda: array)


class TensorStore(collections.abc.Mapping):
    """Views by name, in name order (byte order of UTF-8, as checkpoints sort)."""

    def __init__(self, views: Iterable[TensorView]):
        named = {view.meta.name: view for view in views}
        self._views = {name: named[name] for name in sorted(named, key=str.encode)}

    def __repr__(self) -> str:
        return f"<TensorStore of {len(self)} tensors>"

    def __getitem__(self, name: str) -> TensorView:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def cached(self, names: Iterable[str]) -> "TensorStore":
        """The same store, but each tensor of `names` is read once, however often it is loaded."""
        kept = {
            name: dataclasses.replace(
                self._views[name], load=functools.lru_cache(maxsize=1)(self._views[name].load)
            )
            for name in names
            if name in self._views
        }
        return TensorStore(kept.get(name, view) for name, view in self._views.items())
