"""From what the user asks for to which old classes each new class is made of.

Classes are matched by name: exactly, or but for case, spaces, underscores and hyphens.  Nothing
looser is ever taken; near misses become findings that suggest a `--map`.
"""

import dataclasses
from typing import Dict, List, Optional, Sequence, Tuple

from graphfix.errors import Problem, RequestError
from graphfix.findings import WARNING, Finding
from graphfix.labels import MAX_CLASSES, Label, LabelMap

NEW_ROWS = ("prior", "mean", "random", "zero")
WEIGHTS = ("auto", "raw", "ema")
TRAINERS = ("any", "model_main", "legacy")


@dataclasses.dataclass(frozen=True)
class TargetClass:
    """A class of the new model: its id, names, and the ids of the old classes it is made of.

    No source: a new class.  One: its rows are taken as they are.  Several: their mean.
    """

    id: int
    name: str
    display_name: str
    sources: Tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class SurgeryRequest:
    """What is asked for, resolved against the source's classes; ids 1 to len(classes), in order."""

    classes: Tuple[TargetClass, ...]
    new_rows: str
    seed: int
    weights: str
    trainer: str
    target_api: str


def resolve_classes(*, source: Optional[LabelMap], source_classes: int, target: Optional[LabelMap],
                    num_classes: Optional[int], mappings: Sequence[str]
                    ) -> Tuple[Tuple[TargetClass, ...], Tuple[Finding, ...]]:
    """The new model's classes, one for every id from 1 to its number of classes.

    `source` may be None where nobody knows the old classes' names, `target` where the user gave
    only `num_classes`; `mappings` are the `--map` flags, new=old.

    Raises:
      RequestError: listing every mapping or number that does not fit.
    """
    count = _count(target, num_classes)
    resolver = _Resolver(source, source_classes, target, count)
    mapped = resolver.mapped(mappings)
    classes = []
    findings = []  # type: List[Finding]
    labels = target.by_id() if target else {}
    for number in range(1, count + 1):
        label = labels.get(number) or Label(number, "class_%d" % number, "class_%d" % number)
        if number in mapped:
            sources = mapped[number]
        elif target is None or number not in labels:
            sources = ()
        else:
            sources = resolver.by_name(label)
            if not sources and source:
                near = source.near(label.display_name)
                if near:
                    findings.append(Finding(
                        "NEAR_MISS", WARNING, label.display_name,
                        "is a new class, though the source knows %s" % " and ".join(
                            "'%s'" % name for name in near),
                        "if it is the same, pass --map '%s=%s'" % (label.display_name, near[0])))
        classes.append(TargetClass(number, label.name, label.display_name, sources))
    if target is None:
        unnamed = [str(one.id) for one in classes if not one.sources]
        if unnamed:
            findings.append(Finding(
                "UNNAMED_CLASSES", WARNING, "--num_classes",
                "without names nothing tells which old classes are meant, so %d of %d classes "
                "start new" % (len(unnamed), count),
                "give --label_map_path, or --map 1=old for each class to carry over"))
    else:
        gaps = [str(one.id) for one in classes if one.id not in labels]
        if gaps:
            findings.append(Finding(
                "UNUSED_IDS", WARNING, "label map", "ids without a class: %s; their slots "
                "start new" % ", ".join(gaps[:20]), "number the classes without gaps"))
    if target is not None and source is None and not all(
            number in mapped for number in labels):
        raise RequestError("--source_label_map_path", "is needed: nobody says which names the "
                           "source's %d classes have, so none could be carried over"
                           % source_classes, "give the label map the model was trained with, "
                           "or a --map for every class ('new=' for a new one)")
    return tuple(classes), tuple(findings)


def _count(target: Optional[LabelMap], num_classes: Optional[int]) -> int:
    if target is None and num_classes is None:
        raise RequestError("the target", "is not given", "pass --label_map_path, --num_classes "
                           "or --plan")
    if num_classes is not None and not 1 <= num_classes <= MAX_CLASSES:
        raise RequestError("--num_classes", "is %d" % num_classes,
                           "give a number from 1 to %d" % MAX_CLASSES)
    if target is None:
        return num_classes
    if num_classes is not None and target.max_id > num_classes:
        raise RequestError("--label_map_path", "has the id %d, beyond --num_classes %d"
                           % (target.max_id, num_classes),
                           "raise --num_classes, or leave it out")
    return num_classes or target.max_id


class _Resolver:
    def __init__(self, source: Optional[LabelMap], source_classes: int,
                 target: Optional[LabelMap], count: int):
        self.source = source
        self.source_classes = source_classes
        self.target = target
        self.count = count

    def by_name(self, label: Label) -> Tuple[int, ...]:
        if self.source is None:
            return ()
        for name in label.names:
            found = self.source.find(name)
            if found:
                return (found.id,)
        return ()

    def mapped(self, mappings: Sequence[str]) -> Dict[int, Tuple[int, ...]]:
        out = {}  # type: Dict[int, Tuple[int, ...]]
        problems = []  # type: List[Problem]
        for mapping in mappings:
            flag = "--map '%s'" % mapping
            new, equals, old = mapping.partition("=")
            if not equals:
                problems.append(Problem(flag, "has no '='", "write new=old"))
                continue
            number = self._id(new, self.target, self.count)
            if number is None:
                problems.append(self._unknown(flag, new, self.target, "new"))
            elif number in out:
                problems.append(Problem(flag, "maps '%s' a second time" % new,
                                        "leave one --map for each new class"))
            sources = []
            for name in self._parts(old):
                found = self._id(name, self.source, self.source_classes)
                if found is None:
                    problems.append(self._unknown(flag, name, self.source, "old"))
                else:
                    sources.append(found)
            if number is not None:
                out[number] = tuple(sources)
        if problems:
            raise RequestError.collected(problems)
        return out

    def _parts(self, old: str) -> List[str]:
        """A class may have a + in its name, so the whole is tried first."""
        if not old.strip():
            return []
        if self._id(old, self.source, self.source_classes) is not None:
            return [old]
        return old.split("+")

    @staticmethod
    def _id(name: str, labels: Optional[LabelMap], count: int) -> Optional[int]:
        found = labels.find(name) if labels else None
        if found is not None:
            return found.id
        text = name.strip()
        if text.isdigit() and len(text) < 9 and 1 <= int(text) <= count:
            return int(text)
        return None

    @staticmethod
    def _unknown(flag: str, name: str, labels: Optional[LabelMap], side: str) -> Problem:
        near = labels.near(name) if labels else []
        return Problem(flag, "names '%s', which is no %s class" % (name, side),
                       "did you mean '%s'?" % near[0] if near
                       else "give a name or id from the %s label map" % side)
