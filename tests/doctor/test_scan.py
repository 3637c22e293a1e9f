"""Records and images, looked at one by one: what is noted, where, and how often."""

import os
import pickle
import random
import subprocess
import sys

import annotations
import numpy as np
import pytest
import repository
import thorough

from graphfix.doctor import scan as scan_module
from graphfix.doctor import shards
from graphfix.doctor.copies import common_images, count_images
from graphfix.doctor.faults import AS_SIZE, OTHER_SIDE
from graphfix.doctor.look import image_key
from graphfix.doctor.setup import Options, Setup
from graphfix.doctor.shards import make_shards, scan_shards
from graphfix.pipeline_config import schema_history
from graphfix.pipeline_config.label_map import parse_label_map
from graphfix.process import parallel

TESTDATA = repository.TESTDATA


def scan_files(paths, labels=None, masks=False, sample=None, mapper=None, jobs=1):
    return scan_shards(
        make_shards([str(path) for path in paths], labels, masks=masks),
        sample=sample,
        jobs=jobs,
        progress=lambda text: None,
        mapper=mapper,
    )


def scan(tmp_path, data, labels=None, masks=False, sample=None):
    path = tmp_path / "x.record"
    path.write_bytes(data)
    return scan_files([path], labels, masks, sample)


def test_images_have_the_size_that_the_resizer_gives_them():
    text = b"model { ssd { image_resizer { conditional_shape_resizer { size_threshold: %d } } } }"
    options = Options("2019-07", schema_history.schema("2019-07"), ("legacy",), {})
    images = np.array([[333, 500]])
    for threshold, size in ((300, [[199, 300]]), (0, [[333, 500]])):
        # One that the API cannot build is another check's.
        for found in Setup(text % threshold, "c", options).resized(images):
            assert found.tolist() == size


def test_records_written_by_hand(tmp_path):
    # The bytes of annotations.py are another writer's than the package's.
    found = scan(
        tmp_path,
        annotations.tfrecord(),
        parse_label_map(b"item { id: 1 name: 'cat' } item { id: 2 name: 'dog' }", "labels"),
    )
    assert (found.records, found.boxes, found.empty) == (3, 3, 1)
    assert {label: note.count for label, note in found.ids.items()} == {1: 2, 2: 1}
    assert not found.unknown and not found.damage
    first = found.first()
    assert (first.sides * first.images).round(3).tolist() == [[50, 100], [100, 200], [2, 2]]
    assert found.image_sizes == {(100, 200), (50, 40), (80, 80)} and found.measured == 3
    assert found.most.count == 2


def test_without_a_label_map_the_ids_count(tmp_path, broken_files):
    data = broken_files.records([broken_files.example(0, text=[b"whatever"], label=[7])])
    assert set(scan(tmp_path, data).ids) == {7}
    labels = parse_label_map(b"item { id: 3 name: 'n3' display_name: 'whatever' }", "labels")
    found = scan(tmp_path, data, labels)
    assert set(found.ids) == {3} and found.found("CLASS_DISAGREES").count == 1


def test_the_place_is_the_first(tmp_path, broken_files):
    found = scan(
        tmp_path,
        broken_files.records(
            broken_files.example(
                number, **({"box": (2.0, 2.0, 50.0, 60.0)} if number in (2, 5) else {})
            )
            for number in range(7)
        ),
    )
    note = found.found("BOX_PIXELS")
    assert note.count == 2 and ": record 2 (at byte " in note.where
    assert note.detail == "ymin 2, xmin 2, ymax 50, xmax 60"


@pytest.mark.parametrize(
    "box, kinds",
    [
        ((0.1, 0.2, 0.3, 0.4), set()),
        ((0.0, 0.0, 1.0, 1.0005), set()),
        ((0.1, 0.2, 0.3, 1.05), {"BOX_OUTSIDE"}),
        ((0.1, 0.2, 0.3, 2.03), {"BOX_OUTSIDE", "BOX_FAR"}),
        ((-0.1, 0.2, 0.3, 0.9), {"BOX_OUTSIDE"}),
        ((0.3, 0.2, 0.1, 0.9), {"BOX_INVERTED"}),
        ((0.3, 0.2, 0.1, 0.3), {"BOX_INVERTED", AS_SIZE}),
        ((0.3, 0.2, 0.3, 0.9), {"BOX_EMPTY"}),
        ((30.0, 20.0, 50.0, 90.0), {"BOX_PIXELS"}),
        ((0.0, 1.0, 2.0, 3.0), {"BOX_PIXELS"}),
        ((30.5, 20.25, 50.5, 90.75), {"BOX_PIXELS"}),
        ((0.1, float("inf"), 0.2, 0.3), {"BOX_NO_NUMBER"}),
        ((float("nan"), 0.1, 0.2, 0.3), {"BOX_NO_NUMBER"}),
        ((0.1, 0.1, float("nan"), 0.3), {"BOX_NO_NUMBER"}),
    ],
)
def test_a_box(tmp_path, broken_files, box, kinds):
    found = scan(tmp_path, broken_files.records([broken_files.example(0, box=box)]))
    assert set(found.notes) == kinds


