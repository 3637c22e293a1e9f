"""Checks of the label maps that the input readers name."""

import os
from typing import Any, Iterator, Tuple

from graphfix.detectors import coco
from graphfix.doctor.checks import Check, Symptom, listed
from graphfix.doctor.label_text import text_faults
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, INFO, WARNING
from graphfix.formats.textproto import Block, quote
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.label_map import BACKGROUND
from graphfix.pipeline_config.paths import INPUT_READERS


def _maps(setup: Setup) -> Iterator[Tuple[str, str]]:
    """(reader, path) of each label map that exists, once."""
    seen = set()
    for name, message in setup.readers():
        path = message.label_map_path
        if path and path not in seen and os.path.exists(path):
            seen.add(path)
            yield name, path


def _items(setup: Setup, path: str):
    """(item's block, id, name) of a label map's items, even where the map is not valid."""
    document = setup.label_document(path)
    for value in document.values(("item",)) if document else ():
        if isinstance(value, Block):
            given = value.values(("id",))
            ids = [one.value for one in given if isinstance(one.value, int)]
            if len(given) > 1 or (given and not ids):
                continue  # LABEL_MAP_UNREADABLE
            names = [
                one.value
                for field in ("name", "display_name")
                for one in value.values((field,))
                if isinstance(one.value, str)
            ]
            yield value, ids[0] if ids else 0, names[0] if names else ""


def _absent(setup: Setup) -> Iterator[Symptom]:
    for name, message in setup.readers():
        if not message.label_map_path and not _optional(name, message):
            yield Symptom(setup.where(name), f"{name} names no label map")


def _optional(name: str, reader: Any) -> bool:
    """Whether the API does without a label map: in training, where the field is not there."""
    return name == INPUT_READERS[0] and not reader.HasField("label_map_path")


def _unnamed(setup: Setup) -> Iterator[Symptom]:
    for name, message in setup.readers():
        if not message.label_map_path and _optional(name, message):
            yield Symptom(setup.where(name), f"{name} names no label map")


def _zero(setup: Setup) -> Iterator[Symptom]:
    for _, path in _maps(setup):
        zeros = [
            (block, name)
            for block, number, name in _items(setup, path)
            if number == 0 and name != BACKGROUND
        ]
        for block, name in zeros[:1]:
            yield Symptom(block.where, f"'{name}' has id 0, or no id")


def _negative(setup: Setup) -> Iterator[Symptom]:
    for _, path in _maps(setup):
        for block, number, name in _items(setup, path):
            if number < 0:
                yield Symptom(block.where, f"'{name}' has id {number}")


def _duplicate(setup: Setup) -> Iterator[Symptom]:
    for _, path in _maps(setup):
        ids: dict = {}
        names: dict = {}
        for block, number, name in _items(setup, path):
            if number in ids:
                yield Symptom(block.where, f"'{name}' has id {number}, as '{ids[number]}' has")
            if name in names and names[name] != number:
                yield Symptom(
                    block.where, f"the ids {names[name]} and {number} both have the name '{name}'"
                )
            ids.setdefault(number, name)
            names.setdefault(name, number)


def _unreadable(setup: Setup) -> Iterator[Symptom]:
    explained = {
        symptom.subject.rsplit(":", 2)[0]
        for find in (_zero, _negative, _duplicate)
        for symptom in find(setup)
    }
    for _, path in _maps(setup):
        faults = list(text_faults(setup, path))
        yield from faults
        error = setup.label_map(path)[1]
        if error is not None and path not in explained and not faults:
            for problem in error.problems:
                yield Symptom(problem.subject, problem.message, problem.remedy)


def _count(setup: Setup) -> Iterator[Symptom]:
    for _, path, labels, wanted in _sized(setup):
        if wanted > setup.body.num_classes:
            yield _other_count(setup, path, labels, wanted, "has ids up to")
            return


def _fewer(setup: Setup) -> Iterator[Symptom]:
    for name, path, labels, wanted in _sized(setup):
        if name == INPUT_READERS[0] and wanted < setup.body.num_classes:
            yield _other_count(setup, path, labels, wanted, "has ids only up to")


