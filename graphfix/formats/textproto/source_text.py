"""The text of one document, and where in it things are.

Every node of a parsed document has offsets into one `SourceText`, which finds lines and columns on
request, that is, for an error.  Lines end at LF, as in protobuf (a CR before it is part of the
line); lines and columns count from 1, columns in code points without the byte order mark.
"""

import bisect
from typing import List, Optional, Tuple, Union

from graphfix.errors import SourceError

BOM = "\ufeff"
# Ten times a label map of 2,854 classes.  Parsed, a character may take some 200 bytes.
MAX_BYTES = 2 << 20


class SourceText:
    """A document's decoded text, and its name in errors."""

    def __init__(self, text: str, *, subject: str):
        self.text = text
        self.subject = subject
        self._line_starts: Optional[List[int]] = None

    @classmethod
    def decode(cls, data: Union[bytes, str], *, subject: str) -> "SourceText":
        """Raises SourceError for more than MAX_BYTES, and for what is not UTF-8.

        That can be a str, too: one with lone surrogates.
        """
        if len(data) > MAX_BYTES:
            raise SourceError(
                subject,
                f"has {len(data)} bytes, more than any configuration or label map",
                "check that this is the file you meant",
            )
        try:
            if isinstance(data, str):
                data.encode("utf-8")
                return cls(data, subject=subject)
            return cls(bytes(data).decode("utf-8"), subject=subject)
        except UnicodeError as error:
            where = getattr(error, "start", 0)
            raise SourceError(
                subject,
                f"is not UTF-8 text (offset {where})",
                "save the file as UTF-8, or check that this is the text file you meant",
            ) from None

    def position(self, offset: int) -> Tuple[int, int]:
        """(line, column) of an offset, both from 1."""
        if self._line_starts is None:
            starts = [1 if self.text.startswith(BOM) else 0]
            at = self.text.find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = self.text.find("\n", at + 1)
            self._line_starts = starts
        line = max(bisect.bisect_right(self._line_starts, offset), 1)
        return line, max(offset - self._line_starts[line - 1], 0) + 1

    def line_start(self, offset: int) -> int:
        """Offset of the first character of the line an offset is on."""
        start = self.text.rfind("\n", 0, offset) + 1
        return 1 if start == 0 and self.text.startswith(BOM) else start

    def line_end(self, offset: int) -> int:
        """Offset just after the line's newline, or the end of the text."""
        end = self.text.find("\n", offset)
        return len(self.text) if end < 0 else end + 1

    def where(self, offset: int) -> str:
        """`subject:line:column`, the subject of an error about this place."""
        line, column = self.position(offset)
        return f"{self.subject}:{line}:{column}"

    def error(self, offset: int, message: str, remedy: str) -> SourceError:
        return SourceError(self.where(offset), message, remedy)