def test_a_box_divided_by_the_other_side(tmp_path, broken_files):
    wide = dict(encoded=[broken_files.png(80, 160)], height=[80], width=[160])
    found = scan(
        tmp_path, broken_files.records([broken_files.example(0, box=(0.1, 0.2, 0.5, 1.9), **wide)])
    )
    assert set(found.notes) == {"BOX_OUTSIDE", "BOX_FAR", OTHER_SIDE}
    found = scan(
        tmp_path, broken_files.records([broken_files.example(0, box=(0.1, 0.2, 1.5, 0.9), **wide)])
    )
    assert set(found.notes) == {"BOX_OUTSIDE", "BOX_FAR"}


def test_what_comes_before_the_damage_counts(tmp_path, broken_files):
    data = broken_files.set_of(4)
    found = scan(tmp_path, data[:-5])
    assert found.records == 3 and "record 3 " in str(found.damage[0])


def test_a_sample_is_no_whole(tmp_path, broken_files):
    found = scan(tmp_path, broken_files.set_of(5), sample=2)
    assert found.records == 2 and not found.complete
    assert scan(tmp_path, broken_files.set_of(5), sample=5).complete


@pytest.mark.slow
def test_memory_does_not_grow_with_the_records(tmp_path, broken_files):
    # 60 MB of images, in a process of its own.
    features = broken_files.example(0)
    features["image/encoded"] = [broken_files.jpeg()[:-2] + b"\x55" * 2000000 + b"\xff\xd9"]
    path = tmp_path / "x.record"
    path.write_bytes(broken_files.records([features]) * 30)
    program = (
        "import re, sys\n"
        "from graphfix.doctor.shards import make_shards, scan_shards\n"
        "from graphfix.datasets.tf_example import read_examples\n"
        # What getrusage says begins with what pytest had.
        "def peak():\n"
        "    status = open('/proc/self/status').read()\n"
        "    return int(re.search(r'VmHWM:\\s*([0-9]+)', status)[1])\n"
        "import graphfix.formats.schema\n"
        "graphfix.formats.schema.message_class('graphfix.example.Example')().SerializeToString()\n"
        "before = peak()\n"
        "found = scan_shards(make_shards([sys.argv[1]], None, masks=False), sample=None,\n"
        "                    progress=lambda text: None, jobs=1)\n"
        "assert (found.records, len(list(read_examples(sys.argv[1])))) == (30, 30)\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        stdout=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        universal_newlines=True,
        check=True,
    )
    assert int(done.stdout) < 25 << 10, done.stdout  # KiB


def test_memory_does_not_grow_with_what_is_wrong(tmp_path, broken_files):
    found = scan(
        tmp_path,
        broken_files.records(
            broken_files.example(number, text=[b"nobody %d" % number], encoded=[b"x"])
            for number in range(300)
        ),
        parse_label_map(b"item { id: 1 name: 'cat' }", "labels"),
    )
    assert len(found.notes) == 2 and found.found("IMAGE_UNREADABLE").count == 300
    assert len(found.unknown) == 300


def a_data_set(tmp_path, broken_files, chance, shards):
    """Files of records with faults and copies, some of the files damaged, empty, or missing."""
    paths = []
    for number in range(shards):
        made = []
        for _ in range(chance.randrange(7)):
            changes = chance.choice(
                (
                    {},
                    {},
                    {"box": (0.5, 0.2, 0.3, 0.9)},
                    {"box": (3.0, 20.0, 50.0, 90.0)},
                    {"text": [b"nobody %d" % chance.randrange(3)]},
                    {"height": [chance.randrange(2, 4)]},
                    {"source": None},
                    {"source": [b"same"]},
                    {"label": [chance.randrange(1, 9)]},
                    {"encoded": [b"no picture"]},
                )
            )
            made.append(broken_files.example(chance.randrange(12), **changes))
        data = broken_files.records(made)
        if chance.random() < 0.2:
            data = data[: chance.randrange(len(data) + 1)]
        paths.append(tmp_path / f"x.record-{number}")
        if chance.random() < 0.9:
            paths[-1].write_bytes(data)
    return paths


def told(scan):
    """All that a scan has, in a form that can be compared."""

    def noted(notes):
        return {key: (one.count, one.order, one.where, one.detail) for key, one in notes.items()}

    out = dict(vars(scan), notes=noted(scan.notes), ids=noted(scan.ids))
    out.update(unknown=noted(scan.unknown), most=scan.most and vars(scan.most))
    out["damage"] = {number: str(error) for number, error in scan.damage.items()}
    for name in ("first_boxes", "keys"):
        parts = sorted(out[name].items())
        out[name] = [(number, [np.asarray(one).tolist() for one in part]) for number, part in parts]
    return out


