"""TensorFlow's data types: their numbers, names, sizes, and NumPy's counterpart where there is one.

Numbers and names are those of `DataType` in tensorflow/core/framework/types.proto (TensorFlow
1.15).  A type has a `numpy` counterpart when its bytes in a checkpoint are NumPy's bytes
(little-endian, row-major).  bfloat16 has none: its values travel as the 16-bit patterns they are
stored as.  string and variant have no fixed size; a checkpoint has them in encodings of their
own, which graphfix carries through as bytes.
"""

from typing import Any, NamedTuple, Optional

import numpy as np


class DType(NamedTuple):
    """One TensorFlow data type: enum number, name, bytes an element (0: not fixed), NumPy type."""

    number: int
    name: str
    itemsize: int
    numpy: Any  # np.dtype, or None

    def __str__(self) -> str:
        return self.name

    @property
    def is_floating(self) -> bool:
        return self.name in ("float16", "bfloat16", "float32", "float64")


def _row(number: int, name: str, itemsize: int, numpy: Optional[str]) -> DType:
    return DType(number, name, itemsize, np.dtype(numpy) if numpy else None)


_TABLE = (
    _row(1, "float32", 4, "<f4"),
    _row(2, "float64", 8, "<f8"),
    _row(3, "int32", 4, "<i4"),
    _row(4, "uint8", 1, "|u1"),
    _row(5, "int16", 2, "<i2"),
    _row(6, "int8", 1, "|i1"),
    _row(7, "string", 0, None),
    _row(8, "complex64", 8, "<c8"),
    _row(9, "int64", 8, "<i8"),
    _row(10, "bool", 1, "|b1"),
    # Quantized integers are stored as the plain integers beneath them.
    _row(11, "qint8", 1, "|i1"),
    _row(12, "quint8", 1, "|u1"),
    _row(13, "qint32", 4, "<i4"),
    _row(14, "bfloat16", 2, None),
    _row(15, "qint16", 2, "<i2"),
    _row(16, "quint16", 2, "<u2"),
    _row(17, "uint16", 2, "<u2"),
    _row(18, "complex128", 16, "<c16"),
    _row(19, "float16", 2, "<f2"),
    _row(20, "resource", 0, None),
    _row(21, "variant", 0, None),
    _row(22, "uint32", 4, "<u4"),
    _row(23, "uint64", 8, "<u8"),
)

BY_NUMBER = {dtype.number: dtype for dtype in _TABLE}
BY_NAME = {dtype.name: dtype for dtype in _TABLE}

FLOAT32 = BY_NAME["float32"]
INT64 = BY_NAME["int64"]
STRING = BY_NAME["string"]
VARIANT = BY_NAME["variant"]
