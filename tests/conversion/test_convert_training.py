"""convert and training state: moving averages, training checkpoints, model_dir, the step."""

import os

import builders
import numpy as np
import pytest
from conversions import EMA, TARGET, heads, plan, same, slot
from directories import tree


def test_moving_averages_are_copies_for_the_trainer_that_keeps_them(model, converted, tmp_path):
    for trainer in ("any", "legacy"):
        _, after = converted(model, TARGET, "--trainer", trainer)
        averages = [name for name in after if name.endswith(EMA)]
        assert len(averages) == 129
        assert all(same(after[name], after[name[: -len(EMA)]]) for name in averages)
        assert not [name for name in averages if "moving_" in name or "global_step" in name]
    _, after = converted(model, TARGET, "--trainer", "model_main")
    assert len(after) == 200 and not [name for name in after if name.endswith(EMA)]
    config = builders.CONFIG.replace("    rms_prop", "    use_moving_average: false\n    rms_prop")
    source = builders.write_model(tmp_path / "m", config=config % {"classes": 4})
    assert len(converted(source, TARGET)[1]) == 200


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A training checkpoint: RMSProp's slots, moving averages."""
    return builders.write_model(
        tmp_path_factory.mktemp("trained") / "model",
        tensors=builders.trained_state(builders.values(4)),
    )


@pytest.mark.parametrize(
    "evaluates, weights, averaged",
    [(False, "auto", False), (True, "auto", True), (True, "raw", False), (False, "ema", True)],
)
def test_a_training_checkpoint_gives_its_model(converted, tmp_path, evaluates, weights, averaged):
    config = builders.CONFIG % {"classes": 4}
    if evaluates:
        config = config.replace("num_examples: 8", "num_examples: 8 use_moving_averages: true")
    state = builders.trained_state(builders.values(4))
    source = builders.write_model(tmp_path / "m", tensors=state, config=config)
    out, after = converted(
        source, ["person", "zebra"], "--weights", weights, "--trainer", "model_main"
    )
    assert set(after) == set(builders.values(4))
    rewritten = dict(heads())
    for name in after:
        if name == "global_step":
            continue
        source_name = name + EMA if averaged and name + EMA in state else name
        if name in rewritten:
            anchors = rewritten[name]
            for number, old in ((0, 0), (1, 4)):
                assert same(
                    slot(after[name], anchors, number), slot(state[source_name], anchors, old)
                )
        else:
            assert same(after[name], state[source_name]), name
    edits = {edit["tensor"]: edit for edit in plan(out)["edits"]}
    assert set(edits) == set(state)
    dropped = {name for name, edit in edits.items() if edit["edit"] == "drop"}
    assert {name for name in state if "/RMSProp" in name} <= dropped
    assert len(dropped) == 129 * 3 and all(edits[name]["reason"] for name in dropped)


def test_averages_of_a_training_checkpoint_start_afresh(trained, converted):
    _, after = converted(trained, TARGET)
    assert len(after) == 329
    assert all(same(after[name], after[name[: -len(EMA)]]) for name in after if name.endswith(EMA))


@pytest.mark.parametrize(
    "optimizer, slots, scalars",
    [
        ("rms_prop_optimizer", {"/RMSProp": 1, "/RMSProp_1": 0}, {}),
        ("momentum_optimizer", {"/Momentum": 0}, {}),
        ("adam_optimizer", {"/Adam": 0, "/Adam_1": 0}, {"beta1_power": 0.9, "beta2_power": 0.999}),
    ],
)
def test_a_model_dir_holds_a_complete_training_checkpoint(
    converted, tmp_path, optimizer, slots, scalars
):
    config = builders.CONFIG.replace("rms_prop_optimizer", optimizer)
    source = builders.write_model(tmp_path / "m", config=config % {"classes": 4})
    train = tmp_path / "train"
    _out, after = converted(source, TARGET, "--model_dir", str(train))
    assert sorted(os.listdir(str(train))) == [
        "checkpoint",
        "manifest.json",
        "model.ckpt-0.data-00000-of-00001",
        "model.ckpt-0.index",
    ]
    assert 'model_checkpoint_path: "model.ckpt-0"\n' in tree(train)["checkpoint"].decode()
    complete = builders.read_checkpoint(str(train / "model.ckpt-0"))
    trainable = [name[: -len(EMA)] for name in after if name.endswith(EMA)]
    for name in trainable:
        for suffix, value in slots.items():
            found = complete.pop(name + suffix)
            assert found.shape == after[name].shape and (found == value).all()
            assert found.dtype == np.float32
    for name, value in scalars.items():
        assert same(complete.pop(name), np.asarray(value, np.float32))
    assert set(complete) == set(after)
    assert all(same(complete[name], after[name]) for name in after)


@pytest.mark.parametrize("value", [np.asarray(5, np.int32), np.asarray([5]), np.asarray(5.0), None])
def test_the_step_is_an_int64_0_whatever_it_was(converted, tmp_path, value):
    tensors = builders.values(4)
    del tensors["global_step"]
    if value is not None:
        tensors["global_step"] = value
    source = builders.write_model(tmp_path / "m", tensors=tensors)
    _, after = converted(source, TARGET)
    assert same(after["global_step"], np.asarray(0, np.int64)) and len(after) == 329
