"""From what the user asks for to which old classes each new class is made of.

Classes are matched by name, in any spelling of Unicode: exactly, or but for case, spaces,
underscores and hyphens.  Nothing looser is ever taken, and nothing that could mean two classes;
near misses, and what the same thing is called elsewhere, become findings that suggest a `--map`.
"""

import collections
import dataclasses
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from graphfix.detectors import coco
from graphfix.errors import RequestError
from graphfix.findings import WARNING, Finding
from graphfix.findings import count as number_of
from graphfix.options import NewRows, Weights
from graphfix.pipeline_config.label_map import Label, LabelMap, made_up
from graphfix.planning.anchors import AnchorCarry


@dataclasses.dataclass(frozen=True)
class TargetClass:
    """A class of the new model: its id, names, and the ids of the old classes it is made of.

    No source: a new class.  One: its rows are taken as they are.  Several: their mean.  An id
    that the label map gives to no class has empty names.
    """

    id: int
    name: str
    display_name: str
    sources: Tuple[int, ...]


class SurgeryRequest(NamedTuple):
    """What is asked for, resolved against the source's classes; ids 1 to len(classes), in order.

    `trained` are the ids of the source's classes, without those that were never given to one.
    """

    classes: Tuple[TargetClass, ...]
    trained: Tuple[int, ...]
    new_rows: NewRows
    seed: int
    weights: Weights
    trainer: str
    target_api: str
    anchors: Optional[AnchorCarry] = None


def trained_ids(source: Optional[LabelMap], source_classes: int) -> Tuple[int, ...]:
    """The source's ids that stand for a class: all of them, where their names are unknown."""
    return tuple(source.by_id() if source else range(1, source_classes + 1))


def same_classes(
    source: Optional[LabelMap], source_classes: int
) -> Tuple[Tuple[TargetClass, ...], Tuple[Finding, ...]]:
    """The source's own classes, each made of itself; a finding where their names are made up."""
    labels = source.by_id() if source else {}
    unnamed = Label(0, "", "") if source else None
    out = []
    for number in range(1, source_classes + 1):
        label = labels.get(number) or unnamed or made_up(number)
        out.append(TargetClass(number, label.name, label.display_name, (number,)))
    if source is not None:
        return tuple(out), ()
    last = out[-1].display_name
    known = f" ({coco.WORD} if they are COCO's)" if source_classes == coco.NUM_CLASSES else ""
    return tuple(out), (
        Finding(
            "NAMES_MADE_UP",
            WARNING,
            "the source's classes",
            f"have no names here, so the label map has {out[0].display_name}"
            + (f" to {last}" if len(out) > 1 else ""),
            f"pass their label map as --source_label_map_path{known}",
        ),
    )


def resolve_classes(
    *,
    source: Optional[LabelMap],
    source_classes: int,
    target: Optional[LabelMap],
    num_classes: Optional[int],
    mappings: Sequence[str],
) -> Tuple[Tuple[TargetClass, ...], Tuple[Finding, ...]]:
    """The new model's classes, one for every id from 1 to its number of classes.

    `source` may be None where the old classes' names are unknown, `target` where the user gave
    only `num_classes`; `mappings` are the `--map` flags, new=old.

    Raises:
      RequestError: listing every mapping or number that does not fit.
    """
    count = _count(target, num_classes)
    # A class that was given no name gets one; the source may be a model that was made so too.
    names = target or LabelMap(tuple(map(made_up, range(1, count + 1))))
    by_hand = _by_hand(mappings, target, count, source, source_classes) if mappings else {}
    labels = names.by_id()
    counted = number_of(source_classes, "class", "classes")
    if source is None and target is not None and not all(number in by_hand for number in labels):
        raise RequestError(
            "--source_label_map_path",
            f"is needed: the names of the source's {counted} are unknown, so none "
            "could be carried over",
            "give the label map the model was trained with"
            + (f" ({coco.WORD} if it was COCO's)" if source_classes == coco.NUM_CLASSES else "")
            + ", or a --map for every class ('new=' for a new one)",
        )
    trained = set(trained_ids(source, source_classes))
    classes = []
    findings: List[Finding] = []
    by_name: Dict[int, List[str]] = collections.defaultdict(list)
    for number in range(1, count + 1):
        label = labels.get(number)
        if number in by_hand:
            sources = by_hand[number]
        elif label is None:
            # An old slot that is no class's either has learned to stay silent: it may go on.
            idle = number <= source_classes and number not in trained
            sources = (number,) if idle else ()
        else:
            sources, remarks = _by_name(label, source)
            findings += remarks
            for one in sources:
                by_name[one].append(label.display_name)
        classes.append(
            TargetClass(
                number, label.name if label else "", label.display_name if label else "", sources
            )
        )
    for number, sharing in sorted(by_name.items()):
        if source and len(sharing) > 1:
            findings.append(
                Finding(
                    "SHARED_SOURCE",
                    WARNING,
                    ", ".join(sharing),
                    f"all take the rows of the old class '{source.by_id()[number].display_name}'",
                    f"if one is another thing, pass --map '{sharing[-1]}=' to start it new",
                )
            )
    return tuple(classes), tuple(findings + _remarks(classes, target))


