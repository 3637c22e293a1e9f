"""CRC-32C as checkpoint files store it.

TensorFlow stores checksums masked (core/lib/hash/crc32c.h): rotated right by 15 bits plus a
constant, so that a checksum of data that itself holds checksums stays meaningful.
"""

from crc32c import crc32c

__all__ = ["crc32c", "mask", "unmask"]

_DELTA = 0xA282EAD8
_WORD = 0xFFFFFFFF


def mask(crc: int) -> int:
    """The stored form of a plain CRC-32C."""
    return (((crc >> 15) | (crc << 17)) + _DELTA) & _WORD


def unmask(masked: int) -> int:
    """The plain CRC-32C of a stored form."""
    rotated = (masked - _DELTA) & _WORD
    return ((rotated >> 17) | (rotated << 15)) & _WORD
