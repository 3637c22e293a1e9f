"""Which records are shown, and what is drawn of them."""

import annotations
import pytest

from graphfix.doctor.shards import make_shards
from graphfix.errors import SourceError
from graphfix.pipeline_config.label_map import parse_label_map
from graphfix.record_sheets.choice import choose
from graphfix.record_sheets.content import Namer, read_content

LABELS = parse_label_map(b"item { id: 1 name: 'circle' } item { id: 2 name: 'square' }", "labels")
OUTSIDE, INVERTED = {"box": (0.5, 0.2, 1.05, 0.9)}, {"box": (0.5, 0.6, 0.3, 0.2)}


def chosen(tmp_path, broken_files, changes, most, labels=None):
    path = tmp_path / "x.record"
    examples = [broken_files.example(number, **one) for number, one in enumerate(changes)]
    path.write_bytes(broken_files.records(examples))
    shards = make_shards([str(path)], labels, masks=False)
    _, counts, found = choose(shards, most, lambda text: None)
    return counts, [(one.number, [fault.code for fault in one.faults]) for one in found]


def test_the_worst_come_first_and_of_each_kind_one(tmp_path, broken_files):
    changes = [{}, OUTSIDE, OUTSIDE, INVERTED, {}, INVERTED, {"encoded": [b"no picture"]}, {}]
    counts, found = chosen(tmp_path, broken_files, changes, 7)
    assert counts == {"BOX_OUTSIDE": 2, "BOX_INVERTED": 2, "IMAGE_UNREADABLE": 1}
    assert [number for number, _ in found] == [3, 6, 5, 1, 2, 0, 7]
    assert found[0][1] == ["BOX_INVERTED"] and found[-1][1] == []


def test_of_many_records_with_one_fault_others_are_left(tmp_path, broken_files):
    changes = [OUTSIDE] * 20 + [INVERTED]
    counts, found = chosen(tmp_path, broken_files, changes, 3)
    assert counts["BOX_OUTSIDE"] == 20
    assert [number for number, _ in found] == [20, 0, 1]


def test_classes_that_the_label_map_lacks(tmp_path, broken_files):
    changes = [{}, {"text": [b"sqaure"]}, {"text": None, "label": [7]}]
    counts, found = chosen(tmp_path, broken_files, changes[1:], 9, LABELS)
    assert counts == {"CLASS_TEXT_UNKNOWN": 1, "CLASS_ID_OUTSIDE": 1}
    assert [codes for _, codes in found] == [["CLASS_ID_OUTSIDE"], ["CLASS_TEXT_UNKNOWN"]]


def test_copies_are_found_in_other_files(tmp_path, broken_files):
    for name in "ab":
        (tmp_path / name).write_bytes(broken_files.records([broken_files.example(3)]))
    shards = make_shards([str(tmp_path / name) for name in "ab"], None, masks=False)
    _, counts, found = choose(shards, 9, lambda text: None)
    assert counts == {"IMAGE_TWICE": 1, "SOURCE_ID_TWICE": 1}
    assert found[0].path.endswith("b") and found[1].faults == ()
    assert found[0].faults[0].detail == f"record 0 of {tmp_path / 'a'}"


def test_others_come_from_all_over(tmp_path, broken_files):
    _, found = chosen(tmp_path, broken_files, [{}] * 90, 3)
    assert [number for number, _ in found] == [15, 45, 75]


def test_a_damaged_file_is_shown_up_to_there(tmp_path, broken_files):
    path = tmp_path / "x.record"
    path.write_bytes(broken_files.set_of(3)[:-5])
    shards = make_shards([str(path)], None, masks=False)
    scan, _, found = choose(shards, 9, lambda text: None)
    assert len(found) == 2 and "record 2 " in str(scan.damage[0])
    path.write_bytes(b"no records at all")
    with pytest.raises(SourceError, match="no record's header"):
        choose(shards, 9, lambda text: None)


@pytest.mark.parametrize(
    "text, label, shown",
    [
        (b"square", 1, ("square", 2)),
        (b"sqaure", 1, ("sqaure?", None)),
        (None, 1, ("circle", 1)),
        (None, 9, ("id 9?", None)),
        (None, None, ("no class", None)),
    ],
)
def test_a_class_is_the_one_that_the_decoder_takes(text, label, shown):
    assert Namer(LABELS).name(text, label) == shown
    if shown[1] is None and label is not None:
        assert Namer(None).name(text, label)[1] == label


def test_what_is_drawn_of_a_record():
    size, boxes, classes = annotations.IMAGES[0]
    made = annotations.features(size, boxes, classes)
    made["image/object/mask"] = annotations.texts([b"one", b"two"])
    found = read_content(annotations.example(made), Namer(None))
    assert [one.name for one in found.shapes] == list(classes)
    assert all(one.sound for one in found.shapes)
    assert (found.encoded, found.masks) == (b"\xff\xd8 no picture", (b"one", b"two"))
    assert read_content(b"\xff\xff", Namer(None)) == (b"", (), ())
