"""What convert writes, read by TensorFlow: values, channel by channel, and the state files."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import judging
import replica as replicas
import tensorflow.compat.v1 as tf

# The published model's anchors at each location and depth, feature map by feature map.
ANCHORS = (3, 6, 6, 6, 6, 6)
DEPTHS = (512, 1024, 512, 256, 256, 128)
SLOTS = 91

# The new slots (background, then ids 1 to 3) and the published slots they are made of.
NAMES = ("widget", "person", "tiger")
PERSON, CAT = 1, 17  # COCO's ids
CARRIED = {0: 0, 2: PERSON, 3: CAT}
NEW = 1


@pytest.fixture(scope="module")
def converted(replica, tmp_path_factory):
    """Functions of a trainer: the directory converted for it."""
    top = tmp_path_factory.mktemp("converted")
    labels = judging.write_labels(top / "labels.pbtxt", NAMES)
    return {
        trainer: judging.convert(
            replica,
            top / trainer,
            "--label_map_path",
            labels,
            "--map",
            "tiger=cat",
            "--trainer",
            trainer,
            "--target_api",
            "2019-07",
        )
        for trainer in ("model_main", "any")
    }


@pytest.fixture(scope="module")
def source(replica):
    return judging.tensors(os.path.join(replica, "model.ckpt"))


@pytest.fixture(scope="module")
def written(converted):
    return judging.tensors(os.path.join(converted["model_main"], "model.ckpt"))


def class_predictors():
    return {
        f"BoxPredictor_{number}/ClassPredictor/{leaf}": anchors
        for number, anchors in enumerate(ANCHORS)
        for leaf in ("weights", "biases")
    }


def test_only_what_must_change_changes(source, written):
    # Catches: a tensor lost, added or renamed, and one byte of a kept tensor.
    assert len(written) == 200 and set(written) == set(source)
    changed = {
        name
        for name in source
        if written[name].dtype != source[name].dtype
        or written[name].shape != source[name].shape
        or written[name].tobytes() != source[name].tobytes()
    }
    assert changed == set(class_predictors()) | {"global_step"}


def test_global_step_is_int64_zero(source, written):
    # Catches: a step carried over, with which the Estimator trains not at all, and a wrong type.
    assert source["global_step"] == replicas.STEP
    assert written["global_step"] == 0
    assert written["global_step"].dtype == np.int64 and written["global_step"].shape == ()


def test_shapes_of_the_class_heads(written):
    # Catches: a head forgotten, the background forgotten, and anchors miscounted.
    for number, (anchors, depth) in enumerate(zip(ANCHORS, DEPTHS)):
        head = f"BoxPredictor_{number}/ClassPredictor/"
        assert written[head + "weights"].shape == (1, 1, depth, anchors * 4)
        assert written[head + "biases"].shape == (anchors * 4,)
    assert ANCHORS[0] * 4 == 12 and ANCHORS[1] * 4 == 24


def test_carried_channels_are_the_sources(source, written):
    # Catches: channels in slot-major order, classes off by one, background taken for a class.
    for name, anchors in class_predictors().items():
        for anchor in range(anchors):
            for slot, published in CARRIED.items():
                got = written[name][..., anchor * 4 + slot]
                want = source[name][..., anchor * SLOTS + published]
                assert got.tobytes() == want.tobytes(), (name, anchor, slot)


def test_new_channels_are_noise_about_a_score_of_a_hundredth(written):
    # Catches: new rows left 0 or copied, one noise for all anchors or maps, a wrong deviation or
    # bias.
    seen = set()
    everything = []
    for name, anchors in class_predictors().items():
        for anchor in range(anchors):
            drawn = written[name][..., anchor * 4 + NEW]
            if name.endswith("biases"):
                np.testing.assert_allclose(1 / (1 + np.exp(-drawn.astype(float))), 0.01, rtol=1e-6)
            else:
                everything.append(drawn.ravel())
                seen.add(drawn.tobytes()[:400])
    everything = np.concatenate(everything)
    assert len(seen) == sum(ANCHORS)
    assert len(everything) == sum(a * d for a, d in zip(ANCHORS, DEPTHS))
    # stddev 0.03 in the published config; TensorFlow redraws what lies beyond two of them, which
    # leaves 0.8796 of the deviation.  15,000 numbers tell it to about 0.6 %.
    assert np.abs(everything).max() <= 0.06001
    assert everything.std() == pytest.approx(0.03 * 0.8796, rel=0.03)
    assert abs(everything.mean()) < 0.001


def test_moving_averages_are_copies(source, written, converted):
    # Catches: copies of the source's head instead of the new one, and copies of statistics.
    complete = judging.tensors(os.path.join(converted["any"], "model.ckpt"))
    suffix = "/ExponentialMovingAverage"
    assert {name for name in complete if not name.endswith(suffix)} == set(written)
    trained = {
        name
        for name in written
        if name != "global_step" and not name.endswith(("moving_mean", "moving_variance"))
    }
    assert {name[: -len(suffix)] for name in complete if name.endswith(suffix)} == trained
    for name in trained:
        assert complete[name + suffix].tobytes() == written[name].tobytes()
        assert complete[name].tobytes() == written[name].tobytes()


@pytest.fixture
def resumable(tmp_path):
    judging.convert(
        judging.DETECTOR,
        tmp_path / "out",
        "--source_label_map_path",
        judging.DETECTOR_LABELS,
        "--label_map_path",
        judging.write_labels(tmp_path / "labels.pbtxt", ("ring", "star")),
        "--model_dir",
        tmp_path / "model_dir",
        "--target_api",
        "2021-06",
    )
    return tmp_path


@pytest.mark.parametrize("name, prefix", [("out", "model.ckpt"), ("model_dir", "model.ckpt-0")])
def test_the_state_file_names_the_checkpoint(resumable, name, prefix):
    # Catches: a state file TensorFlow cannot parse, and a path that a move or a mount breaks.
    directory = str(resumable / name)
    assert tf.train.latest_checkpoint(directory) == os.path.join(directory, prefix)
    moved = shutil.move(directory, str(resumable / "moved elsewhere"))
    latest = tf.train.latest_checkpoint(moved)
    assert latest == os.path.join(moved, prefix)
    assert judging.tensors(latest)["global_step"] == 0


@pytest.fixture(scope="module")
def oldest(image_python, tmp_path_factory):
    """The image's CPython 3.6 and a directory with what graphfix needs beside the image's own."""
    packages = str(tmp_path_factory.mktemp("packages"))
    done = subprocess.run(
        [
            image_python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            packages,
            "dataclasses==0.8",
            "crc32c==2.2.post0",
            "Jinja2==3.0.3",
            "MarkupSafe==2.0.1",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        pytest.skip("pip could not install: " + done.stdout.decode(errors="replace")[-500:])
    return image_python, packages


@pytest.fixture(scope="module")
def newest(fast_python):
    return fast_python, ""


def written_by(python, packages, directory, hash_seed):
    """(version of that Python, {file: bytes}) of one and the same conversion."""
    directory.mkdir()
    labels = judging.write_labels(
        directory.parent / "labels.pbtxt", ("ring", "disc", "blob", "cross")
    )
    environment = dict(
        os.environ,
        PYTHONHASHSEED=hash_seed,
        PYTHONPATH=os.pathsep.join([os.path.join(judging.HERE, "..", ".."), packages]),
    )
    wrote = {}
    for new_rows in ("prior", "mean", "random", "zero"):
        out = directory / new_rows
        subprocess.run(
            [
                python,
                "-m",
                "graphfix",
                "convert",
                judging.DETECTOR,
                "--label_map_path",
                labels,
                "--source_label_map_path",
                judging.DETECTOR_LABELS,
                "--map",
                "disc=circle+ring",
                "--new_rows",
                new_rows,
                "--seed",
                "7",
                "--target_api",
                "2019-07",
                "--fine_tune_checkpoint",
                "/mnt/model.ckpt",
                "--output_directory",
                str(out),
            ],
            env=environment,
            check=True,
        )
        wrote.update({(new_rows, path.name): path.read_bytes() for path in out.iterdir()})
    version = subprocess.run(
        [python, "-c", "import sys; print(sys.version_info[:2])"],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return version, wrote


@pytest.mark.parametrize("other", ["oldest", "newest"])
def test_every_python_writes_the_same_bytes(other, request, tmp_path):
    # Catches: a library's random stream or rounding, the order of a set or dict, a time stamp.
    here, expected = written_by(sys.executable, "", tmp_path / "here", "1")
    there, found = written_by(
        *request.getfixturevalue(other), directory=tmp_path / "there", hash_seed="2"
    )
    assert here != there
    assert ("prior", "model.ckpt.index") in found and ("mean", "report.json") in found
    assert {name for name in expected if found.get(name) != expected[name]} == set()
    assert set(found) == set(expected)
