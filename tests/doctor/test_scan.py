"""Records and images, looked at one by one: what is noted, where, and how often."""

import os
import struct
import subprocess
import sys

import annotations
import pytest
import repository

from graphfix.doctor.scan import AS_SIZE, OTHER_SIDE, scan_records
from graphfix.formats import image_header
from graphfix.pipeline_config.label_map import parse_label_map

TESTDATA = repository.TESTDATA


@pytest.fixture
def broken_files(monkeypatch):
    monkeypatch.syspath_prepend(TESTDATA)
    from broken_setups import files

    return files


def scan(tmp_path, data, labels=None, masks=False, sample=None):
    path = tmp_path / "x.record"
    path.write_bytes(data)
    return scan_records(
        [str(path)],
        labels,
        lambda height, width: (height * 2.0, width * 2.0),
        masks=masks,
        sample=sample,
        progress=lambda text: None,
    )


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
    # Doubled, as `resized` says, in pixels.
    assert [round(side, 3) for size in found.sizes for side in size] == [100, 200, 200, 400, 4, 4]
    assert found.most[0] == 2


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
        ((0.1, 0.2, 0.3, 1.2), {"BOX_OUTSIDE"}),
        ((-0.1, 0.2, 0.3, 0.9), {"BOX_OUTSIDE"}),
        ((0.3, 0.2, 0.1, 0.9), {"BOX_INVERTED"}),
        ((0.3, 0.2, 0.1, 0.3), {"BOX_INVERTED", AS_SIZE}),
        ((0.3, 0.2, 0.3, 0.9), {"BOX_EMPTY"}),
        ((30.0, 20.0, 50.0, 90.0), {"BOX_PIXELS"}),
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
    assert set(found.notes) == {"BOX_OUTSIDE", OTHER_SIDE}
    found = scan(
        tmp_path, broken_files.records([broken_files.example(0, box=(0.1, 0.2, 1.5, 0.9), **wide)])
    )
    assert set(found.notes) == {"BOX_OUTSIDE"}


def test_what_comes_before_the_damage_counts(tmp_path, broken_files):
    data = broken_files.set_of(4)
    found = scan(tmp_path, data[:-5])
    assert found.records == 3 and "record 3 " in str(found.damage[0])


def test_a_sample_is_no_whole(tmp_path, broken_files):
    found = scan(tmp_path, broken_files.set_of(5), sample=2)
    assert found.records == 2 and not found.complete
    assert scan(tmp_path, broken_files.set_of(5), sample=5).complete


def test_memory_does_not_grow_with_the_records(tmp_path, broken_files):
    # 60 MB of images, in a process of its own.
    features = broken_files.example(0)
    features["image/encoded"] = [broken_files.jpeg()[:-2] + b"\x55" * 2000000 + b"\xff\xd9"]
    path = tmp_path / "x.record"
    path.write_bytes(broken_files.records([features]) * 30)
    program = (
        "import resource, sys\n"
        "from graphfix.doctor.scan import scan_records\n"
        "from graphfix.datasets.tf_example import read_examples\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "import graphfix.formats.schema\n"
        "graphfix.formats.schema.message_class('graphfix.example.Example')().SerializeToString()\n"
        "before = peak()\n"
        "found = scan_records([sys.argv[1]], None, lambda *size: size, masks=False, sample=None,\n"
        "                     progress=print)\n"
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


@pytest.mark.parametrize(
    "data, expected",
    [
        (
            b"GIF89a" + struct.pack("<HH", 30, 20) + b"\0\0\0;",
            (image_header.GIF, 20, 30, 3, 8, True),
        ),
        (
            b"BM" + b"\0" * 16 + struct.pack("<iiHH", 30, -20, 1, 24) + b"\0" * 20,
            (image_header.BMP, 20, 30, 3, 8, True),
        ),
        (b"\xff\xd8", (image_header.JPEG, 0, 0, 0, 8, False)),
        (b"\x89PNG\r\n\x1a\n", (image_header.PNG, 0, 0, 0, 8, False)),
    ],
)
def test_a_header(data, expected):
    assert image_header.read_header(data) == expected


def test_headers_of_jpeg_files():
    for name in ("demo_00000.jpg", "demo_00003.jpg"):
        with open(os.path.join(TESTDATA, "shapes", name), "rb") as file:
            data = file.read()
        assert image_header.read_header(data) == (image_header.JPEG, 160, 160, 3, 8, True)
        assert not image_header.read_header(data[: len(data) // 2]).whole


def test_headers_of_png_files(broken_files):
    data = broken_files.png(30, 50, channels=1)
    assert image_header.read_header(data) == (image_header.PNG, 30, 50, 1, 8, True)
    assert not image_header.read_header(data[:-12]).whole


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"RIFF\0\0\0\0WEBP", b"II*\0", b"<html>"])
def test_no_image(data):
    assert image_header.read_header(data) is None
    assert image_header.name_other(data)
