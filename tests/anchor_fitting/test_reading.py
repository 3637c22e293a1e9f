"""Boxes are the same, and so are findings and errors, however many processes read them."""

import random

import annotations
import numpy as np
import pytest
import thorough
from google.protobuf import text_format

from graphfix.anchor_fitting import reading
from graphfix.datasets.tf_example import NoBoxes
from graphfix.errors import SourceError
from graphfix.formats.schema import message_class
from graphfix.process import parallel

KEEP = "keep_aspect_ratio_resizer { min_dimension: 100 max_dimension: 200 }"
SIZE = {"image/height": annotations.ints([50]), "image/width": annotations.ints([60])}
NO_BOXES = annotations.record(annotations.example(SIZE))


def outcome(names, jobs):
    """What is read, or the error."""
    resizer = text_format.Parse(KEEP, message_class("graphfix.pipeline.ImageResizer")())
    try:
        boxes, findings = reading.read(names, resizer, names={2: "two"}, jobs=jobs)
    except SourceError as error:
        return type(error), str(error)
    arrays = (boxes.boxes, boxes.images, boxes.classes, boxes.image_of)
    return [(one.dtype, one.tolist()) for one in arrays], boxes.names, boxes.skipped, findings


def a_record(chance):
    size = chance.choice(((300, 400), (40, 50)))
    boxes = [sorted((chance.random(), chance.random())) for _ in range(2 * chance.randrange(4))]
    boxes = [
        (low[0], left[0], low[1], left[1])[:: chance.choice((1, 1, 1, 1, -1))]
        for low, left in zip(boxes[::2], boxes[1::2])
    ]
    boxes = [[edge * side for edge, side in zip(box, size * 2)] for box in boxes]
    classes = [chance.choice(("cat", "dog")) for _ in boxes]
    return annotations.record(annotations.example(annotations.features(size, boxes, classes)))


def bad_record(chance):
    return record_of(chance.choice(((30, 0, 10, 40), (10, 0, 10, 40), (0, 0, 400, 10))))


def record_of(box):
    return annotations.record(annotations.example(annotations.features((50, 60), [box], ["cat"])))


def a_file(chance, directory, number):
    """The path of a file of some kind, which may be damaged or have no keys of boxes."""
    kind = chance.randrange(12)
    if kind < 3:
        name, data = "x.json", annotations.coco()
    elif kind < 4:
        name, data = "x.xml", annotations.voc(annotations.IMAGES[0])
    else:
        name = "x.record"
        records = [a_record(chance) for _ in range(chance.randrange(12))]
        if kind == 4:
            records = [NO_BOXES] * 5
        elif kind < 7:
            records = [bad_record(chance) for _ in range(5)]
        elif chance.random() < 0.5:
            records[:3] = [NO_BOXES] * 3
        data = bytearray(b"".join(records))
        if kind == 7 and data:
            data[chance.randrange(len(data))] ^= 1
    path = directory / f"{number}{name}"
    path.write_bytes(bytes(data))
    return str(path)


def test_shares_make_no_difference(tmp_path, monkeypatch):
    kinds, shares = set(), []

    def run(module, do, tasks, jobs, told):
        assert module == reading._MODULE
        shares.append(len(tasks))
        return (do(task, told) for task in chance.sample(tasks, len(tasks)))

    monkeypatch.setattr(parallel, "run", run)
    for seed in range(thorough.rounds(40, 2000)):
        chance = random.Random(seed)
        directory = tmp_path / str(seed)
        directory.mkdir()
        names = [a_file(chance, directory, number) for number in range(chance.choice((1, 2, 4)))]
        monkeypatch.setattr(reading, "_WORTH", 1 << 20)
        whole = outcome(names, 1)
        kinds.add(whole[0] if len(whole) == 2 else "read")
        for worth in (1, 400, 1500):
            monkeypatch.setattr(reading, "_WORTH", worth)
            assert outcome(names, chance.randrange(2, 9)) == whole
    assert kinds == {"read", SourceError, NoBoxes} and sum(one > 2 for one in shares) > 20


def test_the_first_bad_box_is_that_of_the_first_file(tmp_path, monkeypatch):
    names = [str(tmp_path / name) for name in ("z.record", "a.record")]
    for name, box in zip(names, ((30, 0, 10, 40), (0, 0, 400, 10))):
        with open(name, "wb") as file:
            file.write(record_of(box) * 3)
    monkeypatch.setattr(reading, "_WORTH", 1)
    monkeypatch.setattr(parallel, "run", lambda _, do, tasks, *more: map(reading.read_share, tasks))
    assert outcome(names, 2) == outcome(names, 1) and "z.record" in outcome(names, 2)[1]


@pytest.mark.slow
def test_processes_make_no_difference(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_WORTH", 100)
    path = tmp_path / "x.record"
    path.write_bytes(b"".join(a_record(random.Random(seed)) for seed in range(60)))
    whole = outcome([str(path)], 1)
    assert np.shape(whole[0][0][1])[0] > 20 and whole[3]
    assert outcome([str(path)], 3) == whole
    with open(str(path), "r+b") as file:
        file.truncate(path.stat().st_size - 3)
    assert outcome([str(path)], 3) == outcome([str(path)], 1)
    assert "truncated" in outcome([str(path)], 3)[1]
