"""CRC-32C as checkpoint files store it.

TensorFlow stores checksums masked (core/lib/hash/crc32c.h): rotated right by 15 bits plus a
constant, so that checksums of data that contains checksums stay meaningful.

`sum64` is graphfix's own second figure of the same bytes, for manifests: their sum as
little-endian 64-bit words, the last one filled with zeros, modulo 2**64.  It costs next to nothing
where a CRC is computed, and does not fail where a CRC does.
"""

import numpy as np
from crc32c import crc32c

__all__ = ["crc32c", "mask", "sum64", "unmask"]

_DELTA = 0xA282EAD8
_WORD = 0xFFFFFFFF


def mask(crc: int) -> int:
    """The stored form of a plain CRC-32C."""
    return (((crc >> 15) | (crc << 17)) + _DELTA) & _WORD


def unmask(masked: int) -> int:
    """The plain CRC-32C of a stored form."""
    rotated = (masked - _DELTA) & _WORD
    return ((rotated >> 17) | (rotated << 15)) & _WORD


def sum64(data, total: int = 0) -> int:
    """The sum of the words of `data`, added to `total`, which is that of what came before; all but
    the last piece are of whole words."""
    words = len(data) // 8
    view = memoryview(data)
    total += int(np.add.reduce(np.frombuffer(view[: 8 * words], "<u8"), dtype=np.uint64))
    return (total + int.from_bytes(view[8 * words :], "little")) & 0xFFFFFFFFFFFFFFFF
