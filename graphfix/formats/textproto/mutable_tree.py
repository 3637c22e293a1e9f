"""A parsed document's tree that follows the text while somebody edits it.

Every span stores where it starts relative to its parent, so a change inside one block moves only
what follows it in that block and in the blocks around it.  Spans are made from the parsed nodes
when they are first looked at: an edit touches a handful of blocks, whatever the document's size.

They have the attributes of tree.py's nodes that layout.py reads (`start`, `end`, `fields`,
`named`, `values`, `body_start`, `body_end`, `value_start`), as offsets into the current text.
"""

from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from graphfix.formats.textproto.tree import Block, Field, Node, Scalar


class _Span:
    """A span of the current text; `node` is the parsed node it was made from."""

    __slots__ = ("_children", "length", "node", "offset", "parent")

    def __init__(self, node: Any, parent: Any, offset: int):
        """`offset` counts from the parent's start, or from the text's where there is no parent."""
        self.node: Any = node
        self.parent: Any = parent
        self.offset = offset
        self.length: int = node.end - node.start
        self._children: Optional[list] = None

    @property
    def start(self) -> int:
        start, above = self.offset, self.parent
        while above is not None:
            start += above.offset
            above = above.parent
        return start

    @property
    def end(self) -> int:
        return self.start + self.length

    @property
    def children(self) -> list:
        """The fields of a block, the values of a field, nothing for a scalar."""
        if self._children is None:
            self._children = [
                _KINDS[type(inner)](inner, self, inner.start - self.node.start)
                for inner in self._parsed_children()
            ]
        return self._children

    def _parsed_children(self) -> Sequence[Node]:
        return ()

    def grow(self, by: int) -> None:
        """Lengthens the span, and with it every span around it, and moves what comes after."""
        self.length += by
        if self.parent is not None:
            self.parent.move_children(self.parent.children.index(self) + 1, by)
            self.parent.grow(by)

    def move_children(self, first: int, by: int) -> None:
        """Moves the children from the one of index `first` on."""
        for child in self.children[first:]:
            child.offset += by


class MutableScalar(_Span):
    """A value that is not a block."""

    __slots__ = ()


class MutableField(_Span):
    """`name: value`, `name { }` or `name: [value, value]`, without its separator."""

    __slots__ = ("_value_offset", "listed", "name")

    def __init__(self, node: Field, parent: "MutableBlock", offset: int):
        _Span.__init__(self, node, parent, offset)
        self.name, self.listed = node.name, node.listed
        self._value_offset = node.value_start - node.start

    @property
    def value_start(self) -> int:
        return self.start + self._value_offset

    @property
    def values(self) -> List[Union[MutableScalar, "MutableBlock"]]:
        return self.children

    @property
    def blocks(self) -> List["MutableBlock"]:
        """Those of the values that are blocks."""
        return [value for value in self.children if isinstance(value, MutableBlock)]

    def _parsed_children(self) -> Sequence[Node]:
        return self.node.values

    def take_value(self, written: Field, shift: int) -> None:
        """Takes over the value of a field parsed elsewhere, whose offsets plus `shift` count from
        this one's start.  The field has its new length already."""
        self.listed, self._value_offset = written.listed, written.value_start + shift
        self._children = [
            _KINDS[type(value)](value, self, value.start + shift) for value in written.values
        ]


class MutableBlock(_Span):
    """Fields between braces, or the whole document without any."""

    __slots__ = ()

    @property
    def body_start(self) -> int:
        return self.start + self.node.body_start - self.node.start

    @property
    def body_end(self) -> int:
        return self.end - (self.node.end - self.node.body_end)

    @property
    def fields(self) -> List[MutableField]:
        return self.children

    @property
    def depth(self) -> int:
        """How many pairs of braces are around its fields."""
        depth, above = 0, self.parent
        while above is not None:
            depth += isinstance(above, MutableField)
            above = above.parent
        return depth

    def named(self, name: str) -> Tuple[MutableField, ...]:
        """This block's own fields of a name, in order."""
        return tuple(field for field in self.children if field.name == name)

    def _parsed_children(self) -> Sequence[Node]:
        return self.node.fields

    def of(self, node: Node) -> Any:
        """The span made from a parsed node somewhere below this block; KeyError if none was."""
        span: _Span = self
        while span.node is not node:
            around = [
                child
                for child in span.children
                if child.node.start <= node.start and node.end <= child.node.end
            ]
            if not around:
                raise KeyError(node)
            span = around[0]
        return span


_KINDS: Dict[type, Any] = {Scalar: MutableScalar, Field: MutableField, Block: MutableBlock}
