"""The names of a source's classes: where they are found, and whose a label map next to it is.

In this order: the file that the user names; label_map.pbtxt next to the checkpoint; the label map
that the config names, or one of its name next to the model; the only label map next to it; COCO's,
where the config or the model's name says so.  The target's label map is never taken.
"""

import glob
import json
import os
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from graphfix.detectors import coco
from graphfix.errors import RequestError, SourceError
from graphfix.findings import INFO, WARNING, Finding
from graphfix.formats.regular_files import read_file
from graphfix.modeldir.names import LABEL_MAP, PLAN_JSON
from graphfix.modeldir.openers import Model
from graphfix.options import OPTIONS
from graphfix.pipeline_config.label_map import LabelMap, parse_classes, parse_label_map
from graphfix.pipeline_config.paths import find_named, label_map_paths

_FLAG = "--source_label_map_path"
_GIVE = f"if the source was trained with others, pass its label map as {_FLAG}"
_MOST_OF_PLAN = 256 << 20
# How a label map begins, which tells it from a graph as text.
_BEGINNING, _ITEM = 4096, rb"(\xef\xbb\xbf)?\s*(#[^\n]*\n\s*)*item\s*:?\s*[{<]"
# The finding of a label map that is another model's.
NOT_THE_SOURCES = "LABEL_MAP_NOT_THE_SOURCES"
# The question whether 90 classes are COCO's.
NAMES_UNKNOWN = "SOURCE_NAMES_UNKNOWN"
# How a label map was found.
_OWN, _NAMED = "next to the source", "that the config names"
_ONLY = "(the only label map next to the source)"


class SourceLabels(NamedTuple):
    """The names of a source's classes, None where they are unknown, and findings about where
    they are from."""

    labels: Optional[LabelMap]
    findings: Tuple[Finding, ...]


def source_labels(
    source: Model, path: Optional[str], *, target: Optional[LabelMap] = None, target_path: str = ""
) -> SourceLabels:
    """The names of the source's classes; `path` is the file that the user names, `target` the
    label map of the new classes, from the file `target_path`.

    A map found by itself that is `target`, or has its very classes, is the source's where
    graphfix's plan next to it says so, or where they are COCO's.  Else it is not if it has another
    number of classes than the source.  If it has as many, a copy is taken for the source's, whose
    classes then stay; of the same file that is unknown.

    Raises:
      SourceError: the map is damaged, or has ids beyond the model's classes.
      RequestError: the map next to it may be the source's or the target's.
    """
    if path is not None:
        return _given(source, path, target)
    count = source.model.classes
    said = coco.said_by(source.config.message, _known_as(source))
    told: Tuple[Finding, ...] = ()
    for found, where in _candidates(source, target_path):
        judged = _judged(source, found, where, target, target_path, bool(said))
        if judged.labels is not None:
            return SourceLabels(judged.labels, told + judged.findings)
        told += judged.findings
    if count != coco.NUM_CLASSES:
        return SourceLabels(None, told)
    if said:
        return SourceLabels(
            coco.LABEL_MAP, told + _from("the source", f"has COCO's 90 classes: {said}")
        )
    return SourceLabels(
        None,
        told
        + (
            Finding(
                NAMES_UNKNOWN,
                WARNING,
                "the source",
                "has 90 classes, as models trained on COCO have, but nothing says that they are "
                "COCO's",
                f"are they? Then pass {_FLAG} {coco.WORD}, else the label map it was trained with",
            ),
        ),
    )


def _given(source: Model, path: str, target: Optional[LabelMap]) -> SourceLabels:
    if not OPTIONS[_FLAG[2:]].is_read(path):
        labels, path = coco.LABEL_MAP, coco.WORD
    else:
        labels = parse_classes(read_file(path), path).labels
    labels = _fitting(labels, path, source)
    count = source.model.classes
    if labels.max_id == count:
        return SourceLabels(labels, ())
    whose = "the target's classes, " if target and labels.labels == target.labels else ""
    told = Finding(
        "SOURCE_NAMES",
        WARNING,
        _FLAG,
        f"has {whose}ids up to {labels.max_id}, and the source has {count} classes: the others "
        "have no names",
        "see that it is the label map that the source was trained with",
    )
    return SourceLabels(labels, (told,))


def _known_as(source: Model) -> Iterator[str]:
    """What the user and the archive call a model."""
    for path in (source.path, os.path.dirname(os.path.abspath(source.prefix))):
        yield os.path.basename(os.path.abspath(path))


