"""records/: every kind of file gives the same boxes, and says what is wrong with it.

stock/test_records.py has TensorFlow's own writer.
"""

import gzip
import json
import subprocess
import sys
import tracemalloc

import annotations
import pytest
import repository

from graphfix.datasets import coco
from graphfix.datasets.sources import find_files
from graphfix.errors import SourceError
from graphfix.formats.tfrecord import read_records

TOP = repository.TOP


def write(path, data):
    path.write_bytes(data)
    return str(path)


def read(*names):
    """[(size, boxes, classes)] of images with boxes, those of one size one after the other joined
    (a row or an annotation is read as an image of one box)."""
    out = []
    for _, size, boxes, classes, _ in annotations.read_boxes(names):
        if boxes and out and out[-1][0] == size:
            out[-1] = (size, out[-1][1] + list(boxes), out[-1][2] + list(classes))
        elif boxes:
            out.append((size, list(boxes), list(classes)))
    return out


def problem(*names):
    with pytest.raises(SourceError) as caught:
        for _ in annotations.read_boxes(names):
            pass
    (found,) = caught.value.problems
    assert found.remedy
    return found


def same(found):
    assert len(found) == len(annotations.expected()) > 1
    for (size, boxes, classes), wanted in zip(found, annotations.expected()):
        assert (size, classes) == (wanted[0], wanted[2])
        for box, other in zip(boxes, wanted[1]):
            assert box == pytest.approx(other, abs=1e-7)  # records hold float32


def xml(directory):
    directory.mkdir()
    for number, image in enumerate(annotations.IMAGES):
        write(directory / (f"{number}.xml"), annotations.voc(image))
    (directory / "0.jpg").write_bytes(b"")
    return str(directory)


def test_every_kind_gives_the_same_boxes(tmp_path):
    same(read(write(tmp_path / "x.record", annotations.tfrecord())))
    same(read(write(tmp_path / "y.record", annotations.tfrecord(packed=False))))
    same(read(write(tmp_path / "x.json", annotations.coco())))
    same(read(write(tmp_path / "x.csv", b"\xef\xbb\xbf" + annotations.table())))
    same(read(xml(tmp_path / "xml")))


def test_patterns(tmp_path):
    for number in (2, 0, 1):
        write(tmp_path / (f"x.record-{number:05d}-of-00003"), annotations.tfrecord())
    pattern = str(tmp_path / "x.record-?????-of-00003")
    assert [path[-14:] for path in find_files(pattern)] == [
        "00000-of-00003",
        "00001-of-00003",
        "00002-of-00003",
    ]
    assert len(list(annotations.read_boxes([pattern]))) == 3 * len(annotations.IMAGES)
    bracketed = write(tmp_path / "a[1].record", annotations.tfrecord())
    assert find_files(bracketed) == [bracketed]


