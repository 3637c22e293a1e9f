"""A graph's file without its large constants, and how it is put together again.

Nearly all bytes of a frozen graph are the contents of some constants (TensorFlow 1.15,
core/framework/graph.proto, node_def.proto, attr_value.proto, tensor.proto, core/protobuf/
meta_graph.proto, saved_model.proto):

    SavedModel  meta_graphs 2 > MetaGraphDef  graph_def 2 > GraphDef  node 1 >
    NodeDef  name 1, op 2, input 3, attr 5 > an entry's value 2 > AttrValue  tensor 8 >
    TensorProto  tensor_content 4

`read` takes each large `tensor_content` out of the file, and puts in its place a marker, which
says where it lies.  The rest, the skeleton, is some hundred bytes a node; Protocol Buffers parses
it, and so says what is a graph and what is not, just as it would of the whole: but for those
contents, which are any bytes at all, every byte is there.  `pieces` puts contents back in the
place of their markers, with the lengths of all they are in.

Only what is written in the usual way is taken out, with each number as short as it can be, so that
putting it back gives the same bytes again.  Whatever else stands in a file stays in the skeleton.

A marker begins with a number that each process draws: no file can have one.
"""

import bisect
import os
import struct
from typing import Any, Iterator, List, NamedTuple, Optional, Tuple

from graphfix.errors import SourceError
from graphfix.formats import extents, regular_files
from graphfix.formats.extents import Pieces, Span
from graphfix.formats.graphdef.fields import fields

# The numbers of the fields that lead from a file's message to a node.
GRAPH_DEF, META_GRAPH, SAVED_MODEL = (1,), (2, 1), (2, 2, 1)
_CONTENT = (5, 2, 8, 4)  # and from a node to a content
MOST = (1 << 31) - 1  # Protocol Buffers' own bound of a message
# Contents up to this size are parsed along: they are the shapes, sizes and numbers of a graph.
LARGE = 4096
_WINDOW = 1 << 16
_DRAWN = os.urandom(16)
_PLACE = struct.Struct("<QQ")


def marker(span: Span) -> bytes:
    """What stands for a content that lies elsewhere."""
    return _DRAWN + _PLACE.pack(span.offset, span.length) + os.fsencode(span.path)


def marked(content: bytes) -> Optional[Span]:
    """Where a content lies, None where it is one itself."""
    if not content.startswith(_DRAWN):
        return None
    start = len(_DRAWN)
    offset, length = _PLACE.unpack_from(content, start)
    return Span(os.fsdecode(content[start + _PLACE.size :]), offset, length)


def has_marker(data: bytes, start: int = 0, end: Optional[int] = None) -> bool:
    """Whether a marker is anywhere in serialized messages."""
    return data.find(_DRAWN, start, len(data) if end is None else end) >= 0


def count_markers(data: bytes) -> int:
    return data.count(_DRAWN)


