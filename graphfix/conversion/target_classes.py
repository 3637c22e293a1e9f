"""The new classes: those that the options name, or that an edited config asks for."""

import os
from typing import NamedTuple, Optional, Tuple

from graphfix.errors import RequestError
from graphfix.findings import INFO, WARNING, Finding, count
from graphfix.formats.regular_files import read_file
from graphfix.modeldir.openers import Model
from graphfix.options import ConvertOptions
from graphfix.pipeline_config.label_map import LabelMap, listed, parse_classes
from graphfix.pipeline_config.paths import find_named


class Target(NamedTuple):
    """The new classes: their label map and the path of its file, their number, findings."""

    labels: Optional[LabelMap]
    path: str
    num_classes: Optional[int]
    findings: Tuple[Finding, ...]


def target_classes(source: Model, options: ConvertOptions) -> Target:
    """The classes that the options name, or else those that an edited config asks for."""
    path, number = options.label_map_path, options.num_classes
    if path is not None:
        found = parse_classes(read_file(path, pipes=True), path)
        ids = (_ids(path, found.labels),) if found.listed else ()
        return Target(found.labels, path, number, ids + _unused(found.labels, path))
    if options.classes:
        labels = listed(options.classes)
        if number is not None and labels.max_id > number:
            raise RequestError(
                "--classes",
                f"has {labels.max_id} names, beyond --num_classes {number}",
                "raise --num_classes, or leave it out",
            )
        return Target(labels, "", number, (_ids("--classes", labels),))
    asked = source.asked
    if asked is None or number not in (None, asked.num_classes):
        return Target(None, "", number, ())
    number = asked.num_classes
    name, where = os.path.basename(source.config_path), os.path.dirname(source.config_path)
    found_path = find_named(asked.label_map_path, where, os.path.dirname(source.prefix))
    asks = f"asks for {count(number, 'new class', 'new classes')}"
    if found_path is None:
        why = f"'{asked.label_map_path}' is not here" if asked.label_map_path else "none is named"
        return Target(
            None,
            "",
            number,
            (
                Finding(
                    "TARGET_CLASSES",
                    WARNING,
                    name,
                    f"{asks}, and has no label map for their names: {why}",
                    "name them with --label_map_path or --classes",
                ),
            ),
        )
    labels = parse_classes(read_file(found_path), found_path).labels
    # Where an archive was unpacked to means nothing to anybody.
    shown = os.path.basename(found_path) if source.unpacked else found_path
    if labels.max_id > number or source.model.classes == labels.max_id != number:
        raise RequestError(
            name,
            f"{asks}, but its label map {shown} has ids up to {labels.max_id}",
            "name the new classes with --label_map_path or --classes",
        )
    told = Finding(
        "TARGET_CLASSES",
        INFO,
        name,
        f"{asks}, and no flag names others: their names are those of {shown}",
        "name others with --label_map_path or --classes",
    )
    return Target(labels, found_path, number, (told,) + _unused(labels, shown))


def _ids(subject: str, labels: LabelMap) -> Finding:
    """What a list of names does not say itself."""
    first, last = labels.labels[0], labels.labels[-1]
    return Finding(
        "CLASS_IDS",
        INFO,
        subject,
        f"is a list of names, so ids follow its order: {first.display_name} is {first.id}"
        + (f", {last.display_name} is {last.id}" if last is not first else ""),
        "give the classes in your records the same ids",
    )


def _unused(labels: LabelMap, path: str) -> Tuple[Finding, ...]:
    if not labels.unused:
        return ()
    return (
        Finding(
            "LABEL_MAP_FIELDS",
            WARNING,
            path,
            "has fields that are not written to the output's label map: "
            + ", ".join(labels.unused),
            "point the config to your own label map, where something reads them",
        ),
    )
