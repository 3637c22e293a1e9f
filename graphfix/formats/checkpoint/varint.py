"""Base-128 variable-length integers, least significant group first (as in Protocol Buffers)."""

from typing import Tuple


def decode(data: bytes, position: int) -> Tuple[int, int]:
    """The unsigned integer at `position` and the position after it.

    Raises:
      ValueError: the bytes end first, or the integer is longer than 64 bits allow.
    """
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ValueError("ends inside a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, position
    raise ValueError("has a number longer than 64 bits")


def encode(value: int) -> bytes:
    """The bytes of an unsigned integer."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
