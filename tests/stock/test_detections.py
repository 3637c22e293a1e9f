"""The trained detector on its validation pictures, before and after conversion, untrained."""

import json
import os

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import judging

RECORD = os.path.join(judging.RECORDS, "val.record")
# Reordered, one of them under another name, and a new one in between.
NAMES = ("crescent", "new", "disc", "ring", "square")
WAS = {"crescent": "crescent", "disc": "circle", "ring": "ring", "square": "square"}


@pytest.fixture(scope="module")
def found(stock_python, tmp_path_factory):
    """Results of the stock evaluator: the source's and the converted model's."""
    top = tmp_path_factory.mktemp("detections")
    out = judging.convert(
        judging.DETECTOR,
        top / "out",
        "--label_map_path",
        judging.write_labels(top / "labels.pbtxt", NAMES),
        "--source_label_map_path",
        judging.DETECTOR_LABELS,
        "--map",
        "disc=circle",
        "--target_api",
        "2019-07",
    )
    # The records call it by its old name.
    names = [WAS.get(name, name) for name in NAMES]
    python = stock_python("2019-07")
    return judging.ask(
        [
            (
                python,
                judging.job(
                    judging.DETECTOR, "evaluate", record=RECORD, label_map=judging.DETECTOR_LABELS
                ),
            ),
            (
                python,
                judging.job(
                    out,
                    "evaluate",
                    record=RECORD,
                    label_map=judging.write_labels(top / "old.pbtxt", names),
                    class_ids=[names.index(name) + 1 for name in WAS.values()],
                ),
            ),
        ]
    )


def test_the_source_is_the_detector_that_was_trained(found):
    # Catches: an evaluation that measures something else than the exported graph did.
    with open(os.path.join(judging.DETECTOR, "figures.json")) as file:
        figures = json.load(file)["val_committed"]
    assert found[0]["images"] == figures["pictures"]
    assert found[0]["map"] == pytest.approx(figures["map_at_50"], abs=0.005)
    assert found[0]["map"] > 0.9
    # NMS keeps at most 100 a picture, over all classes: with as few as these it never cuts, or what
    # is found of one class would depend on how many others there are.
    assert figures["most_detections_in_a_picture"] < 100


def test_carried_classes_are_detected_as_before(found):
    # Catches: class channels mixed up in a way that single logits do not show (labels, ids, the
    # score converter or NMS of the emitted config).  Equal exactly: the scores and boxes are.
    source, converted = found
    assert converted["ap"] == {name: source["ap"][name] for name in WAS.values()}
    assert all(ap > 0.85 for ap in converted["ap"].values())