def read(path: str, form: Tuple[int, ...]) -> bytes:
    """The skeleton of a file.

    Raises:
      SourceError: it cannot be read, is a Git LFS pointer, or larger than a message can be.
    """
    try:
        with regular_files.open_file(path, buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MOST:
                raise SourceError(
                    path,
                    f"has {size} bytes, more than a graph's file can",
                    "name the file that the exporter wrote",
                )
            source = _File(file, path)
            regular_files.refuse_pointer(path, source.window(0))
            found, _ = _cut(source, 0, size, form + _CONTENT)
            return extents.joined(found)
    except OSError as error:
        raise regular_files.unreadable(path, error) from None


class _File:
    """A message in a file, of which little is read."""

    def __init__(self, file: Any, path: str):
        self._file, self.path = file, path

    def window(self, position: int) -> bytes:
        return os.pread(self._file.fileno(), _WINDOW, position)


class Places(NamedTuple):
    """Where the nodes of a GraphDef lie in a skeleton, and the bytes of all else in it."""

    nodes: List[Tuple[int, int]]
    rest: bytes


def graphs(data: bytes, form: Tuple[int, ...]) -> List[Places]:
    """The GraphDefs in a skeleton.  Raises ValueError where it is damaged."""
    spans = [(0, len(data))]
    for number in form[:-1]:
        spans = [
            (inner, last)
            for start, end in spans
            for one, _, inner, last in fields(data, start, end)
            if one == number
        ]
    return [_places(data, start, end, form[-1]) for start, end in spans]


def _places(data: bytes, start: int, end: int, number: int) -> Places:
    nodes, rest, done = [], [], start
    for one, first, inner, last in fields(data, start, end, most=_most(start, end)):
        if one == number:
            nodes.append((inner, last))
            if first > done:
                rest.append(data[done:first])
            done = last
    return Places(nodes, b"".join([*rest, data[done:end]]))


def marked_nodes(data: bytes, nodes: List[Tuple[int, int]]) -> Iterator[int]:
    """The numbers of the nodes, of those that lie there, which have markers."""
    ends = [end for _, end in nodes]
    place = data.find(_DRAWN, nodes[0][0]) if nodes else -1
    while place >= 0:
        number = bisect.bisect_right(ends, place)
        if number == len(nodes):
            return
        if nodes[number][0] <= place:
            yield number
            place = ends[number]
        place = data.find(_DRAWN, max(place, nodes[number][0]))


def pieces(data: bytes, form: Tuple[int, ...] = ()) -> Pieces:
    """The bytes of a skeleton, or of a NodeDef, with each marker's content in its place."""
    return _restored(data, 0, len(data), form + _CONTENT)[0] if has_marker(data) else [data]


def header(number: int, size: int) -> bytes:
    """What precedes a field of `size` bytes."""
    if size < 0x80:
        return bytes((number << 3 | 2, size))
    out = bytearray((number << 3 | 2,))
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


def framed(node: bytes) -> Pieces:
    """A NodeDef as a field of a GraphDef, with each marker's content in its place."""
    within = pieces(node)
    return [header(1, extents.size(within)), *within]


def _most(start: int, end: int) -> int:
    """How many fields are looked at: protobuf skips a hundred million of three bytes in a second,
    and this in minutes."""
    return 4096 + min((end - start) // 8, 1 << 21)


def _cut(source: _File, start: int, end: int, numbers: Tuple[int, ...]) -> Tuple[Pieces, int]:
    """A message of a file without its large contents, to which `numbers` lead; and its length."""
    out: Pieces = []
    length, done = end - start, start
    try:
        for number, first, inner, last in fields(source, start, end, most=_most(start, end)):
            size = last - inner
            if number != numbers[0] or size <= LARGE:
                continue
            if inner - first != len(header(number, size)):
                continue  # not as short as it can be
            if len(numbers) > 1:
                within, left = _cut(source, inner, last, numbers[1:])
                if left == size:
                    continue
            else:
                content = marker(Span(source.path, inner, size))
                within, left = [content], len(content)
            before = header(number, left)
            out += [Span(source.path, done, first - done), before, *within]
            length += len(before) + left - (last - first)
            done = last
    except ValueError:
        pass  # damaged: whoever parses the skeleton says so
    out.append(Span(source.path, done, end - done))
    return out, length


def _restored(data: bytes, start: int, end: int, numbers: Tuple[int, ...]) -> Tuple[Pieces, int]:
    """A part of a message with contents for markers, and its length."""
    out: Pieces = []
    length, done = end - start, start
    for number, first, inner, last in fields(data, start, end):
        if number != numbers[0] or not has_marker(data, inner, last):
            continue
        if len(numbers) > 1:
            within, size = _restored(data, inner, last, numbers[1:])
        else:
            span = marked(data[inner:last])
            if span is None:
                continue
            within, size = [span], span.length
        before = header(number, size)
        out += [data[done:first], before] + within
        length += len(before) + size - (last - first)
        done = last
    out.append(data[done:end])
    return out, length
