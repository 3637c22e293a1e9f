"""The fields of a tf.Example straight from its bytes, as writers write them.

Protocol Buffers' encoding allows one message many forms.  Here only the usual one is read: a field
once, in order, a list of numbers packed, lengths that fill what holds them.  Anything else is
`None`, so that whoever asks has Protocol Buffers' own parser read it, and say whether it is a
message at all (tf_example.py).  What is read here is what that parser reads.

On the wire a record is `0A` and the length of the features; of each feature `0A`, its length, `0A`,
the length of its key, the key, `12`, the length of its value, the list's tag (`0A` of bytes, `12`
of floats, `1A` of integers), the length of the list; in that, `0A`, length and bytes of each bytes
value, or `0A`, a length and all numbers.  A length or an integer is a varint: 7 bits a byte, the
lowest first, the high bit set on all bytes but the last.

One pass in Python over some ten features has to keep up with a parser in C++.  So what is the same
from record to record is looked up, not read: short features as a whole, and what stands before the
numbers of boxes.
"""

from typing import Any, Dict, Iterable, List, Optional, Tuple

BYTES, FLOATS, INTS = _LISTS = 0x0A, 0x12, 0x1A
_KEPT = 4096  # features that are looked up
_SHORT = 128  # bytes of such a feature
_LARGEST = (1 << 31) - 1  # bytes of a message


class Reader:
    """Reads records' features.

    `kinds` are the tags of lists by key; other keys are passed over.  `whole` are the keys whose
    values are large: of those the first value's place in the block is given, as a slice, not bytes.
    `each` are keys of numbers that have as many as a picture has boxes.
    """

    def __init__(
        self, kinds: Dict[bytes, int], *, whole: Tuple[bytes, ...], each: Tuple[bytes, ...]
    ):
        self._kinds, self._whole = kinds, frozenset(whole)
        self._known: Dict[bytes, Tuple[bytes, Any]] = {}
        # By the length of a key: the length of a head, and by heads their key, the size of the
        # feature, and whether it has integers.
        self._heads: Dict[int, Tuple[int, Dict[bytes, Tuple[bytes, int, bool]]]] = {}
        for key in each:
            kind = kinds[key]
            length = len(_head(key, kind, 1))
            heads = {
                _head(key, kind, size): (key, length + size, kind == INTS) for size in _sizes(kind)
            }
            self._heads.setdefault(len(key), (length, {}))[1].update(heads)

    def features(self, block: bytes, at: int, end: int) -> Optional[Dict[bytes, Any]]:
        """The values of each key of the record block[at:end], None where it has another form.

        Floats are their bytes (float32, little-endian), integers a tuple, bytes values a tuple; a
        key that is passed over has None.
        """
        found: Dict[bytes, Any] = {}
        value: Any
        known, heads, tag, short = self._known, self._heads, BYTES, _SHORT
        if at == end:
            return found
        try:
            if block[at] != BYTES or end - at > _LARGEST:
                return None
            size, at = _varint(block, at + 1)
            if at + size != end:
                return None
            while at < end:
                if block[at] != tag:
                    return None
                size = block[at + 1]
                if size < 0x80:
                    at += 2
                else:
                    size, at = _varint(block, at + 1)
                stop = at + size
                if stop > end:
                    return None
                head = heads.get(block[at + 1])
                if head is not None:
                    length, keys = head
                    numbers = keys.get(block[at : at + length])
                    if numbers is not None:
                        key, whole, integers = numbers
                        if size != whole:
                            return None
                        value = block[at + length : stop]
                        if integers:
                            value = tuple(value) if max(value) < 0x80 else _integers(value)
                            if value is None:
                                return None
                        found[key] = value
                        at = stop
                        continue
                if size < short:
                    feature = block[at:stop]
                    read = known.get(feature)
                    if read is None:
                        read = self._feature(block, at, stop)
                        if read is None:
                            return None
                        if not isinstance(read[1], slice):
                            if len(known) >= _KEPT:
                                known.clear()
                            known[feature] = read
                else:
                    read = self._feature(block, at, stop)
                    if read is None:
                        return None
                key, value = read
                found[key] = value
                at = stop
        except IndexError:  # the block ends inside a length
            return None
        return found

    def _feature(self, block: bytes, at: int, stop: int) -> Optional[Tuple[bytes, Any]]:
        """(key, values) of the feature block[at:stop]."""
        size = block[at + 1]
        if block[at] != BYTES or size >= 0x80:
            return None
        key = block[at + 2 : at + 2 + size]
        at += 2 + size
        if at >= stop or block[at] != 0x12:
            return None
        size, at = _varint(block, at + 1)
        if at + size != stop:
            return None
        kind = self._kinds.get(key)
        if not size:  # no list at all
            return key, b"" if kind == FLOATS else None if kind is None else ()
        held = block[at]
        if held != kind and (kind is not None or held not in _LISTS):
            return None
        size, at = _varint(block, at + 1)
        if at + size != stop:
            return None
        if held == BYTES:
            return self._texts(block, at, stop, key, kind is None)
        if not size:
            return key, None if kind is None else b"" if held == FLOATS else ()
        if block[at] != BYTES:
            return None
        size, at = _varint(block, at + 1)
        if at + size != stop:
            return None
        if held == FLOATS:
            if size % 4:
                return None
            return key, None if kind is None else block[at:stop]
        numbers = _integers(block[at:stop])
        return None if numbers is None else (key, None if kind is None else numbers)

    def _texts(
        self, block: bytes, at: int, stop: int, key: bytes, passed: bool
    ) -> Optional[Tuple[bytes, Any]]:
        values: List[Any] = []
        large = passed or key in self._whole
        if not large:
            alike = _alike(block, at, stop)
            if alike is not None:
                return key, alike
        while at < stop:
            if block[at] != BYTES:
                return None
            size = block[at + 1]
            if size < 0x80:
                at += 2
            else:
                size, at = _varint(block, at + 1)
            if not large:
                values.append(block[at : at + size])
            elif not values:
                values.append(slice(at, at + size))
            at += size
        if at != stop:
            return None
        if passed:
            return key, None
        if large:
            return key, values[0] if values else slice(stop, stop)
        return key, tuple(values)


