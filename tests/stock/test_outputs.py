"""What the stock graph predicts on the same pictures, with the source's and the new weights."""

import glob
import os

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import judging
import tensorflow.compat.v1 as tf

from graphfix.detectors import coco

COCO = {label.display_name: label.id for label in coco.LABEL_MAP.labels}
ANCHORS = 1917
BOXES = "predict/box_encodings"
LOGITS = "predict/class_predictions_with_background"


def _shuffled():
    """All of COCO's classes in another order, with forty new ones in between."""
    names = sorted(COCO, key=lambda name: name[::-1]) + [f"new {number}" for number in range(40)]
    return [names[number] for number in np.random.RandomState(0).permutation(len(names))]


# Conversion: names of the new classes in order, and flags.
CASES = {
    "three": (["widget", "person", "tiger"], ["--map", "tiger=cat"]),
    "two": (["dog", "person"], []),
    "reordered": (sorted(COCO, reverse=True), []),
    "grown": (_shuffled(), []),
    "averaged": (["pet", "person"], ["--map", "pet=cat+dog+horse"]),
}
MADE_OF = {"tiger": ["cat"], "pet": ["cat", "dog", "horse"]}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The four demo pictures, as one array in a file."""
    path = str(tmp_path_factory.mktemp("pictures") / "demo.npy")
    np.save(
        path,
        np.stack(
            judging.decode(
                open(name, "rb").read()
                for name in sorted(glob.glob(os.path.join(judging.RECORDS, "demo_*.jpg")))
            )
        ),
    )
    return path


def outputs(python, directories, pictures, scratch):
    """Box encodings and logits of several models."""
    jobs = [
        (
            python,
            judging.job(
                one,
                "raw_outputs",
                image=pictures,
                detections=False,
                tensors=[BOXES, LOGITS],
                output=str(scratch / (f"{number}.npz")),
            ),
        )
        for number, one in enumerate(directories)
    ]
    judging.ask(jobs)
    return [dict(np.load(job["output"])) for _, job in jobs]


@pytest.fixture(scope="module")
def published(replica, stock_python, pictures, tmp_path_factory):
    """{case: outputs} for every case, and for the source as "source"."""
    top = tmp_path_factory.mktemp("outputs")
    directories = [replica]
    for case, (names, flags) in CASES.items():
        labels = judging.write_labels(top / (case + ".pbtxt"), names)
        directories.append(
            judging.convert(
                replica, top / case, "--label_map_path", labels, "--target_api", "2019-07", *flags
            )
        )
    found = outputs(stock_python("2019-07"), directories, pictures, top)
    assert found[0][LOGITS].shape == (4, ANCHORS, 91)
    return dict(zip(["source"] + list(CASES), found))


@pytest.mark.parametrize("case", sorted(CASES))
def test_box_encodings_are_bitwise_the_same(case, published):
    # Catches: any tensor before the heads, or of the box heads, that changed by a bit.
    boxes = published[case][BOXES]
    assert boxes.shape[1] == ANCHORS and boxes.any()
    assert boxes.tobytes() == published["source"][BOXES].tobytes()


@pytest.mark.parametrize("case", sorted(CASES))
def test_logits_of_carried_classes_are_the_same(case, published):
    # Catches: channels in another order, classes off by one, the background lost, a mean that is
    # none.  Logits are linear in the weights, so an averaged class has the mean of the logits.
    # On the machine this was written on, all but the averaged are equal bit for bit; a processor
    # that sums a product of other dimensions in another order may differ in the last places.
    names = CASES[case][0]
    before, after = published["source"][LOGITS], published[case][LOGITS]
    assert after.shape == (4, ANCHORS, len(names) + 1)
    assert np.abs(after[..., 0] - before[..., 0]).max() <= 1e-5
    carried = 0
    for slot, name in enumerate(names, start=1):
        made_of = MADE_OF.get(name) or [name] * (name in COCO)
        if made_of:
            expected = np.mean([before[..., COCO[one]] for one in made_of], 0, np.float64)
            assert np.abs(after[..., slot] - expected).max() <= 1e-5, name
            carried += 1
    assert carried == {"three": 2, "two": 2, "reordered": 80, "grown": 80, "averaged": 2}[case]


NEW_ROWS = ("prior", "mean", "random", "zero")


@pytest.fixture(scope="module")
def scores(stock_python, tmp_path_factory):
    """Mean scores on pictures: {new_rows: the new class's}, and of each class of the source."""
    top = tmp_path_factory.mktemp("scores")
    record = tf.python_io.tf_record_iterator(os.path.join(judging.RECORDS, "val.record"))
    features = [
        tf.train.Example.FromString(one).features.feature for one, _ in zip(record, range(40))
    ]
    np.save(
        str(top / "val.npy"),
        np.stack(
            judging.decode(feature["image/encoded"].bytes_list.value[0] for feature in features)
        ),
    )
    labels = judging.write_labels(top / "labels.pbtxt", ["blob", "ring"])
    directories = [judging.DETECTOR] + [
        judging.convert(
            judging.DETECTOR,
            top / new_rows,
            "--label_map_path",
            labels,
            "--source_label_map_path",
            judging.DETECTOR_LABELS,
            "--new_rows",
            new_rows,
            "--target_api",
            "2019-07",
        )
        for new_rows in NEW_ROWS
    ]
    found = outputs(stock_python("2019-07"), directories, str(top / "val.npy"), top)
    means = [(1 / (1 + np.exp(-one[LOGITS].astype(np.float64)))).mean(axis=(0, 1)) for one in found]
    return dict(zip(NEW_ROWS, (one[1] for one in means[1:]))), means[0][1:]


def test_new_classes_start_quiet(scores):
    # Catches: a bias that is not set, or is the background's, or noise of the wrong size.
    new, old = scores
    assert len(old) == 8
    # The prior is a score of 0.01, about which noise moves it.
    assert 0.005 < new["prior"] < 0.02
    # The old classes' mean scores, 0.0015 to 0.003 here, are mostly those of the objects they find;
    # a new class finds nothing and must be below, but by less than two orders of magnitude.
    assert old.mean() / 100 < new["mean"] < old.mean()
    # So these flood a picture with detections until training has silenced them.
    assert new["random"] > 100 * old.mean()
    assert new["zero"] == 0.5
