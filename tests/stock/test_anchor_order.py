"""A model of before 2017-11, whose anchors lie in another order: in the stock graph of today every
anchor has the boxes and the logits that it had in the model's own graph."""

import os
import shutil
import subprocess

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import cells
import judging
import thorough

from graphfix.stock_api import runner

ORACLE = os.path.join(judging.HERE, "old_order_oracle.py")
SIDE = 160
PREDICTED = ("anchors", "box_encodings", "class_predictions_with_background")
# No two anchors have logits as near as that.
DISTINCT = 1e-3


def oracle(python, *arguments):
    subprocess.run(
        [python, ORACLE] + [str(one) for one in arguments],
        env=dict(os.environ, PYTHONPATH=os.path.dirname(runner.WORKER)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        timeout=judging.SECONDS,
    )


def decode(codes, anchors):
    """Boxes in float64, by the Faster R-CNN coder with its usual scales."""
    codes, anchors = (array.reshape(-1, 4).astype(np.float64) for array in (codes, anchors))
    sizes = anchors[:, 2:] - anchors[:, :2]
    centres = codes[:, :2] / 10 * sizes + (anchors[:, :2] + anchors[:, 2:]) / 2
    half = np.exp(codes[:, 2:] / 5) * sizes / 2
    return np.concatenate([centres - half, centres + half], -1)


def sorted_by_anchor(anchors, *others):
    """Everything in the order of the anchors' places and shapes, which no two anchors share."""
    rounded = np.round(anchors.astype(np.float64), 5) + 0.0
    order = np.lexsort(rounded.T)
    assert len(np.unique(rounded, axis=0)) == len(anchors)
    return [one[order] for one in (anchors, *others)]


def worst(found, wanted):
    """The largest differences of logits and boxes, anchor by anchor."""
    found, wanted = sorted_by_anchor(*found), sorted_by_anchor(*wanted)
    np.testing.assert_allclose(found[0], wanted[0], rtol=0, atol=1e-5)
    return [float(np.abs(one - other).max()) for one, other in zip(found[1:], wanted[1:])]


def of_graph(npz):
    with np.load(npz) as found:
        return found["anchors"], found["logits"], found["boxes"]


def of_stock(python, image, directories):
    """What the stock graphs give that are built from directories' configs and checkpoints."""
    names = ["predict/" + name for name in PREDICTED]
    jobs = [
        judging.job(
            one, "raw_outputs", image=image, detections=False, output=one + ".npz", tensors=names
        )
        for one in directories
    ]
    judging.ask([(python, one) for one in jobs])
    for one in jobs:
        with np.load(one["output"]) as found:
            anchors, codes, logits = (found[name] for name in names)
        yield anchors, logits.reshape(len(anchors), -1), decode(codes, anchors)


@pytest.fixture(scope="module")
def old(stock_python, small_weights, tmp_path_factory):
    """(directory of an export in the old order, an image, what its graph gives)."""
    top = tmp_path_factory.mktemp("old")
    python = stock_python("2019-07")
    config = os.path.join(os.path.dirname(small_weights), "pipeline.config")
    image, npz = str(top / "image.npy"), str(top / "source.npz")
    np.save(image, np.random.RandomState(0).randint(0, 256, (SIDE, SIDE, 3)).astype(np.uint8))
    oracle(python, "export", config, small_weights, top / "exported", image, npz)
    return str(top / "exported"), image, of_graph(npz)


def only(source, directory, *names):
    """A directory with some of a source's files."""
    os.makedirs(str(directory))
    for name in os.listdir(source):
        if name.startswith(names):
            shutil.copy(os.path.join(source, name), str(directory))
    return str(directory)


CHECKPOINT = ("model.ckpt.data", "model.ckpt.index", "pipeline.config")
SOURCES = (
    ("meta", CHECKPOINT + ("model.ckpt.meta",), ()),
    ("frozen alone", ("frozen",), ()),
    ("frozen beside", CHECKPOINT + ("frozen",), ()),
    ("option", CHECKPOINT, ("--source_api", "2017-10")),
)


@pytest.mark.parametrize(
    "name, files, flags", thorough.cases(SOURCES[1:2], SOURCES[:1] + SOURCES[2:])
)
def test_every_anchor_keeps_its_boxes_and_logits(name, files, flags, old, stock_python, tmp_path):
    exported, image, wanted = old
    source = only(exported, tmp_path / "source", *files)
    keep = ["--num_classes", "3", "--map", "1=1", "--map", "2=2", "--map", "3=3"]
    out = judging.convert(source, tmp_path / "out", *keep, *flags)
    python = stock_python("2019-07")
    same = only(exported, tmp_path / "same", *CHECKPOINT)
    found, mispaired = of_stock(python, image, (out, same))
    assert max(worst(found, wanted)) <= cells.TOLERANCE
    # Left out, the permutation is missed.
    assert worst(mispaired, wanted)[0] > DISTINCT
    if "frozen" in files:
        graph = os.path.join(out, "frozen_inference_graph.pb")
        oracle(python, "run", graph, image, tmp_path / "graph.npz")
        assert max(worst(of_graph(str(tmp_path / "graph.npz")), wanted)) <= cells.TOLERANCE