def _varint(block: bytes, at: int) -> Tuple[int, int]:
    """A length and where it ends; one of more bytes than are read here exceeds any block."""
    value = block[at]
    if value < 0x80:
        return value, at + 1
    byte = block[at + 1]
    if byte < 0x80:
        return value & 0x7F | byte << 7, at + 2
    value = value & 0x7F | (byte & 0x7F) << 7
    byte = block[at + 2]
    if byte < 0x80:
        return value | byte << 14, at + 3
    value |= (byte & 0x7F) << 14
    byte = block[at + 3]
    return (value | byte << 21, at + 4) if byte < 0x80 else (_LARGEST, at)


def _alike(block: bytes, at: int, stop: int) -> Optional[Tuple[bytes, ...]]:
    """The bytes values block[at:stop] if they are of one length, as one class's names are."""
    data = block[at:stop]
    if len(data) < 2:
        return None
    size = data[1]
    count, rest = divmod(len(data), size + 2)
    if rest or size >= 0x80 or data[:: size + 2] != b"\n" * count:
        return None
    if data[1 :: size + 2] != bytes((size,)) * count:
        return None
    return tuple([data[start : start + size] for start in range(2, len(data) + 1, size + 2)])


def _integers(data: bytes) -> Optional[Tuple[int, ...]]:
    """The varints of packed integers, of 63 bits each."""
    if max(data, default=0) < 0x80:
        return tuple(data)
    out, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            out.append(value)
            value = shift = 0
            continue
        shift += 7
        if shift > 56:
            return None
    return None if shift else tuple(out)


def _sizes(kind: int) -> Iterable[int]:
    """The bytes of numbers whose lengths take a byte each, as does that of their feature."""
    return range(4, 4 * 23, 4) if kind == FLOATS else range(1, 90)


def _head(key: bytes, kind: int, size: int) -> bytes:
    """What stands before `size` bytes of packed numbers, from the key's tag on."""
    packed = bytes((BYTES, size))
    value = bytes((kind, size + len(packed))) + packed
    return bytes((BYTES, len(key))) + key + bytes((0x12, size + len(value))) + value
