"""Maps of FlexBuffers, in which custom operations have their options: read, and a number changed.

The end is the root: its value, its packed type, its width.  A map's value is how far before it the
values lie; before them are their number, the width of the keys, and how far before that the keys
lie; behind them their packed types (type << 2 | width, a width being a power of 2).  Keys are
offsets, back to texts that end with a zero.  Source: the format's documentation ("FlexBuffers").
"""

import struct
from typing import Dict, NamedTuple, Optional, Union

from graphfix.formats.flatbuffers.reader import Damaged

_CODES = {
    1: {1: "b", 2: "h", 4: "i", 8: "q"},
    2: {1: "B", 2: "H", 4: "I", 8: "Q"},
    3: {4: "f", 8: "d"},
    26: {1: "B", 2: "H", 4: "I", 8: "Q"},  # true or false
}
_UNSIGNED = _CODES[2]
_MAP = 9
_MOST_KEYS = 1024


class Number(NamedTuple):
    """A number of a map, where it stands, and its format."""

    value: Union[int, float]
    place: int
    code: str


def numbers(data: bytes) -> Dict[str, Number]:
    """The numbers of the map that is the root; other values are left out.

    Raises:
      Damaged: there is no such map.
    """
    try:
        return _numbers(data)
    except (struct.error, ValueError, IndexError):
        raise Damaged("has damaged options of a custom operation") from None


def with_number(data: bytes, name: str, value: int) -> Optional[bytes]:
    """The bytes with another number in the place of an integer, None where it does not fit."""
    found = numbers(data)[name]
    try:
        changed = struct.pack(found.code, value)
    except struct.error:
        return None
    return data[: found.place] + changed + data[found.place + len(changed) :]


def _numbers(data: bytes) -> Dict[str, Number]:
    packed, width = data[-2:]
    root = len(data) - 2 - width
    if packed >> 2 != _MAP:
        raise ValueError
    size = 1 << (packed & 3)
    values = root - _unsigned(data, root, width)
    count = _unsigned(data, values - size, size)
    key_size = _unsigned(data, values - 2 * size, size)
    keys = values - 3 * size - _unsigned(data, values - 3 * size, size)
    if count > _MOST_KEYS:
        raise ValueError
    found = {}
    for one in range(count):
        place = keys + one * key_size
        begin = place - _unsigned(data, place, key_size)
        if begin < 0:
            raise ValueError
        name = data[begin : data.index(0, begin)].decode("latin-1")
        kind = data[values + count * size + one] >> 2
        code = "<" + _CODES.get(kind, {}).get(size, "")
        if len(code) > 1:
            where = values + one * size
            found[name] = Number(_unpacked(code, data, where), where, code)
    return found


def _unsigned(data: bytes, place: int, size: int) -> int:
    code = _UNSIGNED.get(size)
    if code is None:
        raise ValueError
    return int(_unpacked("<" + code, data, place))


def _unpacked(code: str, data: bytes, place: int) -> Union[int, float]:
    if place < 0:
        raise ValueError
    return struct.unpack_from(code, data, place)[0]