@pytest.mark.parametrize("seed", range(3))
def test_a_scan_is_the_same_in_whatever_order_files_are_merged(
    tmp_path, broken_files, seed, monkeypatch
):
    chance = random.Random(seed)
    monkeypatch.setattr(scan_module, "BOXES", 9)
    monkeypatch.setattr(scan_module, "_NAMES", 2)
    labels = parse_label_map(
        b"".join(
            b"item { id: %d name: '%s' }" % (number + 1, name.encode())
            for number, name in enumerate(broken_files.CLASSES)
        ),
        "labels",
    )
    paths = a_data_set(tmp_path, broken_files, chance, 7)

    def in_any_order(function, shards):
        parts = [
            pickle.loads(pickle.dumps(function(pickle.loads(pickle.dumps(one))))) for one in shards
        ]
        while len(parts) > 1 and chance.random() < 0.9:
            one, other = (parts.pop(chance.randrange(len(parts))) for _ in range(2))
            parts.append(one.merge(other))
        chance.shuffle(parts)
        return parts

    expected = told(scan_files(paths, labels, masks=True))
    assert expected["records"] and expected["damage"] and expected["notes"]
    for _ in range(thorough.rounds(20, 300)):
        assert told(scan_files(paths, labels, masks=True, mapper=in_any_order)) == expected


def test_the_place_is_in_the_first_file(tmp_path, broken_files):
    paths = [tmp_path / name for name in "ab"]
    for number, path in enumerate(paths):
        bad = broken_files.example(number, box=(0.5, 0.6, 0.3, 0.2), text=[b"nobody"])
        path.write_bytes(broken_files.records([broken_files.example(9), bad]))
    labels = parse_label_map(b"item { id: 1 name: 'square' }", "labels")
    backwards = scan_files(paths, labels, mapper=lambda scan, files: map(scan, reversed(files)))
    for found in (scan_files(paths, labels), backwards):
        for note in (found.found("BOX_INVERTED"), found.unknown["nobody"]):
            assert note.count == 2 and note.where.startswith(f"{paths[0]}: record 1 ")


def test_images_that_end_alike_are_no_copies(tmp_path, broken_files):
    jpeg = broken_files.jpeg()
    others = [jpeg[:-60] + bytes([number]) * 8 + jpeg[-52:] for number in (1, 2, 1)]
    assert len({image_key(one[:-50] + bytes(64)) for one in others}) == 1  # the ends are longer
    images = [one[:-50] + bytes(64) + b"\xff\xd9" for one in others]
    data = [broken_files.example(number, encoded=[one]) for number, one in enumerate(images)]
    found = scan(tmp_path, broken_files.records(data))
    assert found.found("IMAGE_TWICE").count == 1 and count_images(found) == 2
    assert found.found("IMAGE_TWICE").detail == "record 0"
    (tmp_path / "y.record").write_bytes(broken_files.records(data[1:2]))
    assert common_images(found, scan_files([tmp_path / "y.record"])) == 1


def test_nobody_is_asked_to_scan_no_files():
    assert not scan_files([], mapper=lambda function, shards: 1 / 0).records


def told_of_files(scan):
    """All that a scan has but the numbers of the files or pieces of files, which are told by their
    paths."""
    out = told(scan)
    del out["files"]
    out["damage"] = [text for _, text in sorted(out["damage"].items())]
    for kind in ("notes", "ids", "unknown"):
        for key, (count, order, *rest) in out[kind].items():
            out[kind][key] = (count, scan.files[order[0]], order[1], *rest)
    index, number = out["most"]["order"]
    out["most"] = dict(out["most"], order=(scan.files[index], number))
    columns = list(zip(*(scan.keys[number] for number in sorted(scan.keys))))[:3]
    out["keys"] = [np.concatenate(column).tolist() for column in columns]
    out["first_boxes"] = [part.tolist() for part in scan.first()]
    return out


@pytest.mark.slow
def test_a_scan_is_the_same_by_many_processes(tmp_path, broken_files, monkeypatch):
    monkeypatch.setattr(shards, "_WORTH", 1)
    monkeypatch.setattr(shards, "_LEAST", 1)
    paths = a_data_set(tmp_path, broken_files, random.Random(4), 9)
    assert told_of_files(scan_files(paths, jobs=3)) == told_of_files(scan_files(paths))


@pytest.mark.parametrize("seed", range(4))
def test_a_scan_is_the_same_of_pieces_of_files(tmp_path, broken_files, seed, monkeypatch):
    paths = a_data_set(tmp_path, broken_files, random.Random(seed), 4)
    paths.append(paths[0])  # two patterns may mean the same file
    good = [broken_files.example(number) for number in range(6)]
    data = bytearray(broken_files.records(good))
    data[len(data) // 2] ^= 1
    paths[1].write_bytes(bytes(data))
    whole = scan_files(paths)
    monkeypatch.setattr(parallel, "run", in_this_process)
    for size in (1, 200, 500):
        monkeypatch.setattr(shards, "_WORTH", size)
        monkeypatch.setattr(shards, "_LEAST", size)
        cut = scan_files(paths, jobs=8)
        assert len(cut.files) > len(whole.files) or size > 1
        assert told_of_files(cut) == told_of_files(whole)


def in_this_process(module, do, tasks, jobs, told):
    assert module == shards._WORKER and jobs > 1
    return (do(task, told) for task in random.Random(len(tasks)).sample(tasks, len(tasks)))
