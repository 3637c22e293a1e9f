"""Label maps: which class id has which name, and which names are the same class.

A label map is a StringIntLabelMap as protobuf text: items with `id`, `name`, and, where `name` is
a machine's (COCO's are Knowledge Graph ids), `display_name` for people.  Ids count from 1; 0 is
the background's, and an item may say so.  They may skip: COCO's 80 names have ids between 1 and
90.  Names are unique, display names need not be: Open Images has two kinds of "Mouse".

One name can be written in several ways in Unicode: an umlaut as one character, or as a letter and a
mark (macOS writes file names so).  To match classes both are the same name, in NFC.  But the stock
API compares bytes, so a label map is written as it was given, and records have to have its
spelling.
"""

import dataclasses
import difflib
import re
import unicodedata
from typing import Dict, Iterable, List, NamedTuple, Set, Tuple

import numpy as np

from graphfix.errors import Problem, SourceError
from graphfix.formats.schema import message_class
from graphfix.formats.textproto import UNKNOWN_FIELD, Document, bind, quote
from graphfix.options import MAX_CLASSES

BACKGROUND = "background"
# Files with a list of names (class_lists).
LISTS = (".txt", ".names", ".yaml", ".yml")
_USED = {"id", "name", "display_name"}

_SUGGESTIONS = 3
# How many names, the likeliest, are compared letter by letter, and by how many kinds of letters
# they are found.
_COMPARED = 10
_BINS = 64


class Label(NamedTuple):
    """One class: id, name, and the name people use (the same, where there is only one)."""

    id: int
    name: str
    display_name: str

    @property
    def names(self) -> Tuple[str, ...]:
        return (self.name,) if self.name == self.display_name else (self.name, self.display_name)


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """Labels in id order, at least one; ids and names are unique.  `unused` names the fields that
    items had beside these, such as keypoints."""

    labels: Tuple[Label, ...]
    unused: Tuple[str, ...] = ()

    @property
    def max_id(self) -> int:
        return self.labels[-1].id

    def by_id(self) -> Dict[int, Label]:
        return {label.id: label for label in self.labels}

    def matches(self, name: str) -> Tuple[Label, ...]:
        """The classes a name stands for: those that have this very name, else those with the same
        in another spelling of Unicode, else those with one that differs only in case, spaces,
        underscores and hyphens.  Several: the name does not say."""
        return (
            self._index("exact", str).get(name)
            or self._index("normal", normal).get(normal(name))
            or self._index("folded", fold).get(fold(name), ())
        )

    def near(self, name: str, alike: float = 0.8) -> List[str]:
        """Names like the given one: to suggest, never to take.  `alike` is how much of the letters
        they have in common (difflib's ratio) at least."""
        folded = self._index("folded", fold)
        keys = sorted(folded)
        wanted = fold(name)
        # Twice the letters in common, of all letters: no two strings are more alike than that,
        # and it takes one pass over numbers to leave nearly all of thousands of names out.
        counts = self._cached(
            "counts", lambda: np.stack([_letters(key) for key in keys] or [np.zeros(_BINS)])
        )
        common = np.minimum(counts, _letters(wanted)).sum(axis=1)
        bound = 2 * common / np.maximum(1, counts.sum(axis=1) + len(wanted))
        likely = [
            number
            for number in np.argsort(-bound, kind="mergesort")[:_COMPARED]
            if bound[number] >= alike
        ]
        found = difflib.get_close_matches(
            wanted, [keys[number] for number in likely], _SUGGESTIONS, alike
        )
        return [folded[key][0].display_name for key in found]

    def _index(self, kind: str, key) -> Dict[str, Tuple[Label, ...]]:
        def build():
            out: Dict[str, Tuple[Label, ...]] = {}
            for label in self.labels:
                for own in sorted({key(own) for own in label.names} - {""}):
                    out[own] = out.get(own, ()) + (label,)
            return out

        return self._cached(kind, build)

    def _cached(self, name: str, build):
        # Beside the fields: what is in here follows from `labels`.
        cache = self.__dict__.setdefault("_cache", {})
        if name not in cache:
            cache[name] = build()
        return cache[name]


