"""anchor_fitting/data.py: which boxes count, what they become, and what is said about the rest."""

import annotations
import numpy as np
import pytest
from google.protobuf import text_format

from graphfix.anchor_fitting import data
from graphfix.datasets.boxes import ImageBoxes
from graphfix.errors import SourceError
from graphfix.formats.schema import message_class

NAN, INFINITE = float("nan"), float("inf")
GOOD = (0.1, 0.2, 0.5, 0.4)
BAD = {
    "not a number": [(NAN, 0, 1, 1), (0, 0, INFINITE, 1)],
    "reach out of": [(0, 0, 1.02, 1), (-0.5, 0, 0.5, 1), (10, 20, 100, 200)],
    "inverted": [(0.5, 0, 0.4, 1), (0, 0.9, 1, 0.1)],
    "no area": [(0.5, 0, 0.5, 1), (0, 0.3, 1, 0.3), (1, 0, 1.005, 1)],
}


def collect(stream, resizer, names=None):
    return data.box_set(data.gather(stream, resizer, names or {}), "x.record")


def resizer(text="fixed_shape_resizer { height: 100 width: 200 }"):
    return text_format.Parse(text, message_class("graphfix.pipeline.ImageResizer")())


def image(where, *boxes, size=(50, 80), classes=None):
    return ImageBoxes(where, size, boxes, classes or ["a"] * len(boxes))


def test_boxes_in_pixels_of_the_resized_image():
    found, findings = collect([image("x", GOOD, (0, 0, 1, 1))], resizer())
    np.testing.assert_allclose(found.boxes, [[30, 60, 40, 40], [50, 100, 100, 200]], rtol=1e-6)
    assert found.images.tolist() == [[100, 200]] and not findings and len(found) == 2


def test_padding_moves_no_box():
    keep = "keep_aspect_ratio_resizer { min_dimension: 100 max_dimension: 100 %s }"
    padded, _ = collect([image("x", GOOD)], resizer(keep % "pad_to_max_dimension: true"))
    plain, _ = collect([image("x", GOOD)], resizer(keep % ""))
    assert plain.images.tolist() == [[62, 100]] and padded.images.tolist() == [[100, 100]]
    np.testing.assert_array_equal(padded.boxes, plain.boxes)
    np.testing.assert_allclose(plain.boxes[0, 2:], [0.4 * 62, 0.2 * 100], rtol=1e-6)


def test_images_of_several_sizes():
    found, _ = collect(
        [image("x", GOOD), image("y"), image("z", GOOD, GOOD, size=(300, 10))],
        resizer("identity_resizer {}"),
    )
    assert found.images.tolist() == [[50, 80], [300, 10], [300, 10]]


@pytest.mark.parametrize("words", sorted(BAD))
def test_bad_boxes_are_left_out_and_counted(words):
    bad = BAD[words]
    found, (finding,) = collect(
        [image("first", GOOD), image("second", GOOD, *bad), image("third", *bad)], resizer()
    )
    assert len(found) == 2 and found.skipped == 2 * len(bad)
    np.testing.assert_allclose(found.boxes, [[30, 60, 40, 40]] * 2, rtol=1e-6)
    assert finding.code == "BOXES_SKIPPED" and finding.subject == "second"
    assert f"first of {2 * len(bad)} boxes (of {2 + 2 * len(bad)})" in finding.message
    assert words in finding.message and finding.remedy


def test_a_box_is_counted_once():
    """Inverted and without a number: it is without a number."""
    found, findings = collect([image("x", GOOD, (NAN, 0.9, 1, 0.1))], resizer())
    assert len(findings) == 1 and found.skipped == 1


def test_a_box_that_hardly_reaches_out_ends_at_the_edge():
    found, findings = collect([image("x", (-0.005, 0, 1.005, 0.5))], resizer())
    np.testing.assert_allclose(found.boxes, [[50, 50, 100, 100]], rtol=1e-6)
    assert not findings


def test_only_bad_boxes_are_refused():
    with pytest.raises(SourceError) as caught:
        collect([image("x", *BAD["inverted"]), image("y", *BAD["no area"])], resizer())
    (problem,) = caught.value.problems
    assert problem.subject == "x" and "first of 5 boxes" in problem.message
    assert "inverted or have no area" in problem.message


@pytest.mark.parametrize("stream", [[], [image("x"), image("y")]])
def test_no_boxes_at_all_are_refused(stream):
    with pytest.raises(SourceError) as caught:
        collect(stream, resizer())
    assert "x.record: has no image with a box" in str(caught.value)


def test_an_image_without_its_size():
    found, _ = collect([image("x", GOOD, size=None)], resizer())
    assert len(found) == 1
    with pytest.raises(SourceError) as caught:
        collect([image("x", GOOD, size=None)], resizer("identity_resizer {}"))
    assert caught.value.problems[0].subject == "x" and "identity_resizer" in str(caught.value)


def test_classes():
    found, _ = collect(
        [image("x", GOOD, GOOD, GOOD, GOOD, GOOD, classes=["b", 7, 8, None, "b"])],
        resizer(),
        names={7: "seven"},
    )
    assert [found.names[one] for one in found.classes] == ["b", "seven", "id 8", "(no class)", "b"]


def test_pieces_make_no_difference(monkeypatch):
    random = np.random.RandomState(0)
    stream = [
        image(
            f"{number}",
            *[tuple(box) for box in np.sort(random.rand(4, 2, 2), 1).reshape(4, 4)],
            size=(50 + number, 70),
        )
        for number in range(40)
    ]
    stream[3] = image("3", *BAD["inverted"])
    keep = resizer("keep_aspect_ratio_resizer {}")
    whole, findings = collect(stream, keep)
    monkeypatch.setattr(data, "_CHUNK", 5)
    parts, others = collect(stream, keep)
    for name in ("boxes", "images", "classes"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    assert findings == others and len(whole) == 156


def test_spellings_of_unicode_are_one_class():
    found, _ = collect(
        [image("x", GOOD, GOOD, classes=["Schl\u00fcssel", "Schlu\u0308ssel"])], resizer()
    )
    assert found.names == ("Schl\u00fcssel",) and found.classes.tolist() == [0, 0]


def test_boxes_of_a_picture_are_together():
    """Whether its boxes come together or, as from a table, one by one."""
    images = [
        image("x", GOOD, GOOD),
        image("x", GOOD)._replace(picture="a.jpg"),
        image("x", GOOD)._replace(picture="b.jpg"),
        image("x", GOOD)._replace(picture="a.jpg"),
        image("x", GOOD),
    ]
    found, _ = collect(images, resizer())
    assert found.image_of.tolist() == [0, 0, 1, 2, 1, 3]
    assert found.part(slice(3, 5)).image_numbers.tolist() == [2, 1]


def test_pictures_are_told_apart_in_every_kind_of_file(tmp_path):
    (tmp_path / "xml").mkdir()
    for name, content in {
        "x.record": annotations.tfrecord(),
        "x.json": annotations.coco(),
        "x.csv": annotations.table(),
        "xml/0.xml": annotations.voc(annotations.IMAGES[0]),
        "xml/2.xml": annotations.voc(annotations.IMAGES[2]),
    }.items():
        (tmp_path / name).write_bytes(content)
    for name in ("x.record", "x.json", "x.csv", "xml"):
        found, _ = collect(annotations.read_boxes([str(tmp_path / name)]), resizer())
        one, same, other = found.image_of
        assert one == same != other, name