def test_names_that_mean_no_file(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("missing.record", "x-*.record", "empty"):
        assert problem(str(tmp_path / name)).subject == str(tmp_path / name)


def test_classes_of_a_record(tmp_path):
    size, boxes, classes = annotations.IMAGES[0]
    made = annotations.features(size, boxes, classes)
    for text, label, found in (
        ([b"cat", b""], [1, 2], ["cat", 2]),
        ([], [1, 2], [1, 2]),
        ([], [], [None, None]),
        ([b"\xff", b"dog"], [], ["\\xff", "dog"]),
    ):
        made["image/object/class/text"] = annotations.texts(text)
        made["image/object/class/label"] = annotations.ints(label)
        path = write(tmp_path / "x.record", annotations.record(annotations.example(made)))
        assert read(path)[0][2] == found


def test_a_record_without_its_size(tmp_path):
    size, boxes, classes = annotations.IMAGES[0]
    made = annotations.features(size, boxes, classes)
    del made["image/height"]
    path = write(tmp_path / "x.record", annotations.record(annotations.example(made)))
    assert read(path)[0][0] is None


def test_truncated_and_damaged_records(tmp_path):
    data = annotations.tfrecord()
    offsets = [offset for _, offset, _ in read_records(write(tmp_path / "whole", data))]
    assert len(offsets) == 3
    second, third = offsets[1:]
    for end, number, offset in (
        (second + 5, 1, second),
        (second + 40, 1, second),
        (third - 1, 1, second),
        (third + 13, 2, third),
    ):
        found = problem(write(tmp_path / "cut", data[:end]))
        assert found.subject.endswith("cut") and "truncated" in found.message
        assert f"record {number} (at byte {offset}) " in found.message
    for at in (second, second + 9, second + 30, third - 2):
        changed = bytearray(data)
        changed[at] ^= 4
        found = problem(write(tmp_path / "bad", bytes(changed)))
        assert f"record 1 (at byte {second}) is damaged" in found.message
    # A length that is right by its checksum, and that nobody should make room for.
    length = (1 << 62).to_bytes(8, "little")
    huge = length + annotations.handmade.masked(length).to_bytes(4, "little")
    assert "truncated" in problem(write(tmp_path / "huge", huge)).message


def test_records_are_streamed(tmp_path):
    one = annotations.record(b"x" * 1000000)
    with open(str(tmp_path / "big"), "wb") as file:
        for _ in range(30):
            file.write(one)
    tracemalloc.start()
    assert sum(len(data) for _, _, data in read_records(str(tmp_path / "big"))) == 30000000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6000000


@pytest.mark.parametrize(
    "data, words",
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "no record's header"),
        pytest.param(gzip.compress(annotations.tfrecord()), "compressed", id="gzip"),
        (annotations.record(b"\xff\xff\xff"), "record 0 (at byte 0): is not a tf.Example"),
        (
            annotations.record(
                annotations.example(
                    {"label": annotations.ints([1]), "image": annotations.texts([b"x"])}
                )
            ),
            "has no boxes (image/object/bbox/*): the first record has image, label",
        ),
        (annotations.record(b""), "the first record has nothing"),
    ],
)
def test_files_of_another_schema(tmp_path, data, words):
    assert words in str(problem(write(tmp_path / "x.record", data)))


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"image/object/bbox/xmin": annotations.floats([0.1])}, "2, 1, 2, 2 values"),
        ({"image/object/bbox/xmin": annotations.ints([1, 2])}, "as int64_list, not as float_list"),
        ({"image/object/class/text": annotations.texts([b"cat"])}, "2 boxes, but 1 values"),
        ({"image/object/class/label": annotations.ints([1, 2, 3])}, "2 boxes, but 3 values"),
    ],
)
def test_records_that_contradict_themselves(tmp_path, changes, words):
    made = dict(annotations.features(*annotations.IMAGES[0]), **changes)
    data = annotations.record(annotations.example(made))
    assert words in str(problem(write(tmp_path / "x.record", data)))


def test_json_in_pieces(tmp_path, monkeypatch):
    path = write(tmp_path / "x.json", annotations.coco())
    for piece in range(1, 40):
        monkeypatch.setattr(coco, "_PIECE", piece)
        same(read(path))


@pytest.mark.slow
def test_json_is_streamed(tmp_path):
    annotation = {
        "image_id": 1,
        "category_id": 1,
        "bbox": [1, 2, 3, 4],
        "segmentation": [list(range(1000))],
    }
    with open(str(tmp_path / "x.json"), "w") as file:
        file.write('{"images": [{"id": 1, "height": 9, "width": 9}], "annotations": [')
        file.write(", ".join([json.dumps(annotation)] * 1500))
        file.write("]}")
    tracemalloc.start()
    assert sum(1 for _ in annotations.read_boxes([str(tmp_path / "x.json")])) == 1500
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6000000 < (tmp_path / "x.json").stat().st_size