# The code for what few conversions have is not loaded for nothing.
def _by_hand(
    mappings: Sequence[str],
    target: Optional[LabelMap],
    count: int,
    source: Optional[LabelMap],
    source_classes: int,
) -> Dict[int, Tuple[int, ...]]:
    from graphfix.planning.mappings import Side, mapped

    ids = f"an id from 1 to {source_classes}"
    known = f" ({coco.WORD} if it is COCO's)" if source_classes == coco.NUM_CLASSES else ""
    return mapped(
        mappings,
        Side("new", target, count, f"give an id from 1 to {count}"),
        Side("source", source, source_classes, f"pass --source_label_map_path{known}, or {ids}"),
    )


def _count(target: Optional[LabelMap], num_classes: Optional[int]) -> int:
    if target is None and num_classes is None:
        raise RequestError(
            "the new classes",
            "are not given",
            "name them with --classes or --label_map_path, or give their number with --num_classes",
        )
    if target is None:
        assert num_classes is not None
        return num_classes
    if num_classes is not None and target.max_id > num_classes:
        raise RequestError(
            "--label_map_path",
            f"has the id {target.max_id}, beyond --num_classes {num_classes}",
            "raise --num_classes, or leave it out",
        )
    return num_classes or target.max_id


def _by_name(label: Label, source: Optional[LabelMap]) -> Tuple[Tuple[int, ...], Sequence[Finding]]:
    """The old class that a new class's names mean, and what to remark where there is none."""
    if source is None:
        return (), ()
    found = [matches for matches in map(source.matches, label.names) if matches]
    meant = {matches[0] for matches in found if len(matches) == 1}
    if len(meant) == 1:
        return (meant.pop().id,), ()
    if found:
        possible = sorted({(one.id, one.display_name) for matches in found for one in matches})
        names = ", ".join(f"'{name}' (id {number})" for number, name in possible)
        return (), (
            Finding(
                "AMBIGUOUS",
                WARNING,
                label.display_name,
                f"is a new class, because its names fit several of the source's: {names}",
                f"pass --map '{label.display_name}={possible[0][0]}', or the id that is meant",
            ),
        )
    if label == made_up(label.id):
        return (), ()
    from graphfix.detectors.spellings import suggestions

    near = suggestions(label.names, source)
    if not near:
        return (), ()
    names = " and ".join(f"'{name}'" for name in near)
    return (), (
        Finding(
            "NEAR_MISS",
            WARNING,
            label.display_name,
            f"is a new class, though the source knows {names}",
            f"if it is the same, pass --map '{label.display_name}={near[0]}'",
        ),
    )


def _remarks(classes: Sequence[TargetClass], target: Optional[LabelMap]) -> List[Finding]:
    if target is None:
        unnamed = [one for one in classes if not one.sources]
        return (
            [
                Finding(
                    "UNNAMED_CLASSES",
                    WARNING,
                    "the new classes",
                    (
                        "have no names that tell which old ones are meant, so "
                        f"{len(unnamed)} of {len(classes)} start new"
                    ),
                    "give --label_map_path, or --map 1=old for each class to carry over",
                )
            ]
            if unnamed
            else []
        )
    gaps = [one.id for one in classes if not one.name]
    return (
        [
            Finding(
                "UNUSED_IDS",
                WARNING,
                "label map",
                f"has no class with the ids {_some([*map(str, gaps)])}; the model still has "
                "channels for them",
                "number the classes without gaps",
            )
        ]
        if not coco.GAPS.issuperset(gaps)
        else []
    )


def _some(words: Sequence[str], most: int = 20) -> str:
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")
