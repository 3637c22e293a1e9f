"""The commands of README.md that need the stock API: verify --stock, training, export."""

import itertools
import os
import sys

import pytest
import thorough

tf = pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here").compat.v1

import judging  # noqa: E402
import readme  # noqa: E402

sys.path.insert(0, judging.TESTDATA)
from relabel import relabel  # noqa: E402


@thorough.only  # minutes
def test_the_readmes_training(tmp_path):
    environment = readme.place(tmp_path, judging.convert)
    os.mkdir(str(tmp_path / "records"))
    for split in ("train", "val"):
        few = str(tmp_path / "few.record")
        with tf.io.TFRecordWriter(few) as writer:
            for example in itertools.islice(
                tf.io.tf_record_iterator(os.path.join(judging.RECORDS, split + ".record")), 16
            ):
                writer.write(example)
        relabel(
            few,
            str(tmp_path / "records" / (split + ".record")),
            (("person", "square"), ("van", "circle"), ("forklift", "star")),
        )
    printed = ""
    for commands, _ in readme.blocks():
        if readme.needs_stock(commands) or commands.startswith("graphfix inspect"):
            # The model that is played trains a step.
            commands = commands.replace("model.ckpt-20000", "model.ckpt-1")
            printed += readme.run(commands, tmp_path, environment)
    for trainer in ("model_main", "legacy"):
        assert f"{trainer}: restored 199 of 199; 5 steps, loss " in printed
    assert printed.count("outputs equal: ") == 2
    assert os.path.exists(str(tmp_path / "training" / "model.ckpt-1.index"))
    assert os.path.exists(str(tmp_path / "exported" / "frozen_inference_graph.pb"))
    assert (tmp_path / "tflite" / "labels.txt").read_text() == "person\nvan\nforklift\n"
    assert os.path.exists(str(tmp_path / "tflite" / "detect.tflite"))
