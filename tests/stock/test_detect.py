"""The detect job, judged by the graph that the stock exporter froze of the same checkpoint."""

import glob
import os
import sys

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here").compat.v1

import judging  # noqa: E402

from graphfix.cli import command_line  # noqa: E402
from graphfix.report import report as reports  # noqa: E402
from graphfix.stock_api import runner  # noqa: E402

PICTURES = sorted(glob.glob(os.path.join(judging.DETECTOR, "..", "shapes", "demo_*.jpg")))


def frozen_detections(picture):
    """(boxes, scores, classes) that the frozen graph finds."""
    graph_def = tf.GraphDef()
    with open(os.path.join(judging.DETECTOR, "frozen_inference_graph.pb"), "rb") as file:
        graph_def.ParseFromString(file.read())
    with tf.Graph().as_default(), tf.Session() as session, open(picture, "rb") as file:
        image = tf.image.decode_jpeg(file.read(), channels=3)[None]
        found = session.run(
            tf.import_graph_def(
                graph_def,
                {"image_tensor": image},
                [
                    "detection_boxes:0",
                    "detection_scores:0",
                    "detection_classes:0",
                    "num_detections:0",
                ],
            )
        )
    return [one[0, : int(found[3])] for one in found[:3]]


def test_it_finds_what_the_exported_graph_finds():
    result = runner.run_job(
        {
            "verb": "detect",
            "pipeline_config": os.path.join(judging.DETECTOR, "pipeline.config"),
            "checkpoint": os.path.join(judging.DETECTOR, "model.ckpt"),
            "images": PICTURES,
        },
        python=sys.executable,
    )
    assert "error" not in result, result
    assert len(result["detections"]) == len(PICTURES) == 4
    for picture, rows in zip(PICTURES, result["detections"]):
        boxes, scores, classes = frozen_detections(picture)
        assert [row["class_id"] for row in rows] == classes.astype(int).tolist()
        assert len(rows) > 5 and {row["class_id"] for row in rows} <= set(range(1, 9))
        np.testing.assert_allclose([row["box"] for row in rows], boxes, atol=1e-5)
        np.testing.assert_allclose([row["score"] for row in rows], scores, atol=1e-5)


def test_carried_classes_find_what_they_found(tmp_path):
    out = judging.convert(
        judging.DETECTOR,
        tmp_path / "out",
        "--source_label_map_path",
        judging.DETECTOR_LABELS,
        "--label_map_path",
        judging.write_labels(tmp_path / "new.pbtxt", ("donut", "arrow", "star", "triangle")),
        "--map",
        "donut=ring",
        "--target_api",
        "2019-07",
    )
    assert (
        command_line.main(
            [
                "verify",
                out,
                "--stock",
                "--trainer",
                "legacy",
                "--source",
                judging.DETECTOR,
                "--images",
            ]
            + PICTURES
        )
        == 0
    )
    pictures = reports.load(str(out)).pictures
    found = 0
    for one in pictures:
        before = {(row.box, row.score, row.class_id) for row in one.before}
        for new, old in ((1, 6), (3, 4), (4, 3)):
            carried = {(row.box, row.score) for row in one.after if row.class_id == new}
            assert carried == {(box, score) for box, score, number in before if number == old}
            found += len(carried)
        assert not [row for row in one.after if row.class_id == 2 and row.score > 0.3]
    assert found > 10
