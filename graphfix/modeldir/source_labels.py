"""The names of a source's classes: where they are found, and whose a label map next to it is."""

import json
import os
from typing import Dict, NamedTuple, Optional, Tuple

from graphfix.detectors import coco
from graphfix.errors import RequestError, SourceError
from graphfix.findings import INFO, WARNING, Finding
from graphfix.formats.regular_files import read_file
from graphfix.modeldir.names import LABEL_MAP, PLAN_JSON
from graphfix.modeldir.openers import Model
from graphfix.pipeline_config.label_map import LabelMap, parse_label_map

_GIVE = "if the source was trained with others, pass its label map as --source_label_map_path"
_MOST_OF_PLAN = 256 << 20
# The finding of a label map next to a source that is another model's.
NOT_THE_SOURCES = "LABEL_MAP_NOT_THE_SOURCES"


class SourceLabels(NamedTuple):
    """The names of a source's classes, None where they are unknown, and findings about where
    they are from."""

    labels: Optional[LabelMap]
    findings: Tuple[Finding, ...]


def source_labels(
    source: Model,
    path: Optional[str],
    *,
    target: Optional[LabelMap] = None,
    target_path: str = "",
    beside: bool = True,
) -> SourceLabels:
    """The names of the source's classes: those of the map given; of the map next to the checkpoint,
    unless that is the target's; COCO's for 90 classes.

    The map next to it that is `target`, from the file `target_path`, or has its very classes, is
    the source's where graphfix's plan next to it says so, or where they are COCO's.  Else it is
    not if it has another number of classes than the source.  If it has as many, a copy is taken
    for the source's, whose classes then stay; of the same file that is unknown.  `beside`: whether
    the map next to it may be used at all.

    Raises:
      SourceError: the map is damaged, or has ids beyond the model's classes.
      RequestError: the map next to it may be the source's or the target's.
    """
    count = source.model.classes
    if path is not None:
        labels = _fitting(parse_label_map(read_file(path), path), path, source)
        flag = "--source_label_map_path"
        if target is not None and labels.labels == target.labels and labels.max_id != count:
            return SourceLabels(
                labels,
                (
                    Finding(
                        "SOURCE_NAMES",
                        WARNING,
                        flag,
                        (
                            f"has the target's classes, with ids up to {labels.max_id}, and the "
                            f"source has {count} classes"
                        ),
                        "pass the label map that the source was trained with",
                    ),
                ),
            )
        return SourceLabels(labels, _from(flag, "has the names of the source's classes"))
    found = os.path.join(os.path.dirname(source.prefix), LABEL_MAP)
    told: Tuple[Finding, ...] = ()
    like_coco = count == coco.NUM_CLASSES
    if beside and os.path.exists(found):
        labels = parse_label_map(read_file(found), found)
        targets = target is not None and labels.labels == target.labels
        same = targets and os.path.samefile(found, target_path)
        if not targets:
            _fitting(labels, found, source)
        if (
            (labels.max_id == count and not same)
            or _names(labels) == _names(coco.LABEL_MAP)
            or _is_of_plan(labels, os.path.join(os.path.dirname(found), PLAN_JSON))
        ):
            return SourceLabels(
                _fitting(labels, found, source),
                _from(LABEL_MAP, "next to the source has the names of its classes"),
            )
        if same and labels.max_id == count:
            raise RequestError(
                "--label_map_path",
                (
                    f"is the {LABEL_MAP} next to the source, and has as many classes: "
                    "whether the source was trained with them is unknown"
                ),
                "if it was, pass the same file as --source_label_map_path, too; else move it away "
                "from the source",
            )
        if not targets and not like_coco:
            return SourceLabels(
                labels,
                (
                    Finding(
                        "SOURCE_NAMES",
                        WARNING,
                        LABEL_MAP,
                        (
                            "next to the source has the names of its "
                            f"classes, though its ids end with {labels.max_id}, and the source "
                            f"has {count} classes"
                        ),
                        _GIVE,
                    ),
                ),
            )
        classes = "the target's classes, with " if targets else ""
        told = (
            Finding(
                NOT_THE_SOURCES,
                WARNING,
                LABEL_MAP,
                "next to the source is not used for the source's classes: "
                f"it has {classes}ids up to {labels.max_id}, and the source has {count} classes",
                _GIVE,
            ),
        )
    if not like_coco:
        return SourceLabels(None, told)
    return SourceLabels(
        coco.LABEL_MAP, told + _from("the source", "has 90 classes, which are taken for COCO's")
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
