"""export opencv, judged by OpenCV beside TensorFlow, on the validation pictures of testdata."""

import re

import pytest
import repository
import shapes_pictures
import thorough

import graphfix


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return shapes_pictures.written(tmp_path_factory.mktemp("pictures"))


def tried(out, opencv, tensorflow, pictures):
    return graphfix.try_with_stock_api(
        out, stock_python=opencv, tf1_python=tensorflow, images=pictures
    )


@pytest.mark.parametrize("major", thorough.cases([4], [5]))
@pytest.mark.parametrize("classes", thorough.cases(["star,circle,ring"], [None]))
def test_detections_are_tensorflows(
    opencv_python, stock_python, pictures, major, classes, tmp_path
):
    out = str(tmp_path / "out")
    options = graphfix.ConvertOptions(**({"classes": classes} if classes else {}))
    graphfix.export("opencv", repository.DETECTOR, out, options)
    found = tried(out, opencv_python(major), stock_python("2019-07"), pictures)
    assert found.complete and found.outputs, found.to_lines()
    assert len(found.details[0]["detections"]) == shapes_pictures.PICTURES
    assert sum(map(len, found.details[0]["detections"])) > shapes_pictures.PICTURES


@thorough.only
@pytest.mark.parametrize(
    "old, new, loud",
    [
        ("float_val: 32.0 ", "float_val: 25.0 ", False),
        (r"(num_classes.*i: )9", r"\g<1>12", True),
        ('op: "Sigmoid"', 'op: "Identity"', False),
    ],
)
def test_what_is_stale_is_seen(opencv_python, stock_python, pictures, old, new, loud, tmp_path):
    """Of a text made by hand: anchors and the score converter differ in silence, classes do not."""
    out = tmp_path / "out"
    graphfix.export("opencv", repository.DETECTOR, str(out))
    text = (out / "graph.pbtxt").read_text()
    assert re.search(old, text)
    (out / "graph.pbtxt").write_text(re.sub(old, new, text))
    asked = (str(out), opencv_python(4), stock_python("2019-07"), pictures[:10])
    if loud:
        with pytest.raises(graphfix.VerificationError):
            tried(*asked)
    else:
        assert not tried(*asked).complete
