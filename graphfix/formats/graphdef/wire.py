"""The serialized form of messages, made the same for the same message whoever serialized it.

The runtimes of Protocol Buffers (C++, upb, Python) order the entries of a map differently, even
when told to be deterministic, and each has a way of its own with fields that the schema does not
know.  C++ keeps an entry whose key comes again, though the later one replaces it.  All of them
write everything else in one way: so that much is left to them.
"""

import operator
from typing import Any, Dict, List, Optional, Tuple, Union

from graphfix.formats.graphdef.fields import fields

_MASK = (1 << 64) - 1
_SMALL = 256  # bytes of an entry that is worth being remembered
# Entries of maps, with the names of their messages, in order within.
Done = Dict[Tuple[str, bytes], bytes]
_FIRST = operator.itemgetter(0)
Buffer = Union[bytes, bytearray]
# Full name of a message -> numbers of its fields that are messages: their descriptor, whether they
# are a map's entries, and whether they or anything in them is.
_Inner = Tuple[Any, bool, bool]
_INNER: Dict[str, Dict[int, _Inner]] = {}


def to_bytes(message: Any, done: Optional[Done] = None) -> bytes:
    """A message's bytes, its maps in order; unknown fields mostly as the runtime has them.  `done`
    is one dictionary for many messages."""
    data = bytearray(message.SerializeToString())
    if _order_maps(data, 0, len(data), message.DESCRIPTOR, {} if done is None else done):
        return bytes(data)
    return canonical(message)


def canonical(message: Any) -> bytes:
    """A message's bytes, equal to another's where both messages are, unknown fields included.

    Those are ordered by number, and their numbers written in the shortest way: whatever more is in
    them (a message, text) nobody can tell.
    """
    data = message.SerializeToString()
    return _normal(data, 0, len(data), _inner(message.DESCRIPTOR), {})


def _order_maps(data: bytearray, start: int, end: int, descriptor: Any, done: Done) -> bool:
    """Orders all maps within a part of `data`; `done` are entries ordered before, many of which
    come again and again.  Stops, and returns False, where a key comes twice or the entries of a map
    are not one after the other: upb keeps those with an unknown field elsewhere."""
    known = _inner(descriptor)
    view = memoryview(data)  # slicing it copies nothing
    entries: Dict[int, List[Tuple[int, int, int]]] = {}
    for number, first, inner, last in fields(data, start, end):
        if number in known:
            kind, is_map, leads = known[number]
            if is_map:
                entries.setdefault(number, []).append((first, inner, last))
            elif leads and not _order_maps(data, inner, last, kind, done):
                return False
    for number, places in entries.items():
        if any(one[2] != two[0] for one, two in zip(places, places[1:])) or len(
            {_begin(data, inner, last) for _, inner, last in places}
        ) < len(places):
            return False
        kind = known[number][0]
        name = kind.full_name
        chunks: List[Tuple[bytes, Union[bytes, memoryview]]] = []
        for first, inner, last in places:
            if last - first > _SMALL:
                if not _order_maps(data, inner, last, kind, done):
                    return False
                # Keys differ, so it is in its place by what comes before its value.
                chunks.append(
                    (bytes(view[first:inner]) + _begin(data, inner, last), view[first:last])
                )
                continue
            key = name, bytes(view[first:last])
            chunk = done.get(key)
            if chunk is None:
                if not _order_maps(data, inner, last, kind, done):
                    return False
                chunk = done[key] = bytes(view[first:last])
            chunks.append((chunk, chunk))
        chunks.sort(key=_FIRST)
        view[places[0][0] : places[-1][2]] = b"".join([chunk for _, chunk in chunks])
    return True


def _normal(
    data: bytes,
    position: int,
    end: int,
    known: Dict[int, _Inner],
    done: Dict[Tuple[int, int, bytes], bytes],
    *,
    entry: bool = False,
) -> bytes:
    """A message's bytes, its fields in order of their tags; `known` is empty in what is unknown.
    Of a map's entry, key and value."""
    found: List[Tuple[int, bytes]] = []
    entries: Dict[int, List[bytes]] = {}
    while position < end:
        first = position
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
            number = tag >> 3
            if number not in known and size < 0x80 and position == first + 2:
                position += size
                found.append((tag, data[first:position]))
                continue
            content = data[position : position + size]
            position += size
            if number in known:
                inner, is_map, _ = known[number]
                if is_map and size <= _SMALL:
                    key = id(known), number, content
                    normal = done.get(key)
                    if normal is None:
                        normal = done[key] = _normal(
                            content, 0, size, _inner(inner), done, entry=True
                        )
                    content = normal
                else:
                    content = _normal(content, 0, size, _inner(inner), done, entry=is_map)
                if is_map:
                    entries.setdefault(tag, []).append(content)
                    continue
            content = _shortest(len(content)) + content
        elif kind == 0:
            number, position = _varint(data, position)
            content = _shortest(number)
        elif kind == 3:
            last, position = _group(data, position)
            content = _normal(data, _varint(data, first)[1], last, {}, done) + _shortest(tag + 1)
        else:
            size = 8 if kind == 1 else 4
            content = data[position : position + size]
            position += size
        found.append((tag, _shortest(tag) + content))
    if entry:
        found = [one for one in found if one[0] >> 3 in (1, 2)]
    for tag, contents in entries.items():
        if len({_begin(one, 0, len(one)) for one in contents}) < len(contents):
            # The later one counts.
            contents = list({_key(content): content for content in contents}.values())
        found += [
            (tag, _shortest(tag) + one)
            for one in sorted([_shortest(len(content)) + content for content in contents])
        ]
    found.sort(key=_FIRST)
    return b"".join([chunk for _, chunk in found])


def _inner(descriptor: Any) -> Dict[int, _Inner]:
    name = descriptor.full_name
    known = _INNER.get(name)
    if known is None:
        known = _INNER[name] = {
            field.number: (
                field.message_type,
                field.message_type.GetOptions().map_entry,
                field.message_type.GetOptions().map_entry or _has_maps(field.message_type),
            )
            for field in descriptor.fields
            if field.message_type is not None
        }
    return known


def _begin(entry: Buffer, start: int, end: int) -> bytes:
    """What tells an entry from others: its key, nearly always a short text at its begin."""
    if end - start > 1 and entry[start] == 0x0A and entry[start + 1] < 0x80:
        return bytes(entry[start : start + 2 + entry[start + 1]])
    return _key(bytes(entry[start:end]))


def _key(entry: bytes) -> bytes:
    """The key that an entry begins with; all of one that is not a key and a value."""
    ends = []
    position = 0
    while position < len(entry):
        tag = entry[position]
        if tag & 7 == 2:
            size, position = _varint(entry, position + 1)
            position += size
        elif tag & 7 == 0:
            position = _varint(entry, position + 1)[1]
        else:
            position += 1 + {1: 8, 5: 4}.get(tag & 7, len(entry))
        ends.append((tag >> 3, position))
    return entry[: ends[0][1]] if [number for number, _ in ends] == [1, 2] else entry


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


def _group(data: Buffer, position: int) -> Tuple[int, int]:
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


def _varint(data: Buffer, position: int) -> Tuple[int, int]:
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
