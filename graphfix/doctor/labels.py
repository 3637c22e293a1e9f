"""Checks of the label maps that the input readers name."""

import os
from typing import Iterator, Tuple

from graphfix.doctor.checks import Check, Evidence
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, INFO, WARNING
from graphfix.formats.textproto import Block, quote
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.label_map import BACKGROUND
from graphfix.pipeline_config.paths import INPUT_READERS


def _maps(setup: Setup) -> Iterator[Tuple[str, str]]:
    """(reader, path) of each label map once."""
    seen = set()
    for name, message in setup.readers():
        path = message.label_map_path
        if path and path not in seen and os.path.exists(path):
            seen.add(path)
            yield name, path


def _items(setup: Setup, path: str):
    """(item's block, its id, its name) of a label map, also of one with faults."""
    document = setup.label_document(path)
    for value in document.values(("item",)) if document else ():
        if isinstance(value, Block):
            ids = [one.value for one in value.values(("id",)) if isinstance(one.value, int)]
            names = [
                one.value
                for field in ("name", "display_name")
                for one in value.values((field,))
                if isinstance(one.value, str)
            ]
            yield value, ids[0] if ids else 0, names[0] if names else ""


def _absent(setup: Setup) -> Iterator[Evidence]:
    for name, message in setup.readers():
        if not message.label_map_path:
            yield Evidence(setup.where(name), f"{name} names no label map")


def _zero(setup: Setup) -> Iterator[Evidence]:
    for _, path in _maps(setup):
        zeros = [
            (block, name)
            for block, number, name in _items(setup, path)
            if number == 0 and name != BACKGROUND
        ]
        for block, name in zeros[:1]:
            yield Evidence(block.where, f"'{name}' has id 0, or none")


def _negative(setup: Setup) -> Iterator[Evidence]:
    for _, path in _maps(setup):
        for block, number, name in _items(setup, path):
            if number < 0:
                yield Evidence(block.where, f"'{name}' has id {number}")


def _duplicate(setup: Setup) -> Iterator[Evidence]:
    for _, path in _maps(setup):
        ids: dict = {}
        names: dict = {}
        for block, number, name in _items(setup, path):
            if number in ids:
                yield Evidence(
                    block.where, f"'{name}' has id {number}, which '{ids[number]}' has, too"
                )
            if name in names and names[name] != number:
                yield Evidence(
                    block.where, f"the name '{name}' is given to the ids {names[name]} and {number}"
                )
            ids.setdefault(number, name)
            names.setdefault(name, number)


def _unreadable(setup: Setup) -> Iterator[Evidence]:
    explained = {
        evidence.subject.rsplit(":", 2)[0]
        for find in (_zero, _negative, _duplicate)
        for evidence in find(setup)
    }
    for _, path in _maps(setup):
        error = setup.label_map(path)[1]
        if error is not None and path not in explained:
            for problem in error.problems:
                yield Evidence(problem.subject, problem.message, problem.remedy)


def _count(setup: Setup) -> Iterator[Evidence]:
    for _, path, labels, wanted in _sized(setup):
        if wanted > setup.body.num_classes:
            yield _other_count(setup, path, labels, wanted, "goes to")
            return


def _fewer(setup: Setup) -> Iterator[Evidence]:
    for name, path, labels, wanted in _sized(setup):
        if name == INPUT_READERS[0] and wanted < setup.body.num_classes:
            yield _other_count(setup, path, labels, wanted, "ends at")


def _sized(setup: Setup):
    """(reader, path, label map, the num_classes it wants) of each label map that can be read."""
    if not setup.meta or not hasattr(setup.body, "num_classes"):
        return
    # The background may be counted, too: what explicit_background_class means.
    extra = 1 if getattr(setup.body, "explicit_background_class", False) else 0
    for name, path in _maps(setup):
        labels = setup.label_map(path)[0]
        if labels is not None:
            yield name, path, labels, labels.max_id + extra


def _other_count(setup: Setup, path: str, labels, wanted: int, verb: str) -> Evidence:
    field = ("model", setup.meta, "num_classes")
    return Evidence(
        setup.where(*field),
        f"num_classes is {setup.body.num_classes}, and the label map {path} {verb} id "
        f"{labels.max_id}",
        f"write num_classes: {wanted}",
        (ConfigEdit(field, str(wanted), "as the label map has"),),
    )


def _gaps(setup: Setup) -> Iterator[Evidence]:
    for _, path in _maps(setup):
        labels = setup.label_map(path)[0]
        if labels is None:
            continue
        missing = sorted(set(range(1, labels.max_id + 1)) - set(labels.by_id()))
        if missing:
            yield Evidence(
                path,
                "skips %d of the ids up to %d: %s"
                % (
                    len(missing),
                    labels.max_id,
                    ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else ""),
                ),
            )


def _differ(setup: Setup) -> Iterator[Evidence]:
    maps = [(name, path, setup.label_map(path)[0]) for name, path in _maps(setup)]
    if len(maps) == 2 and all(labels for _, _, labels in maps) and maps[0][2] != maps[1][2]:
        yield Evidence(
            setup.where(INPUT_READERS[1], "label_map_path"),
            (
                f"the evaluation's label map {maps[1][1]} "
                f"is another than the training's, {maps[0][1]}"
            ),
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
        "Id 0 is the background's; the API refuses a class of that id (\"Label map id 0 is "
        'reserved for the background label").',
        "number the classes from 1, in the records, too",
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
        "Two classes have one id, or one name has two ids: which is which?",
        "give every class its own id and name",
        _duplicate,
    ),
    Check(
        "LABEL_MAP_UNREADABLE",
        ERROR,
        "The label map can't be read.",
        "write an item { id: 1 name: '...' } for every class",
        _unreadable,
    ),
    Check(
        "LABEL_COUNT",
        ERROR,
        "The label map has ids that the model has no slot for: such classes are never learned.",
        "make num_classes the label map's largest id",
        _count,
    ),
    Check(
        "LABEL_MAP_MISSING",
        ERROR,
        "A reader names no label map; the records' ids are taken as they are, and evaluation "
        "does not start.",
        "write label_map_path",
        _absent,
    ),
    Check(
        "LABEL_MAPS_DIFFER",
        WARNING,
        "Training and evaluation number classes by two label maps.",
        "name the same one",
        _differ,
    ),
    Check(
        "LABEL_FEWER",
        WARNING,
        "The model has more class slots than the label map has ids.",
        "make num_classes the label map's largest id",
        _fewer,
    ),
    Check(
        "LABEL_GAPS",
        INFO,
        "Ids are skipped: their slots are never trained.",
        "there is nothing to do, if they are COCO's",
        _gaps,
    ),
)
