"""The fields of a serialized message, found without parsing it.

The form is Protocol Buffers' own (developers.google.com/protocol-buffers/docs/encoding): a field is
a number with its kind, and a value whose kind says how long it is.
"""

from typing import Any, Iterator, Tuple

_LONGEST_HEADER = 20  # bytes of two numbers
_LONGEST_NUMBER = 10
# Number, where the field begins, its content's begin and end.
Field = Tuple[int, int, int, int]


def fields(source: Any, position: int, end: int, *, most: int = 1 << 62) -> Iterator[Field]:
    """The fields that have a length (messages, strings, packed numbers).  `source` is bytes, or
    gives some of a file's from a position on (`window`).

    Raises ValueError at what is damaged, and where there are more than `most` fields.
    """
    window, base = source, 0
    read = getattr(source, "window", None)
    if read:
        window, base = b"", position
    groups = 0  # the old form of a message, of unknown fields only: not looked into
    try:
        while position < end:
            most -= 1
            if most < 0:
                raise ValueError("more fields than a graph has")
            at = position - base
            if read and at + _LONGEST_HEADER > len(window):
                window, base, at = read(position), position, 0
            first = position
            # Most numbers are of one byte: a graph has a million of them.
            tag = window[at]
            at += 1
            if tag > 0x7F:
                tag, at = _number(window, at - 1)
            kind = tag & 7
            if kind == 2:
                size = window[at]
                at += 1
                if size > 0x7F:
                    size, at = _number(window, at - 1)
                position = base + at + size
                if position > end:
                    raise ValueError("a field reaches beyond its end")
                if not groups:
                    yield tag >> 3, first, base + at, position
            elif kind == 0:
                position = base + _number(window, at)[1]
            elif kind in (3, 4):
                groups += 1 if kind == 3 else -1
                position = base + at
            elif kind in (1, 5):
                position = base + at + (8 if kind == 1 else 4)
            else:
                raise ValueError(f"a field of no known kind ({kind})")
    except IndexError:
        raise ValueError("a number that does not end") from None


def _number(data: Any, position: int) -> Tuple[int, int]:
    """A number, and where it ends; raises IndexError where it does not."""
    value = 0
    for count in range(_LONGEST_NUMBER):
        byte = data[position + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, position + count + 1
    raise IndexError