def _sized(setup: Setup):
    """(reader, path, label map, the num_classes it wants) of each label map that can be read."""
    if not setup.meta or not hasattr(setup.body, "num_classes"):
        return
    # With explicit_background_class the background counts as a class.
    extra = 1 if getattr(setup.body, "explicit_background_class", False) else 0
    for name, path in _maps(setup):
        labels = setup.label_map(path)[0]
        if labels is not None:
            yield name, path, labels, labels.max_id + extra


def _other_count(setup: Setup, path: str, labels, wanted: int, verb: str) -> Symptom:
    field = ("model", setup.meta, "num_classes")
    return Symptom(
        setup.where(*field),
        f"num_classes is {setup.body.num_classes}, but the label map {path} {verb} {labels.max_id}",
        f"write num_classes: {wanted}",
        (ConfigEdit(field, str(wanted), "as the label map has"),),
    )


def _gaps(setup: Setup) -> Iterator[Symptom]:
    for _, path in _maps(setup):
        labels = setup.label_map(path)[0]
        if labels is None:
            continue
        missing = sorted(set(range(1, labels.max_id + 1)) - set(labels.by_id()))
        if missing and not coco.GAPS.issuperset(missing):
            yield Symptom(
                path, f"skips {len(missing)} of the ids up to {labels.max_id}: {listed(missing)}"
            )


def _differ(setup: Setup) -> Iterator[Symptom]:
    maps = [(name, path, setup.label_map(path)[0]) for name, path in _maps(setup)]
    if len(maps) == 2 and all(labels for _, _, labels in maps) and maps[0][2] != maps[1][2]:
        yield Symptom(
            setup.where(INPUT_READERS[1], "label_map_path"),
            (f"evaluation's label map {maps[1][1]} differs from training's, {maps[0][1]}"),
            f'write label_map_path: "{maps[0][1]}"',
            (
                ConfigEdit(
                    (INPUT_READERS[1], "label_map_path"), quote(maps[0][1]), "the same classes"
                ),
            ),
        )


CHECKS = (
    Check(
        "LABEL_ID_ZERO",
        ERROR,
        "Id 0 is the background's; the API refuses a class with it (\"Label map id 0 is reserved "
        'for the background label").',
        "number the classes from 1, in the records as well",
        _zero,
    ),
    Check(
        "LABEL_ID_NEGATIVE",
        ERROR,
        'A class has a negative id ("Label map ids should be >= 0").',
        "number the classes from 1",
        _negative,
    ),
    Check(
        "LABEL_TWICE",
        ERROR,
        "Two classes have the same id, or one name has two ids.",
        "give every class its own id and name",
        _duplicate,
    ),
    Check(
        "LABEL_MAP_UNREADABLE",
        ERROR,
        "The API's reader refuses the label map, or reads other classes than were meant.",
        "write an item { id: 1 name: '...' } for every class",
        _unreadable,
    ),
    Check(
        "LABEL_COUNT",
        ERROR,
        "The label map has ids beyond num_classes: the model never learns those classes.",
        "set num_classes to the label map's largest id",
        _count,
    ),
    Check(
        "LABEL_MAP_MISSING",
        ERROR,
        "The reader of the evaluation names no label map, or a path is empty: evaluation, or "
        "training, does not start.",
        "write label_map_path",
        _absent,
    ),
    Check(
        "LABEL_MAP_UNNAMED",
        WARNING,
        "The reader of the training names no label map: the records' ids are used as they are, and "
        "classes that only have a name are lost.",
        "write label_map_path",
        _unnamed,
    ),
    Check(
        "LABEL_MAPS_DIFFER",
        WARNING,
        "Training and evaluation use different label maps.",
        "use the same one",
        _differ,
    ),
    Check(
        "LABEL_FEWER",
        WARNING,
        "The model has more classes than the label map has ids.",
        "set num_classes to the label map's largest id",
        _fewer,
    ),
    Check(
        "LABEL_GAPS",
        INFO,
        "Ids are skipped: the model has classes for them, which are never trained.",
        "nothing to do, unless ids were mistyped; records and checkpoint have these numbers, too",
        _gaps,
    ),
)
