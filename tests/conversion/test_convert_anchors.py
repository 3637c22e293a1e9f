"""convert --anchors on a tiny detector: decoded boxes stay, with the coder's formula as the
judge."""

import builders
import numpy as np
import pytest

ANCHORS = """
ssd_anchor_generator {
  num_layers: 6
  min_scale: 0.15
  max_scale: 0.9
  aspect_ratios: [1.0, 2.0, 0.5, 3.0, 0.3333%s]
}
"""
RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333)


def shapes(low, high, ratios):
    """(height, width) of each map's anchors, by the generator's formula written out again."""
    scales = [low + (high - low) * layer / 5 for layer in range(6)] + [1.0]
    out = []
    for layer in range(6):
        pairs = [(scales[layer], ratio) for ratio in ratios]
        pairs.append((np.sqrt(scales[layer] * scales[layer + 1]), 1.0))
        if layer == 0:
            pairs = [(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)]
        out.append(np.array([(s / np.sqrt(r), s * np.sqrt(r)) for s, r in pairs]))
    return out


def decoded(tensors, number, sizes, features):
    """Boxes around a cell's middle: (y, x, height, width) for each feature vector and anchor."""
    scope = f"BoxPredictor_{number}/BoxEncodingPredictor/"
    kernel = tensors[scope + "weights"].astype(np.float64)[0, 0]
    codes = (features @ kernel + tensors[scope + "biases"]).reshape(len(features), -1, 4)
    return np.concatenate([codes[..., :2] / 10 * sizes, np.exp(codes[..., 2:] / 5) * sizes], -1)


@pytest.fixture
def anchors(tmp_path):
    def write(extra=""):
        return builders.write(tmp_path, "anchors.pbtxt", ANCHORS % extra)

    return write


@pytest.mark.parametrize("extra", ["", ", 1.5, 4.0, 0.25"], ids=["as many", "6 to 9"])
def test_boxes_stay_and_classes_go_along(graphfix, model, anchors, tmp_path, extra):
    out = str(tmp_path / "out")
    assert (
        graphfix("convert", model, "--anchors", anchors(extra), "--output_directory", out).code == 0
    )
    before = builders.read_checkpoint(model + "/model.ckpt")
    after = builders.read_checkpoint(out + "/model.ckpt")
    ratios = RATIOS + tuple(float(one) for one in extra.replace(",", " ").split())
    old, new = shapes(0.2, 0.95, RATIOS), shapes(0.15, 0.9, ratios)
    rng = np.random.RandomState(0)
    for number in range(6):
        scope = f"BoxPredictor_{number}/"
        features = rng.standard_normal((50, before[scope + "ClassPredictor/weights"].shape[2]))
        was = decoded(before, number, old[number], features)
        now = decoded(after, number, new[number], features)
        # The old anchor of each new one is told by its class rows, which are copied.
        slots = before[scope + "ClassPredictor/biases"].reshape(len(old[number]), -1)
        rows = after[scope + "ClassPredictor/biases"].reshape(len(new[number]), -1)
        sources = [[row.tobytes() for row in slots].index(row.tobytes()) for row in rows]
        assert set(sources) == set(range(len(old[number])))
        np.testing.assert_allclose(now, was[:, sources], rtol=0, atol=2e-6)


def test_fewer_anchors_keep_the_best_matching_and_say_so(graphfix, model, tmp_path):
    path = builders.write(tmp_path, "anchors.pbtxt", ANCHORS.replace(", 3.0, 0.3333%s", ""))
    out = str(tmp_path / "out")
    done = graphfix("convert", model, "--anchors", path, "--output_directory", out)
    assert done.code == 0 and "have no successor" in done.err
    after = builders.read_checkpoint(out + "/model.ckpt")
    assert after["BoxPredictor_1/BoxEncodingPredictor/biases"].shape == (4 * 4,)
    assert after["BoxPredictor_0/BoxEncodingPredictor/biases"].shape == (3 * 4,)


def test_classes_and_anchors_in_one_conversion(graphfix, model, anchors, tmp_path):
    out = str(tmp_path / "out")
    assert (
        graphfix(
            "convert",
            model,
            "--anchors",
            anchors(),
            "--num_classes",
            "2",
            "--map",
            "1=dog",
            "--map",
            "2=cat",
            "--output_directory",
            out,
        ).code
        == 0
    )
    both = builders.read_checkpoint(out + "/model.ckpt")
    config = open(out + "/pipeline.config").read()
    assert "num_classes: 2" in config and "min_scale: 0.15" in config
    # The same in two steps.
    half, whole = str(tmp_path / "half"), str(tmp_path / "whole")
    assert graphfix("convert", model, "--anchors", anchors(), "--output_directory", half).code == 0
    assert (
        graphfix(
            "convert",
            half,
            "--num_classes",
            "2",
            "--map",
            "1=dog",
            "--map",
            "2=cat",
            "--output_directory",
            whole,
        ).code
        == 0
    )
    steps = builders.read_checkpoint(whole + "/model.ckpt")
    assert sorted(both) == sorted(steps)
    for name in both:
        assert both[name].tobytes() == steps[name].tobytes(), name


def test_the_same_anchors_change_nothing(graphfix, model, tmp_path):
    path = builders.write(
        tmp_path,
        "anchors.pbtxt",
        ANCHORS.replace("%s", "").replace("0.15", "0.2").replace("0.9\n", "0.95\n"),
    )
    out = str(tmp_path / "out")
    assert graphfix("convert", model, "--anchors", path, "--output_directory", out).code == 0
    before = builders.read_checkpoint(model + "/model.ckpt")
    after = builders.read_checkpoint(out + "/model.ckpt")
    assert all(
        after[name].tobytes() == before[name].tobytes() for name in before if name != "global_step"
    )


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "has no anchor generator"),
        ("ssd_anchor_generator {", "the block that opens here is not closed"),
        ("ssd_anchor_generator { num_layer: 6 }", "num_layer"),
        ("ssd_anchor_generator { num_layers: 5 aspect_ratios: 1 }", "for 5 feature maps"),
        ("ssd_anchor_generator { num_layers: 1 aspect_ratios: 1 }", "cannot be built"),
        ("grid_anchor_generator { scales: 1 aspect_ratios: 1 }", "for 1 feature maps"),
        ("multiscale_anchor_generator { min_level: 3 max_level: 8 aspect_ratios: 1 }", "strides"),
    ],
)
def test_anchors_that_do_not_fit_are_refused(graphfix, model, tmp_path, text, words):
    path = builders.write(tmp_path, "anchors.pbtxt", text)
    done = graphfix("convert", model, "--anchors", path, "--output_directory", tmp_path / "out")
    assert done.code == 3 and words in done.err
    assert not (tmp_path / "out").exists()
