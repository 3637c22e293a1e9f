"""The commands of README.md that need the stock API: verify --stock, and training itself."""

import itertools
import os
import re
import sys

import pytest

tf = pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here").compat.v1

import judging  # noqa: E402
import readme  # noqa: E402

sys.path.insert(0, judging.TESTDATA)
import demo  # noqa: E402


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
        demo.relabel(
            few,
            str(tmp_path / "records" / (split + ".record")),
            (("person", "square"), ("van", "circle"), ("forklift", "star")),
        )
    asked = 0
    for commands, expected in readme.blocks():
        if readme.needs_stock(commands):
            printed = readme.run(commands, tmp_path, environment)
            if expected:
                asked += 1
                # Losses, differences, and how many anchors the model has that is played.
                varying = r"\d[\d.]*\d(?= ->|, all)|(?<=\| )\d[\de-]*|\d+(?= anchors)"
                assert re.sub(varying, "N", printed) == re.sub(varying, "N", expected)
        elif (
            "docker run" not in commands
            and not asked
            and ("graphfix convert" in commands or "cat >" in commands)
        ):
            readme.run(commands, tmp_path, environment)
    assert asked == 1
    for directory, name in (
        ("training", "model.ckpt-1.index"),
        ("training_legacy", "model.ckpt-1.index"),
    ):
        assert os.path.exists(str(tmp_path / directory / name)), os.listdir(
            str(tmp_path / directory)
        )
