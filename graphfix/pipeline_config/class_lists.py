"""Classes as other tools have them: a list of names, from a file or as flags give it.

By the file's suffix (label_map.parse_classes), one of these becomes a label map:

.txt, .names   a name a line (Darknet's and YOLO's lists, TensorFlow Lite's labelmap.txt): the first
               has id 1.  A first line that says background, or ??? as TensorFlow Lite does, is id
               0, which no class has; ??? is no class elsewhere, too.  Where every line begins with
               a number, counting from 0 or 1, that is the order.  A label map in a .txt is one.
.yaml, .yml    YOLO's data.yaml: the list or mapping `names`, of which number 0 has id 1.  Of YAML,
               only what such files have is read: lists and mappings of plain or quoted words, in
               brackets or a line each.
"""

import os
import re
from typing import Dict, List, Tuple

from graphfix.errors import Problem, SourceError
from graphfix.options import MAX_CLASSES
from graphfix.pipeline_config.label_map import BACKGROUND, Classes, Label, LabelMap, parse_label_map

_YAML = (".yaml", ".yml")
_NO_CLASS = "???"
_BACKGROUND = (BACKGROUND, "__background__", "_background_")
# None of these looks at a character twice: what is read may be anything.
_LABEL_MAP = re.compile(r"\s*(?:#[^\n]*\n\s*)*item\s*:?\s*[{<]")
_NUMBERED = re.compile(r"([0-9]{1,5})(?:\s*[:,]|\s)\s*(\S.*)\Z")
# A word of YAML: quoted in two ways, or plain, which may end with blanks.
_QUOTED = r"""'(?:[^'\n]|'')*'|"[^"\\\n]*\""""
_PLAIN = r"""[^\s'"\[\]{},#&*!|>%@`:-][^\[\]{},#\n:]*"""
_ITEM = re.compile(
    rf"\s*(?:([0-9]{{1,5}})\s*:\s*)?((?:{_QUOTED})(?=\s*(?:,|\Z))|{_PLAIN}(?=,|\Z))\s*,?"
)
_BLOCK_ITEM = re.compile(rf"\s*(?:-|([0-9]{{1,5}})\s*:)\s+({_QUOTED}|{_PLAIN})\Z")
_NAMES = re.compile(r"^names[ \t]*:[ \t]*", re.MULTILINE)
_COUNT = re.compile(r"^nc[ \t]*:[ \t]*([0-9]+)", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|[ \t])#[^\n]*", re.MULTILINE)


def parse_list(data: bytes, subject: str) -> Classes:
    """Reads the list of names, or the label map after all, in the file `subject`.

    Raises:
      SourceError: naming it, listing all that is wrong with it.
    """
    suffix = os.path.splitext(subject)[1].lower()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            subject, f"is not UTF-8 text (offset {error.start})", "save it as UTF-8"
        ) from None
    if suffix not in _YAML and _LABEL_MAP.match(text):
        return Classes(parse_label_map(data, subject), False)
    names = _of_yaml(text, subject) if suffix in _YAML else _of_lines(text, subject)
    return Classes(_label_map(names, subject), True)


def _label_map(names: Dict[int, str], subject: str) -> LabelMap:
    names = {number: name for number, name in names.items() if name != _NO_CLASS}
    if not names:
        raise SourceError(subject, "holds no classes", "write a name a line")
    problems = []
    if max(names) > MAX_CLASSES:
        problems.append(
            Problem(subject, f"has {max(names)} classes", f"give at most {MAX_CLASSES}")
        )
    seen: Dict[str, int] = {}
    for number, name in sorted(names.items()):
        if seen.setdefault(name, number) != number:
            problems.append(
                Problem(
                    subject,
                    f"has the name '{name}' twice, for the ids {seen[name]} and {number}",
                    "give every class its own name",
                )
            )
    if problems:
        raise SourceError.collected(problems)
    return LabelMap(tuple(Label(number, name, name) for number, name in sorted(names.items())))


def _of_lines(text: str, subject: str) -> Dict[int, str]:
    lines = [line.strip() for line in text.strip().split("\n")]
    problems = []
    for number, line in enumerate(lines, 1):
        if not line and len(lines) > 1:
            problems.append(Problem(f"{subject}:{number}", "is empty", "write a name, or ???"))
        if line.startswith("#"):
            problems.append(
                Problem(f"{subject}:{number}", "looks like a comment", "write only names")
            )
    if len(lines) == 1 and "," in lines[0]:
        problems.append(
            Problem(subject, "has its names in one line", "write a name a line, or use --classes")
        )
    if problems:
        raise SourceError.collected(problems[:20])
    numbered = [match for match in map(_NUMBERED.match, lines) if match]
    if len(numbered) == len(lines):
        ids = [int(match.group(1)) for match in numbered]
        if ids[0] in (0, 1) and ids == sorted(set(ids)):
            return _counted(
                [(number, match.group(2)) for number, match in zip(ids, numbered)], ids[0]
            )
    return _counted(list(enumerate(lines)), 0) if lines != [""] else {}


def _counted(rows: List[Tuple[int, str]], first: int) -> Dict[int, str]:
    """The names by id, of rows that count from `first`."""
    if first == 0 and rows[0][1].lower() in (*_BACKGROUND, _NO_CLASS):
        return dict(rows[1:])
    return {number + 1 - first: name for number, name in rows}


def _of_yaml(text: str, subject: str) -> Dict[int, str]:
    text = _COMMENT.sub("", text.replace("\r\n", "\n"))
    found = _NAMES.search(text)
    rows = _items(text[found.end() :]) if found else []
    if not rows:
        raise SourceError(
            subject,
            "has no `names` that graphfix can read" if found else "has no `names`",
            "write the names into a .txt, one a line",
        )
    names: Dict[int, str] = {}
    for place, (number, word) in enumerate(rows):
        names[(int(number) if number else place) + 1] = _unquoted(word)
    said = _COUNT.search(text)
    if len(names) != len(rows) or (said and int(said.group(1)) != len(names)):
        raise SourceError(
            subject,
            f"has {len(names)} names, and "
            + (f"nc {said.group(1)}" if len(names) == len(rows) and said else "one number twice"),
            "give every class a name and a number",
        )
    return names


def _items(text: str) -> List[Tuple[str, str]]:
    """(number, word) of the list or mapping that a text begins with; empty where it has none."""
    closing = {"[": "]", "{": "}"}.get(text[:1])
    if closing:
        inner, found, _ = text[1:].partition(closing)
        inner, rows, place = inner.rstrip().rstrip(","), [], 0
        while found and place < len(inner):
            match = _ITEM.match(inner, place)
            if match is None or bool(match.group(1)) != (closing == "}"):
                return []
            rows.append((match.group(1) or "", match.group(2)))
            place = match.end()
        return rows
    rows = []
    for line in text.split("\n")[1:]:
        if not line.strip():
            continue
        match = _BLOCK_ITEM.match(line.rstrip())
        if match is None:
            # The next key ends it; anything else is not understood.
            return rows if re.match(r"[A-Za-z_]\w*[ \t]*:", line) else []
        rows.append((match.group(1) or "", match.group(2)))
    return rows if not text.split("\n")[0].strip() else []


def _unquoted(word: str) -> str:
    word = word.strip()
    if word[:1] == "'":
        return word[1:-1].replace("''", "'")
    return word[1:-1] if word[:1] == '"' else word
