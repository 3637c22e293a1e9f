"""A protobuf text format document that can be edited in place.

The text is the truth: parsing only finds spans in it, an unedited document's `text` is its
input, character by character, and an edit splices a few characters into a copy and parses that.
So comments, order, formatting, line ends and fields nobody knows survive by construction.

Documents are never changed.  Every edit returns a NEW document; nodes belong to the document
they were found in, and using one with another document is a ValueError:

    document = Document.parse(data, subject="pipeline.config")
    document = document.replace(document.find(("model", "ssd", "num_classes"))[0], "3")
    document = document.insert(document.root, "eval_config", [("num_examples", "8")])

What an edit writes follows what stands around it; layout.py has the rules.  New content is
plain data (`New`): a str is a literal as it will stand on the page (use `quote` for strings), a
sequence of (name, New) pairs is a block.
"""

from typing import Iterator, Optional, Sequence, Tuple, Union

from graphfix.formats.textproto import layout
from graphfix.formats.textproto.layout import New, Splice
from graphfix.formats.textproto.parser import parse
from graphfix.formats.textproto.source_text import BOM, SourceText
from graphfix.formats.textproto.tree import Block, Field, Node, Scalar, Value

Path = Sequence[str]


class Document:
    """A parsed document: its text, and the tree of spans in it (`root`)."""

    def __init__(self, source: SourceText):
        """Raises SourceError with line and column where the text is not text format."""
        self._source = source
        self.root = parse(source)

    @classmethod
    def parse(cls, data: Union[bytes, str], *, subject: str) -> "Document":
        """`subject` names the document in errors, usually its path.  Raises SourceError."""
        return cls(SourceText.decode(data, subject=subject))

    @property
    def text(self) -> str:
        """The whole text; the input exactly, where nothing was edited."""
        return self._source.text

    @property
    def subject(self) -> str:
        return self._source.subject

    def encode(self) -> bytes:
        """The bytes to write: UTF-8, line ends as they are."""
        return self.text.encode("utf-8")

    # Looking things up; see Block for the meaning of paths.

    def find(self, path: Path) -> Tuple[Field, ...]:
        """All fields at a path, in document order."""
        return self.root.find(path)

    def values(self, path: Path) -> Tuple[Value, ...]:
        """The values of all fields at a path, lists flattened."""
        return self.root.values(path)

    def walk(self) -> Iterator[Tuple[Tuple[str, ...], Field]]:
        """Every field with its path, in document order, parents first."""
        return self.root.walk()

    # Edits.  Each returns a new document.

    def without_bom(self) -> "Document":
        """Without the byte order mark, at which the stock API's parser stops, if there is one."""
        return self._spliced(Splice(0, len(BOM), "")) if self.text.startswith(BOM) else self

    def replace(self, node: Union[Field, Scalar], literal: str) -> "Document":
        """Another literal in the place of a scalar, or of a scalar field's value or whole list.

        ValueError for a field with blocks, and for a literal that is not one value or one list.
        """
        self._own(node)
        layout.check_literal(literal)
        if isinstance(node, Field):
            if any(isinstance(value, Block) for value in node.values):
                raise ValueError(f"{node.name} holds a block: delete and insert it")
            return self._spliced(Splice(node.value_start, node.value_end, literal))
        return self._spliced(Splice(node.start, node.end, literal))

    def insert(
        self, block: Block, name: str, new: New, *, after: Optional[Field] = None
    ) -> "Document":
        """A new field in a block (`document.root` is one).

        It comes behind `after`, one of the block's own fields; without it behind the last field
        of the same name, or else at the end of the block.
        """
        self._own(block)
        layout.check_name(name)
        layout.check_new(new)
        if after is not None and not any(field is after for field in block.fields):
            raise ValueError(f"{after.name} is not a field of this block")
        return self._spliced(layout.insertion(self.root, block, name, new, after))

    def delete(self, field: Field) -> "Document":
        """Without a field: with its line and the comment behind it, if it has the line to itself.

        Comments on other lines, and on a line shared with other fields, stay.
        """
        self._own(field)
        return self._spliced(layout.deletion(field))

    def _own(self, node: Node) -> None:
        if node.source is not self._source:
            raise ValueError("a node of another document (or of this one before an edit)")

    def _spliced(self, splice: Splice) -> "Document":
        text = self.text[: splice.start] + splice.text + self.text[splice.end :]
        return Document(SourceText(text, subject=self.subject))