def _candidates(source: Model, target_path: str) -> Iterator[Tuple[str, str]]:
    """(path, how it was found) of each label map that may be the source's; the target's file only
    where it has the place of the source's."""
    beside = os.path.dirname(source.prefix)
    own = os.path.join(beside, LABEL_MAP)
    seen = []
    if os.path.exists(own):
        seen.append(own)
        yield own, _OWN
    for named in named_label_maps(source.config.message, source.config_path, beside):
        if not any(os.path.samefile(named, one) for one in seen):
            seen.append(named)
            yield named, _NAMED
    if target_path and os.path.exists(target_path):
        seen.append(target_path)
    others = [
        path
        for path in label_maps_in(beside)
        if not any(os.path.samefile(path, one) for one in seen)
    ]
    if len(others) == 1:
        yield others[0], _ONLY


def named_label_maps(message: Any, config_path: str, beside: str) -> List[str]:
    """The files that a config's label maps are here; `beside` is its model's directory."""
    places = (os.path.dirname(config_path), beside)
    found = [find_named(path, *places) for path in label_map_paths(message)]
    return [path for path in found if path]


def label_maps_in(directory: str) -> List[str]:
    """The label maps in a directory, whatever they are called."""
    return [
        path
        for pattern in ("*.pbtxt", "*.txt")
        for path in sorted(glob.glob(os.path.join(glob.escape(directory or "."), pattern)))
        if _is_label_map(path)
    ]


def _is_label_map(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return os.path.isfile(path) and bool(re.match(_ITEM, file.read(_BEGINNING)))
    except OSError:
        return False


def _judged(
    source: Model,
    found: str,
    where: str,
    target: Optional[LabelMap],
    target_path: str,
    like_coco: bool,
) -> SourceLabels:
    """The label map of a file if it is the source's."""
    count, name = source.model.classes, os.path.basename(found)
    try:
        labels = parse_label_map(read_file(found), found)
    except SourceError as error:
        if where == _OWN:
            raise
        return SourceLabels(None, (_unused(name, where, error.problems[0].message),))
    targets = target is not None and labels.labels == target.labels
    same = targets and bool(target_path) and os.path.samefile(found, target_path)
    # What is next to an edited config may be what it was edited for.
    if where == _OWN and not targets and not source.asked:
        _fitting(labels, found, source)
    if (
        (labels.max_id == count and not same)
        or (count == coco.NUM_CLASSES and _names(labels) == _names(coco.LABEL_MAP))
        or _is_of_plan(labels, os.path.join(os.path.dirname(found), PLAN_JSON))
    ):
        return SourceLabels(
            _fitting(labels, found, source), _from(name, f"{where} has the names of its classes")
        )
    if same and labels.max_id == count:
        raise RequestError(
            "--label_map_path",
            (
                f"is the {name} {where}, and has as many classes: "
                "whether the source was trained with them is unknown"
            ),
            f"if it was, pass the same file as {_FLAG}, too; else move it away from the source",
        )
    if targets and where != _OWN:
        return SourceLabels(None, ())
    ids = f"ids up to {labels.max_id}, and the source has {count} classes"
    unlike = targets or like_coco or source.asked or where == _ONLY
    if unlike or count == coco.NUM_CLASSES or labels.max_id > count:
        about = "it has the target's classes, with " if targets else "it has "
        return SourceLabels(None, (_unused(name, where, about + ids),))
    return SourceLabels(
        labels,
        (
            Finding(
                "SOURCE_NAMES",
                WARNING,
                name,
                f"{where} has the names of the source's classes, though it has {ids}",
                _GIVE,
            ),
        ),
    )


def _unused(name: str, where: str, why: str) -> Finding:
    return Finding(
        NOT_THE_SOURCES,
        WARNING,
        name,
        f"{where} is not used for the source's classes: {why}",
        _GIVE,
    )


def _from(subject: str, message: str) -> Tuple[Finding, ...]:
    return (Finding("SOURCE_NAMES", INFO, subject, message, _GIVE),)


def _fitting(labels: LabelMap, path: str, source: Model) -> LabelMap:
    if labels.max_id > source.model.classes:
        raise SourceError(
            path,
            f"has the id {labels.max_id}, but the model of {source.config_path} has "
            f"{source.model.classes} classes",
            "give the label map the model was trained with",
        )
    return labels


def _names(labels: LabelMap) -> Dict[int, str]:
    return {label.id: label.display_name for label in labels.labels}


def _is_of_plan(labels: LabelMap, path: str) -> bool:
    """Whether a plan by which graphfix made a model says that these are its classes."""
    try:
        rows = json.loads(read_file(path, limit=_MOST_OF_PLAN).decode("utf-8"))["classes"]
        return [(one.id, one.name, one.display_name) for one in labels.labels] == [
            (row["id"], row["name"], row["display_name"]) for row in rows if row["name"]
        ]
    except (SourceError, ValueError, KeyError, TypeError, RecursionError):
        return False
