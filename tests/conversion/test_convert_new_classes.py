"""convert: what the rows of new classes start from."""

import os

import builders
import numpy as np
import pytest
import repository
from conversions import API, TARGET, heads, same, slot


def mean(value, anchors, slots):
    rows = [slot(value, anchors, number).astype(np.float64) for number in slots]
    return (sum(rows[1:], rows[0]) / len(rows)).astype(value.dtype)


SOFTMAX = builders.CONFIG.replace("weighted_sigmoid", "weighted_softmax").replace(
    "SIGMOID", "SOFTMAX"
) % {"classes": 4}


@pytest.mark.parametrize("rule", ["prior", "prior, softmax", "mean", "random", "zero"])
def test_new_rows_start_by_the_rule(model, converted, tmp_path, rule):
    flags = () if rule.startswith("prior") else ("--new_rows", rule)
    source = builders.write_model(tmp_path / "m", config=SOFTMAX) if "softmax" in rule else model
    _, after = converted(source, TARGET, *flags)
    before = builders.values(4)
    drawn = []
    for name, anchors in heads():
        fresh = slot(after[name], anchors, 2)
        average = mean(before[name], anchors, (1, 2, 3, 4))
        if name.endswith("weights") and rule in ("prior", "prior, softmax", "random"):
            # Noise is drawn around nothing, or around the mean of the source's classes.
            drawn.append((fresh - average if "softmax" in rule else fresh).ravel())
        elif name.endswith("biases") and rule == "prior":
            np.testing.assert_allclose(1 / (1 + np.exp(-fresh)), 0.01, rtol=1e-6)
        elif rule in ("prior, softmax", "mean"):
            assert same(fresh, average), name
        else:
            assert not fresh.any()
    if drawn:
        drawn = np.concatenate(drawn)
        # The config's initializer: a normal of 0.03, truncated at two standard deviations.
        assert len(set(drawn.tolist())) > 900
        assert np.abs(drawn).max() <= 0.060001 and 0.024 < drawn.std() < 0.029


@pytest.mark.parametrize(
    "initializer, bound, deviation",
    [
        ("truncated_normal_initializer { mean: 0.5 stddev: 0.1 }", (0.3, 0.7), 0.0888),
        ("random_normal_initializer { stddev: 0.2 }", (-1, 1), 0.2),
        # On map 1, 64 channels come in; a uniform distribution's half width is sqrt(3 * 2 / 64).
        (
            "variance_scaling_initializer { factor: 2 uniform: true mode: FAN_IN }",
            (-0.3062, 0.3062),
            0.1768,
        ),
    ],
)
def test_noise_is_of_the_configs_own_initializer(
    converted, tmp_path, initializer, bound, deviation
):
    head, tail = builders.CONFIG.split("convolutional_box_predictor")
    config = (
        head
        + "convolutional_box_predictor"
        + tail.replace("truncated_normal_initializer { stddev: 0.03 }", initializer, 1)
    )
    source = builders.write_model(tmp_path / "m", config=config % {"classes": 4})
    _, after = converted(
        source, ["ape", "bee", "cow", "doe", "elk", "fox", "gnu", "hen"], "--new_rows", "random"
    )
    value = np.concatenate(
        [
            slot(after["BoxPredictor_1/ClassPredictor/weights"], 6, number).ravel()
            for number in range(1, 9)
        ]
    )
    assert bound[0] <= value.min() and value.max() <= bound[1]
    assert abs(value.std() / deviation - 1) < 0.05


@pytest.mark.slow
def test_other_seeds_draw_other_rows_and_the_same_seed_the_same(model, converted):
    name = "BoxPredictor_3/ClassPredictor/weights"
    rows = [converted(model, TARGET, "--seed", seed)[1][name] for seed in ("0", "1", "0")]
    assert same(rows[0], rows[2]) and not same(rows[0], rows[1])
    # By name, not by place: the same new class has the same rows wherever it stands.
    _, moved = converted(model, ["zebra", "cat"])
    assert same(slot(rows[0], 6, 2), slot(moved[name], 6, 1))


def test_slots_without_a_class_count_in_no_mean(converted, tmp_path):
    """As COCO's: 90 slots for 80 classes; the ten others never learned to be anything."""
    source = builders.write_model(
        tmp_path / "m",
        classes=6,
        names={1: "cat", 3: "dog", 6: "person"},
        config=SOFTMAX.replace("num_classes: 4", "num_classes: 6"),
    )
    for flags in ((), ("--new_rows", "mean")):
        _, after = converted(source, {1: "person", 2: "zebra", 4: "ant"}, *flags)
        before = builders.values(6)
        for name, anchors in heads():
            if name.endswith("biases") or flags:
                average = mean(before[name], anchors, (1, 3, 6))
                assert same(slot(after[name], anchors, 2), average)
                assert same(slot(after[name], anchors, 3), average)
            # A slot that no class has on either side stays as it was.
            assert same(slot(after[name], anchors, 4), average) if flags else True
    _, after = converted(source, {1: "person", 4: "ant"})
    for name, anchors in heads():
        assert same(slot(after[name], anchors, 2), slot(before[name], anchors, 2))


def test_a_class_may_be_made_of_others(model, converted):
    _, after = converted(
        model,
        ["pet", "robot", "person"],
        "--map",
        "pet=cat+dog",
        "--map",
        "robot=person",
        "--map",
        "person=",
    )
    before = builders.values(4)
    for name, anchors in heads():
        assert same(slot(after[name], anchors, 1), mean(before[name], anchors, (1, 2)))
        assert same(slot(after[name], anchors, 2), slot(before[name], anchors, 4))
        assert not same(slot(after[name], anchors, 3), slot(before[name], anchors, 4))


def test_a_number_of_classes_alone_starts_them_new(model, graphfix, tmp_path):
    done = graphfix(
        "convert",
        model,
        "--num_classes",
        "2",
        "--map",
        "2=dog",
        "--output_directory",
        tmp_path / "out",
        *API,
    )
    assert done.code == 0 and "UNNAMED_CLASSES" in done.err
    after = builders.read_checkpoint(str(tmp_path / "out" / "model.ckpt"))
    for name, anchors in heads():
        assert same(slot(after[name], anchors, 2), slot(builders.values(4)[name], anchors, 2))
    with open(str(tmp_path / "out" / "label_map.pbtxt")) as file:
        assert file.read() == builders.label_map(["class_1", "class_2"])


@pytest.mark.parametrize("rule", ["prior", "mean"])
def test_a_new_class_starts_quiet(converted, rule):
    """On the trained detector: the score of a new class, where the features are as they are on
    average, is about one in a hundred, or lies among those of the classes it knows."""
    source = repository.DETECTOR
    _, after = converted(
        source,
        ["circle", "arrow"],
        "--source_label_map_path",
        os.path.join(source, "shapes_label_map.pbtxt"),
        "--new_rows",
        rule,
    )
    before = builders.read_checkpoint(os.path.join(source, "model.ckpt"))
    for number, anchors in enumerate(builders.ANCHORS):
        scope = f"BoxPredictor_{number}/ClassPredictor/"

        def logits(tensors):
            weights, biases = tensors[scope + "weights"], tensors[scope + "biases"]
            return (weights.sum(axis=(0, 1, 2)) * 0.5 + biases).reshape(anchors, -1)

        known, new = logits(before)[:, 1:], logits(after)[:, 2]
        if rule == "prior":
            assert (new < -3).all() and abs(new.mean() + 4.6) < 1
        else:
            assert (new < known.mean(axis=1) + 2).all() and (new < -1).all()
