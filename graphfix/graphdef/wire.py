"""The serialized form of messages, made the same for the same message whoever serialized it.

The runtimes of Protocol Buffers (C++, upb, Python) order the entries of a map differently, even
when told to be deterministic, and each has a way of its own with fields that the schema does not
know.  All of them write what it does know in one way: so that much is left to them.
"""

from typing import Any, Dict, Iterator, List, Optional, Tuple

_MASK = (1 << 64) - 1
_SMALL = 256  # bytes of an entry that is worth being remembered
# Full name of a message -> numbers of its fields that are maps, or lead to maps: the descriptor of
# what is in them, and whether they are maps.
_TO_MAPS = {}  # type: Dict[str, Dict[int, Tuple[Any, bool]]]


def to_bytes(message: Any) -> bytes:
    """A message's bytes, its maps in order; unknown fields are as the runtime has them."""
    data = bytearray(message.SerializeToString(deterministic=True))
    _order_maps(data, 0, len(data), message.DESCRIPTOR, {})
    return bytes(data)


def canonical(message: Any) -> bytes:
    """A message's bytes, equal to another's where both messages are, unknown fields included.

    Those are ordered by number, and their numbers written in the shortest way: whatever more is in
    them (a message, text) nobody can tell.
    """
    data = message.SerializeToString(deterministic=True)
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    if known.ByteSize() != len(data):
        data = _normal(data, 0, len(data), message.DESCRIPTOR)
    ordered = bytearray(data)
    _order_maps(ordered, 0, len(ordered), message.DESCRIPTOR, {})
    return bytes(ordered)


def fields(data: bytes, position: int, end: int) -> Iterator[Tuple[int, int, int, int]]:
    """The fields of a serialized message that have a length (messages, strings, packed numbers):
    number, where it begins, its content's begin and end."""
    groups = 0  # the old form of a message, of unknown fields only: not looked into
    while position < end:
        first = position
        # Most tags and sizes are of one byte: a graph has a million of them.
        tag = data[position]
        position += 1
        if tag > 0x7F:
            tag, position = _varint(data, first)
        kind = tag & 7
        if kind == 2:
            size = data[position]
            position += 1
            if size > 0x7F:
                size, position = _varint(data, position - 1)
            if not groups:
                yield tag >> 3, first, position, position + size
            position += size
        elif kind == 0:
            position = _varint(data, position)[1]
        else:
            position += {1: 8, 5: 4}.get(kind, 0)
            groups += {3: 1, 4: -1}.get(kind, 0)


def _order_maps(data: bytearray, start: int, end: int, descriptor: Any,
                done: Dict[Tuple[str, bytes], bytes]) -> None:
    """Orders all maps within a part of `data`; `done` are entries ordered before, many of which
    come again and again."""
    known = _to_maps(descriptor)
    entries = {}  # type: Dict[int, List[Tuple[int, int, int]]]
    for number, first, inner, last in fields(data, start, end):
        if number in known:
            kind, is_map = known[number]
            if is_map:
                entries.setdefault(number, []).append((first, inner, last))
            else:
                _order_maps(data, inner, last, kind, done)
    for number, places in entries.items():
        kind, _ = known[number]
        chunks = []
        for first, inner, last in places:
            chunk = bytes(data[first:last])
            if kind is not None:
                key = kind.full_name, chunk
                if key not in done:
                    ordered = bytearray(chunk)
                    _order_maps(ordered, inner - first, last - first, kind, done)
                    if len(chunk) > _SMALL:
                        chunks.append(bytes(ordered))
                        continue
                    done[key] = bytes(ordered)
                chunk = done[key]
            chunks.append(chunk)
        # One after the other, as the fields of one number always are.
        data[places[0][0]:places[-1][2]] = b"".join(sorted(chunks))


def _to_maps(descriptor: Any) -> Dict[int, Tuple[Any, bool]]:
    if descriptor.full_name not in _TO_MAPS:
        found = {}
        for field in descriptor.fields:
            kind = field.message_type
            if kind is not None:
                is_map, leads = kind.GetOptions().map_entry, _has_maps(kind)
                if is_map or leads:
                    found[field.number] = (kind if leads else None, is_map)
        _TO_MAPS[descriptor.full_name] = found
    return _TO_MAPS[descriptor.full_name]


def _has_maps(descriptor: Any) -> bool:
    """Whether a message has a map, itself or somewhere within."""
    pending, seen = [descriptor], set()
    while pending:
        for field in pending.pop().fields:
            kind = field.message_type
            if kind is not None and kind.full_name not in seen:
                if kind.GetOptions().map_entry:
                    return True
                seen.add(kind.full_name)
                pending.append(kind)
    return False


def _normal(data: bytes, position: int, end: int, descriptor: Optional[Any]) -> bytes:
    """A message's bytes, its fields in order of their tags; `descriptor` is None in what is
    unknown."""
    found = []
    while position < end:
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == 0:
            number, position = _varint(data, position)
            content = _shortest(number)
        elif kind == 2:
            size, position = _varint(data, position)
            inner = _message_of(descriptor, tag >> 3)
            content = data[position:position + size] if inner is None else _normal(
                data, position, position + size, inner)
            content = _shortest(len(content)) + content
            position += size
        elif kind == 3:
            last, after = _group(data, position)
            content = _normal(data, position, last, None) + _shortest(tag + 1)
            position = after
        else:
            size = 8 if kind == 1 else 4
            content = data[position:position + size]
            position += size
        found.append((tag, _shortest(tag) + content))
    return b"".join(chunk for _, chunk in sorted(found, key=lambda one: one[0]))


def _message_of(descriptor: Optional[Any], number: int) -> Optional[Any]:
    field = descriptor and descriptor.fields_by_number.get(number)
    return field.message_type if field is not None else None


def _group(data: bytes, position: int) -> Tuple[int, int]:
    """Where a group's content ends, and where what follows the group begins."""
    depth = 1
    while True:
        last = position
        tag, position = _varint(data, position)
        kind = tag & 7
        depth += {3: 1, 4: -1}.get(kind, 0)
        if not depth:
            return last, position
        if kind == 0:
            position = _varint(data, position)[1]
        elif kind == 2:
            size, position = _varint(data, position)
            position += size
        else:
            position += {1: 8, 5: 4}.get(kind, 0)


def _varint(data: bytes, position: int) -> Tuple[int, int]:
    """A variable-length integer that is known to be sound, and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value & _MASK, position
        shift += 7


def _shortest(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
