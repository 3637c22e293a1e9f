"""Label maps: which class id has which name, and which names are the same class.

A label map is a StringIntLabelMap as protobuf text: items with `id`, `name`, and, where `name` is
a machine's (COCO's are Knowledge Graph ids), `display_name` for people.  Ids count from 1; 0 is
the background's.  They may skip: COCO's 80 names have ids between 1 and 90.
"""

import dataclasses
import difflib
import re
from typing import Dict, List, Optional, Sequence, Tuple

from graphfix.errors import Problem, SourceError
from graphfix.schema import message_class
from graphfix.textproto import UNKNOWN_FIELD, Document, bind, quote

MAX_CLASSES = 10000


@dataclasses.dataclass(frozen=True)
class Label:
    """One class: id, name, and the name people use (the same, where there is only one)."""

    id: int
    name: str
    display_name: str

    @property
    def names(self) -> Tuple[str, ...]:
        return (self.name,) if self.name == self.display_name else (self.display_name, self.name)


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """Labels in id order; ids and folded names are unique."""

    labels: Tuple[Label, ...]

    @property
    def max_id(self) -> int:
        return self.labels[-1].id

    def by_id(self) -> Dict[int, Label]:
        return {label.id: label for label in self.labels}

    def find(self, name: str) -> Optional[Label]:
        """The class of a name: an exact one first, else one that differs only in case, spaces,
        underscores and hyphens."""
        for label in self.labels:
            if name in label.names:
                return label
        key = fold(name)
        for label in self.labels:
            if key in [fold(own) for own in label.names]:
                return label
        return None

    def near(self, name: str) -> List[str]:
        """Names like the given one: to suggest, never to take."""
        names = {fold(own): label.display_name for label in self.labels for own in label.names}
        return [names[key] for key in difflib.get_close_matches(fold(name), sorted(names), 3, 0.8)]


def fold(name: str) -> str:
    """A name without what people vary: case, and how words are joined."""
    return re.sub(r"[\s_\-]+", " ", name.casefold()).strip()


def parse_label_map(data: bytes, subject: str) -> LabelMap:
    """Reads a label map.

    Raises:
      SourceError: naming `subject`, listing all that is wrong with it.
    """
    message, problems = bind(Document.parse(data, subject=subject),
                             message_class("graphfix.labels.StringIntLabelMap"))
    faults = [found.problem for found in problems if found.kind != UNKNOWN_FIELD]
    labels = []
    for item in message.item:
        name = item.name or item.display_name
        label = Label(item.id, name, item.display_name or name)
        faults += _item_faults(label, subject)
        labels.append(label)
    if not labels:
        faults.append(Problem(subject, "holds no classes",
                              "give every class an item { id: 1 name: \"...\" }"))
    faults += _duplicates([(str(label.id), "id") for label in labels], subject)
    faults += _duplicates([(key, "name") for label in labels
                           for key in sorted({fold(own) for own in label.names})], subject)
    if faults:
        raise SourceError.collected(faults)
    return LabelMap(tuple(sorted(labels, key=lambda label: label.id)))


def _item_faults(label: Label, subject: str):
    what = "item '%s' has id %d" % (label.name, label.id)
    if label.id == 0:
        yield Problem(subject, what + " (or none), which is the background's",
                      "number the classes from 1")
    elif not 0 < label.id <= MAX_CLASSES:
        yield Problem(subject, what, "number the classes from 1 to at most %d" % MAX_CLASSES)
    if not label.name:
        yield Problem(subject, "the item with id %d has no name" % label.id, "give it a name")


def _duplicates(keys: Sequence[Tuple[str, str]], subject: str):
    seen = set()
    for key, kind in keys:
        if key in seen:
            yield Problem(subject, "two items have the %s '%s'" % (kind, key),
                          "give every class %s of its own"
                          % ("an id" if kind == "id" else "a name"))
        seen.add(key)


def format_label_map(label_map: LabelMap) -> str:
    """A label map's text, in id order."""
    out = []
    for label in label_map.labels:
        out.append("item {\n  id: %d\n  name: %s\n" % (label.id, quote(label.name)))
        if label.display_name != label.name:
            out.append("  display_name: %s\n" % quote(label.display_name))
        out.append("}\n")
    return "".join(out)