IMAGE = '"images": [{"id": 1, "height": 9, "width": 9}]'


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "where '{' should stand"),
        ("[]", "where '{' should stand"),
        ("{" + IMAGE + "}", "has no annotations"),
        (
            "{" + IMAGE + ', "annotations": [{"image_id": 2, "category_id": 1}]}',
            "annotations[0]: is of image 2",
        ),
        (
            "{" + IMAGE + ', "annotations": [{"image_id": 1, "category_id": 1}]}',
            "annotations[0]: has no bbox",
        ),
        (
            "{" + IMAGE + ', "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1]}]}',
            "is not [x, y, width, height]",
        ),
        ("{" + IMAGE + ', "annotations": [7]}', "annotations[0]: has no image_id"),
        ("{" + IMAGE + ', "annotations": [', "is not JSON"),
        ("{" + IMAGE + ', "annotations": []} x', "something follows the end"),
        ('{"annotations": [], "images": [{"id": 1, "height": 0, "width": 9}]}', "has no size"),
        (
            '{"annotations": [], "images": [{"id": [], "height": 1, "width": 9}]}',
            "not a number or a",
        ),
        ('{"x": ' + "[" * 100000, "nests too deeply"),
        ('{"annotations": [' + "1" * 5000 + "]}", ""),
    ],
)
def test_json_that_is_not_cocos(tmp_path, text, words):
    found = problem(write(tmp_path / "x.json", text.encode()))
    assert found.subject.startswith(str(tmp_path / "x.json")) and words in str(found)


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "is not XML"),
        ("<annotation/>", "has no number as size/width"),
        ("<annotation><size><width>0</width><height>9</height></size></annotation>", "0 by 9"),
        (
            "<annotation><size><width>9</width><height>9</height></size><object><name>a</name></object>"
            "</annotation>",
            "object 0: has no number as bndbox/ymin",
        ),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>", "definitions"),
        ("<?xml version='1.0' encoding='no-such'?><annotation/>", "is not XML"),
    ],
)
def test_xml_that_is_not_pascals(tmp_path, text, words):
    assert words in str(problem(write(tmp_path / "x.xml", text.encode())))


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "has no column width, height, class, xmin, ymin, xmax, ymax"),
        ("filename,width,height,class,xmin,ymin,xmax\n", "has no column ymax"),
        ("width,height,class,xmin,ymin,xmax,ymax\n1,2\n", "line 2: has 2 cells"),
        ("width,height,class,xmin,ymin,xmax,ymax\n9,9,a,1,2,3,x\n", "line 2: has a cell"),
        ("width,height,class,xmin,ymin,xmax,ymax\n9,0,a,1,2,3,4\n", "9 by 0"),
    ],
)
def test_tables_that_are_not_of_boxes(tmp_path, text, words):
    assert words in str(problem(write(tmp_path / "x.csv", text.encode())))


def test_what_is_no_number_is_passed_on(tmp_path):
    """Whoever uses the boxes counts the bad ones; a file with one is not refused."""
    text = "width,height,class,xmin,ymin,xmax,ymax\n9,9,a,nan,2,3,4\n9,9,a,1,-2,3,4\n"
    ((_, boxes, _),) = read(write(tmp_path / "x.csv", text.encode()))
    assert boxes[0][1] != boxes[0][1] and boxes[1][0] == -2 / 9


def test_a_parsed_record_is_let_go(tmp_path):
    """Its memory is the message's, which the interpreter does not count: asked of the process."""
    made = annotations.features(*annotations.IMAGES[0])
    made["image/encoded"] = annotations.texts([bytes(1000000)])
    one = annotations.record(annotations.example(made))
    with open(str(tmp_path / "x.record"), "wb") as file:
        for _ in range(60):
            file.write(one)
    program = (
        "import resource, sys\nfrom graphfix.datasets.sources import read_piece\n"
        "kept = [0]\nfor _ in read_piece(sys.argv[1]):\n"
        "    kept.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        "print(len(kept) - 1, (kept[-1] - kept[1]) // 1024)\n"
    )
    out = subprocess.check_output(
        [sys.executable, "-c", program, str(tmp_path / "x.record")],
        cwd=TOP,
        universal_newlines=True,
    )
    count, grown = map(int, out.split())
    assert count == 60 and grown < 20