def made_up(number: int) -> Label:
    """A class that nobody gave a name."""
    return Label(number, f"class_{number}", f"class_{number}")


def normal(name: str) -> str:
    """A name in the one spelling of Unicode that names are compared in."""
    return unicodedata.normalize("NFC", name)


def fold(name: str) -> str:
    """A name without what people vary: case, and how words are joined."""
    return re.sub(r"[\s_\-]+", " ", normal(normal(name).casefold())).strip()


def _letters(text: str) -> np.ndarray:
    """How often each kind of letter occurs."""
    return np.bincount([ord(letter) % _BINS for letter in text] or [0], minlength=_BINS).astype(
        np.float32
    ) * bool(text)


def parse_label_map(data: bytes, subject: str) -> LabelMap:
    """Reads a label map.

    Raises:
      SourceError: naming `subject`, listing all that is wrong with it.
    """
    document = Document.parse(data, subject=subject)
    message, problems = bind(document, message_class("graphfix.labels.StringIntLabelMap"))
    faults = [found.problem for found in problems if found.kind != UNKNOWN_FIELD]
    labels = []
    for item in message.item:
        name = item.name or item.display_name
        label = Label(item.id, name, item.display_name or name)
        if label.id == 0 and BACKGROUND in label.names:
            continue
        faults += _item_faults(label, subject)
        labels.append(label)
    if not labels:
        faults.append(
            Problem(subject, "holds no classes", 'give every class an item { id: 1 name: "..." }')
        )
    faults += _duplicates("id", [str(label.id) for label in labels], subject)
    faults += _duplicates("name", [label.name for label in labels if label.name], subject)
    if faults:
        raise SourceError.collected(faults)
    unused = {path[1] for path, _ in document.walk() if len(path) == 2} - _USED
    return LabelMap(tuple(sorted(labels, key=lambda label: label.id)), tuple(sorted(unused)))


def _item_faults(label: Label, subject: str) -> Iterable[Problem]:
    what = f"item '{label.name}' has id {label.id}"
    if label.id == 0:
        yield Problem(
            subject, what + " (or none), which is the background's", "number the classes from 1"
        )
    elif not 0 < label.id <= MAX_CLASSES:
        yield Problem(subject, what, f"number the classes from 1 to at most {MAX_CLASSES}")
    if not label.name:
        yield Problem(subject, f"the item with id {label.id} has no name", "give it a name")


def _duplicates(kind: str, values: Iterable[str], subject: str) -> Iterable[Problem]:
    seen: Set[str] = set()
    for value in values:
        if value in seen:
            yield Problem(
                subject, f"two items have the {kind} '{value}'", f"give every class its own {kind}"
            )
        seen.add(value)


class Classes(NamedTuple):
    """A label map, and whether it was made of a list of names."""

    labels: LabelMap
    listed: bool


def parse_classes(data: bytes, subject: str) -> Classes:
    """Reads a label map or, by the file's suffix, a list of names.

    Raises:
      SourceError: naming `subject`, listing all that is wrong with it.
    """
    if not subject.lower().endswith(LISTS):
        return Classes(parse_label_map(data, subject), False)
    # Most have a label map: the code that reads lists is not loaded for nothing.
    from graphfix.pipeline_config.class_lists import parse_list

    return parse_list(data, subject)


def listed(names: Iterable[str]) -> LabelMap:
    """The label map of names whose order is that of their ids, from 1."""
    return LabelMap(tuple(Label(number, name, name) for number, name in enumerate(names, 1)))


def format_label_map(label_map: LabelMap) -> str:
    """A label map's text, in id order."""
    out = []
    for label in label_map.labels:
        out.append(f"item {{\n  id: {label.id}\n  name: {quote(label.name)}\n")
        if label.display_name != label.name:
            out.append(f"  display_name: {quote(label.display_name)}\n")
        out.append("}\n")
    return "".join(out)
