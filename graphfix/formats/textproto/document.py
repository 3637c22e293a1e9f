"""A protobuf text format document that can be edited in place.

The text is what counts: parsing only finds spans in it, an unedited document's `text` is its
input, character by character, and an edit replaces a few characters in a copy.  So comments,
order, formatting, line ends and unknown fields survive by construction.

Documents never change.  An edit returns ANOTHER document; nodes belong to the document they were
found in, and using one with another document is a ValueError:

    document = Document.parse(data, subject="pipeline.config")
    document = document.replace(document.find(("model", "ssd", "num_classes"))[0], "3")
    document = document.insert(document.root, "eval_config", [("num_examples", "8")])

Each of these documents is parsed when somebody looks into it.  Many edits at once go through an
Editor, which parses nothing in between:

    editor = document.edit()
    editor.replace(editor.root.named("num_classes")[0], "3")
    document = document.edited(editor)

The layout of what an edit writes follows what is around it; layout.py has the rules.  New content
is plain data (`New`): a str is a literal as it will be written (use `quote` for strings), a
sequence of (name, New) pairs is a block.
"""

from typing import Iterator, Optional, Sequence, Tuple, Union

from graphfix.formats.textproto.editor import Editor
from graphfix.formats.textproto.layout import New
from graphfix.formats.textproto.parser import parse
from graphfix.formats.textproto.source_text import BOM, SourceText
from graphfix.formats.textproto.tree import Block, Field, Node, Scalar, Value

Path = Sequence[str]


class Document:
    """A document: its text, and the tree of spans in it (`root`)."""

    def __init__(self, source: SourceText):
        """The tree is parsed when somebody asks for it: `source` is known to parse."""
        self._source = source
        self._root: Optional[Block] = None

    @classmethod
    def parse(cls, data: Union[bytes, str], *, subject: str) -> "Document":
        """`subject` names the document in errors, usually its path.

        Raises SourceError, with line and column where the text is not text format.
        """
        document = cls(SourceText.decode(data, subject=subject))
        document._root = parse(document._source)
        return document

    @property
    def root(self) -> Block:
        """The block of the whole document."""
        if self._root is None:
            self._root = parse(self._source)
        return self._root

    @property
    def text(self) -> str:
        """The document as text; the input exactly, where nothing was edited."""
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

    # Edits.

    def edit(self) -> Editor:
        """An editor of this document, for `edited`; the document itself stays as it is."""
        return Editor(self.root)

    def edited(self, editor: Editor) -> "Document":
        """What an editor of this document made: this document, where that is the same text."""
        same = editor.source.text == self.text
        return self if same else Document(editor.source)

    def without_bom(self) -> "Document":
        """Without the byte order mark, at which the stock API's parser stops, if there is one."""
        if not self.text.startswith(BOM):
            return self
        return Document(SourceText(self.text[len(BOM) :], subject=self.subject))

    def replace(self, node: Union[Field, Scalar], literal: str) -> "Document":
        """With another literal in the place of a scalar or of a scalar field's value or list.

        ValueError for a field with blocks, and for a literal that is not one value or one list.
        """
        self._own(node)
        editor = self.edit()
        editor.replace(editor.root.of(node), literal)
        return self.edited(editor)

    def insert(
        self, block: Block, name: str, new: New, *, after: Optional[Field] = None
    ) -> "Document":
        """With a new field in a block (`document.root` is one).

        It comes after `after`, one of the block's own fields; without it after the last field of
        the same name, or else at the end of the block.
        """
        self._own(block)
        if after is not None:
            self._own(after)
        editor = self.edit()
        behind = None if after is None else editor.root.of(after)
        editor.insert(editor.root.of(block), name, new, after=behind)
        return self.edited(editor)

    def delete(self, field: Field) -> "Document":
        """Without a field: with its line and the comment after it, if nothing else is on the line.

        Comments on other lines, and on a line shared with other fields, stay.
        """
        self._own(field)
        editor = self.edit()
        editor.delete(editor.root.of(field))
        return self.edited(editor)

    def _own(self, node: Node) -> None:
        if node.source is not self._source:
            raise ValueError("a node of another document (or of this one before an edit)")
