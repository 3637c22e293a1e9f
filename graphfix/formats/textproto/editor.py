"""Edits of one document, one after the other, without parsing its text again.

An edit replaces a few characters (layout.py says which) and changes the tree in the same way: of
what it writes, only the new characters are parsed.  That the tree is then what parsing the whole
text would give follows from the grammar: an edit replaces whole fields or values, and where two
tokens touch, each ends by itself unless both are words or numbers.  Where this may not hold, the
edit parses the whole text once, for the error that it probably is:

    a: "x"b: 2        a replaced by 1 would read `1b`
    z { a: 1          deleting a would leave a separator with nothing before it
    , b: 2 }
    a: [1, 2]         a list in the place of one of the values
    100 blocks        a block in the innermost
    a [] b: 2         a replaced by 1 would have no colon

The last one may even parse, into other fields (`a[]b: 2` with inf for the list reads `ainfb: 2`):
where an empty list is replaced, the whole tree is new.
"""

import re
from typing import Optional, Union

from graphfix.formats.textproto import layout
from graphfix.formats.textproto.layout import New, Splice
from graphfix.formats.textproto.mutable_tree import MutableBlock, MutableField, MutableScalar
from graphfix.formats.textproto.parser import MAX_DEPTH, parse
from graphfix.formats.textproto.source_text import SourceText
from graphfix.formats.textproto.tree import Block

# A character of the tokens that have no end of their own: words and numbers.
_OPEN_ENDED = re.compile(r"[0-9A-Za-z_+\-.]")
# A separator after nothing but blanks and comments.  Each character matches in one way only, so
# that the pattern takes linear time.
_SEPARATOR_NEXT = re.compile(r"(?:\s|#[^\n]*(?:\n|\Z))*[,;]")


class Editor:
    """A document being edited: its current text (`source`) and the tree of it (`root`).

    The fields and blocks found in `root` stay valid from edit to edit, until they are deleted,
    or an empty list is replaced.
    Every edit raises SourceError, and changes nothing, where the text would no longer parse.
    """

    def __init__(self, root: Block):
        """`root` is a parsed document's, and stays as it is."""
        self._take(root)

    def _take(self, root: Block) -> None:
        self.source: SourceText = root.source
        self.root = MutableBlock(root, None, root.start)

    def raw(self, span: Union[MutableField, MutableScalar, MutableBlock]) -> str:
        """The span as written."""
        return self.source.text[span.start : span.end]

    def replace(self, span: Union[MutableField, MutableScalar], literal: str) -> None:
        """Writes another literal in the place of a scalar, or of a field's value or whole list.

        ValueError for a field with blocks, and for a literal that is not one value or one list.
        """
        written = layout.parse_literal(literal)
        if isinstance(span, MutableScalar) and not span.parent.listed:
            span = span.parent
        blanks = written.value_start - len(layout.LITERAL_OF)
        if isinstance(span, MutableField):
            if span.blocks:
                raise ValueError(f"{span.name} is a block: delete and insert it")
            start = span.value_start
            splice = Splice(start, span.end, literal)
            if not span.values:
                self._take(parse(self._changed(splice)))
                return
            span.grow(self._splice(splice))
            span.take_value(written, start - span.start - len(layout.LITERAL_OF))
        else:
            splice = Splice(span.start, span.end, literal)
            span.grow(self._splice(splice, parse_all=written.listed))
            span.offset += blanks
            span.length -= blanks

    def insert(
        self, block: MutableBlock, name: str, new: New, *, after: Optional[MutableField] = None
    ) -> None:
        """Writes a new field into a block (`root` is one).

        It comes after `after`, one of the block's own fields; without it after the last field of
        the same name, or else at the end of the block.  ValueError for what cannot be written.
        """
        layout.check_name(name)
        layout.check_new(new)
        if after is not None and after not in block.fields:
            raise ValueError(f"{after.name} is not a field of this block")
        anchor = layout.anchor(block, name, after)
        splice = layout.insertion(self.source, self.root, block, name, new, anchor)
        added = self._splice(splice, parse_all=block.depth + layout.depth(new) > MAX_DEPTH)
        (written,) = parse(SourceText(splice.text, subject="new field")).fields
        number = block.fields.index(anchor) + 1 if anchor else 0
        block.move_children(number, added)
        block.grow(added)
        offset = splice.start + written.start - block.start
        block.fields.insert(number, MutableField(written, block, offset))

    def delete(self, field: MutableField) -> None:
        """Deletes a field: with its line and the comment after it, if nothing else is on the line.

        Comments on other lines, and on a line shared with other fields, stay.
        """
        added = self._splice(layout.deletion(self.source, field))
        block = field.parent
        number = block.fields.index(field)
        del block.fields[number]
        block.move_children(number, added)
        block.grow(added)

    def _splice(self, splice: Splice, *, parse_all: bool = False) -> int:
        """Changes the text; returns how many characters longer it is than before."""
        text, source = self.source.text, self._changed(splice)
        if parse_all or _may_not_parse(text[: splice.start], splice.text, text[splice.end :]):
            parse(source)
        self.source = source
        return len(source.text) - len(text)

    def _changed(self, splice: Splice) -> SourceText:
        text = self.source.text
        text = text[: splice.start] + splice.text + text[splice.end :]
        return SourceText(text, subject=self.source.subject)


def _may_not_parse(before: str, new: str, after: str) -> bool:
    """Whether tokens may run together at the ends of `new`, or a separator may stand alone."""
    if new:
        return _join(before, new) or _join(new, after)
    return _join(before, after) or _SEPARATOR_NEXT.match(after) is not None


def _join(left: str, right: str) -> bool:
    return bool(_OPEN_ENDED.match(left[-1:]) and _OPEN_ENDED.match(right[:1]))
