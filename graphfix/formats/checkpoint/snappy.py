"""Snappy decompression, as far as a checkpoint's index needs it.

The raw format (google/snappy, format_description.txt): the uncompressed length as a varint, then
elements, each led by a tag byte whose two low bits say what follows:

    0  a literal of (tag >> 2) + 1 bytes; from 60 on, the length - 1 follows in 1 to 4 bytes
    1  a copy of ((tag >> 2) & 7) + 4 bytes from 11 bits of offset back
    2  a copy of (tag >> 2) + 1 bytes from a 2-byte offset back
    3  the same with a 4-byte offset

A copy may overlap what it produces.  An index is some tens of kilobytes, so plain Python serves;
a compiled library would be a dependency for one block in one published model.
"""

from graphfix.formats.checkpoint import varint

# No element of n bytes yields more than 64, so a longer claim is false, and hostile.
_MAX_EXPANSION = 64


def decompress(data: bytes, limit: int) -> bytes:
    """The bytes that `data` stands for, at most `limit` of them.

    Raises:
      ValueError: `data` is not a complete Snappy stream, or one of more bytes.
    """
    length, position = varint.decode(data, 0)
    if length > limit:
        raise ValueError(f"expands to {length} bytes, more than any checkpoint index has")
    if length > _MAX_EXPANSION * len(data):
        raise ValueError(f"claims to expand to {length} bytes, more than Snappy can")
    out = bytearray()
    end = len(data)
    while position < end:
        tag = data[position]
        position += 1
        kind = tag & 3
        if kind == 0:
            size = tag >> 2
            if size >= 60:
                width = size - 59
                size = int.from_bytes(data[position : position + width], "little")
                position += width
            size += 1
            if position + size > end:
                raise ValueError("ends inside a literal")
            out += data[position : position + size]
            position += size
            continue
        width = (0, 1, 2, 4)[kind]
        if position + width > end:
            raise ValueError("ends inside a copy")
        offset = int.from_bytes(data[position : position + width], "little")
        position += width
        size = (tag >> 2) + 1
        if kind == 1:
            offset |= tag >> 5 << 8
            size = (tag >> 2 & 7) + 4
        if not 0 < offset <= len(out):
            raise ValueError("copies from before its beginning")
        start = len(out) - offset
        if size <= offset:
            out += out[start : start + size]
        else:
            out += (bytes(out[start:]) * (size // offset + 1))[:size]
        if len(out) > length:
            break
    if len(out) != length:
        raise ValueError(
            f"holds {'fewer' if len(out) < length else 'more'} than the {length} bytes it claims"
        )
    return bytes(out)
