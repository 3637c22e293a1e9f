"""convert from end to end on a tiny detector: what is written, read back and recomputed."""

import html
import json
import os

import builders
import numpy as np
import pytest
import repository
from google.protobuf import text_format

from graphfix.formats.schema import message_class

FILES = [
    "checkpoint",
    "label_map.pbtxt",
    "manifest.json",
    "model.ckpt.data-00000-of-00001",
    "model.ckpt.index",
    "pipeline.config",
    "plan.json",
    "report.html",
    "report.json",
]
TARGET = ["Person", "zebra", "dog"]
API = ("--target_api", "2019-07")
EMA = "/ExponentialMovingAverage"


@pytest.fixture
def converted(graphfix, tmp_path):
    """Converts a model to names (or a label map's text); the output's directory and tensors."""

    def convert(source, names, *flags, **more):
        number = len(os.listdir(str(tmp_path)))
        labels = names if isinstance(names, str) else builders.label_map(names)
        path = builders.write(tmp_path, f"labels_{number}.pbtxt", labels)
        out = str(tmp_path / (f"out_{number}"))
        done = graphfix(
            "convert", source, "--label_map_path", path, "--output_directory", out, *(API + flags)
        )
        assert done.code == more.get("code", 0), done.err
        return out, builders.read_checkpoint(os.path.join(out, "model.ckpt"))

    return convert


def tree(directory):
    """{relative path: bytes} of everything in a directory."""
    found = {}
    for top, _, files in os.walk(str(directory)):
        for name in files:
            path = os.path.join(top, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, str(directory))] = file.read()
    return found


def report(out):
    with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
        return json.load(file)


def plan(out):
    with open(os.path.join(out, "plan.json"), encoding="utf-8") as file:
        return json.load(file)


def heads():
    for number, anchors in enumerate(builders.ANCHORS):
        for leaf in ("weights", "biases"):
            yield f"BoxPredictor_{number}/ClassPredictor/{leaf}", anchors


def slot(value, anchors, number):
    """A class slot of every anchor: its channels are anchor * slots + slot."""
    slots = value.shape[-1] // anchors
    return np.stack([value[..., anchor * slots + number] for anchor in range(anchors)], axis=-1)


def same(one, other):
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def test_the_documented_files_are_written_and_nothing_else(model, converted, tmp_path):
    out, _ = converted(model, TARGET)
    assert sorted(os.listdir(out)) == FILES
    assert sorted(os.listdir(str(tmp_path))) == ["labels_0.pbtxt", "out_0"]
    assert sorted(report(out)["artifacts"]) == FILES
    with open(os.path.join(out, "checkpoint")) as file:
        assert file.read() == (
            'model_checkpoint_path: "model.ckpt"\nall_model_checkpoint_paths: "model.ckpt"\n'
        )
    with open(os.path.join(out, "label_map.pbtxt")) as file:
        assert file.read() == builders.label_map(TARGET)


@pytest.mark.parametrize(
    "names, sources",
    [
        (["Person", "zebra", "dog"], [4, None, 2]),
        (["person", "Traffic-Light", "dog", "cat"], [4, 3, 2, 1]),
        (["dog"], [2]),
        (
            ["a", "cat", "b", "c", "person", "d", "dog", "traffic_light"],
            [None, 1, None, None, 4, None, 2, 3],
        ),
        ({2: "person", 5: "cat"}, [None, 4, None, None, 1]),
    ],
)
def test_channels_of_classes_go_where_their_class_goes(model, converted, names, sources):
    out, after = converted(model, names)
    before = builders.values(4)
    for name, anchors in heads():
        assert after[name].shape == before[name].shape[:-1] + (anchors * (len(sources) + 1),)
        assert same(slot(after[name], anchors, 0), slot(before[name], anchors, 0))
        for number, source in enumerate(sources, 1):
            if source is not None:
                assert same(slot(after[name], anchors, number), slot(before[name], anchors, source))
            else:
                fresh = slot(after[name], anchors, number)
                assert not [
                    old for old in range(5) if same(fresh, slot(before[name], anchors, old))
                ]
    rewritten = {name for name, _ in heads()} | {"global_step"}
    for name, value in before.items():
        if name not in rewritten:
            assert same(after[name], value), name
    assert after["global_step"].dtype == np.int64 and after["global_step"].shape == ()
    assert after["global_step"] == 0
    assert set(after) == set(before) | {
        name + EMA for name in before if name != "global_step" and "/moving_" not in name
    }
    assert plan(out)["classes"][0]["sources"] == ([sources[0]] if sources[0] else [])


def test_the_same_classes_leave_every_byte_alone(model, converted):
    out, after = converted(model, builders.CLASSES, "--trainer", "model_main")
    before = builders.values(4)
    assert set(after) == set(before)
    assert all(same(after[name], before[name]) for name in before if name != "global_step")
    assert report(out)["tensors"]["keep"] == 199
    assert report(out)["summary"].startswith("200 tensors: 199 kept, 1 rewritten, 0 dropped;")


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


def test_the_config_changes_where_it_must_and_nowhere_else(model, converted):
    out, _ = converted(model, TARGET)
    before = tree(model)["pipeline.config"].decode().split("\n")
    after = tree(out)["pipeline.config"].decode().split("\n")
    label_map = f'  label_map_path: "{out}/label_map.pbtxt"'
    assert [line for line in before if line not in after] == [
        "    num_classes: 4  # how many",
        '  fine_tune_checkpoint: "PATH_TO_BE_CONFIGURED/model.ckpt"',
        '  label_map_path: "records/label_map.pbtxt"',
        '  label_map_path: "records/label_map.pbtxt"',
    ]
    assert sorted(line for line in after if line not in before) == sorted(
        [
            "    num_classes: 3  # how many",
            f'  fine_tune_checkpoint: "{out}/model.ckpt"',
            "  from_detection_checkpoint: true",
            "  load_all_detection_checkpoint_vars: true",
            label_map,
            label_map,
        ]
    )
    changed = [
        line
        for line in report(out)["config_diff"]
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    assert sorted(line[1:] for line in changed if line[0] == "+") == sorted(
        line for line in after if line not in before
    )
    assert sum(line[0] == "-" for line in changed) == 4


def test_the_config_says_what_protobuf_says(model, converted):
    out, _ = converted(
        model,
        TARGET,
        "--fine_tune_checkpoint",
        "/mnt/in/model.ckpt",
        "--train_record",
        "/mnt/t.record",
        "--eval_record",
        '/mnt/e "q".record',
    )
    found, expected = (
        message_class("graphfix.pipeline.TrainEvalPipelineConfig")() for _ in range(2)
    )
    text_format.Parse(tree(model)["pipeline.config"].decode(), expected)
    text_format.Parse(tree(out)["pipeline.config"].decode(), found)
    expected.model.ssd.num_classes = 3
    expected.train_config.fine_tune_checkpoint = "/mnt/in/model.ckpt"
    expected.train_config.from_detection_checkpoint = True
    expected.train_config.load_all_detection_checkpoint_vars = True
    for reader, record in (
        (expected.train_input_reader, "/mnt/t.record"),
        (expected.eval_input_reader[0], '/mnt/e "q".record'),
    ):
        reader.label_map_path = "/mnt/in/label_map.pbtxt"
        reader.tf_record_input_reader.input_path[:] = [record]
    assert found == expected


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


def test_a_plan_replays_to_the_same_bytes(model, converted, graphfix, tmp_path):
    out, _ = converted(model, TARGET, "--seed", "5", "--map", "zebra=cat+dog")
    first = tree(out)
    labels = builders.write(tmp_path, "labels.pbtxt", builders.label_map(TARGET))
    printed = graphfix(
        "plan",
        model,
        "--label_map_path",
        labels,
        "--output_directory",
        out,
        "--seed",
        "5",
        "--map",
        "zebra=cat+dog",
        "--json",
        *API,
    )
    assert printed.code == 0 and printed.out.encode() == first["plan.json"]
    path = builders.write(tmp_path, "plan.json", printed.out)
    done = graphfix("convert", model, "--plan", path, "--output_directory", out, "--overwrite")
    assert done.code == 0, done.err
    assert tree(out) == first


def test_a_plan_is_of_one_source(model, converted, graphfix, tmp_path):
    out, _ = converted(model, TARGET)
    others = [
        builders.write_model(tmp_path / "a", tensors=builders.values(4, seed=1)),
        builders.write_model(
            tmp_path / "b",
            config=builders.CONFIG.replace("num_examples: 8", "num_examples: 9") % {"classes": 4},
        ),
        builders.write_model(tmp_path / "c", names=builders.CLASSES[:3]),
    ]
    for other in others:
        done = graphfix(
            "convert",
            other,
            "--plan",
            os.path.join(out, "plan.json"),
            "--output_directory",
            tmp_path / "again",
        )
        assert done.code == 3 and "was made for another source" in done.err
        assert os.path.join(out, "plan.json") in done.err
        assert not (tmp_path / "again").exists()


def test_planning_the_same_target_on_the_output_keeps_everything(
    model, converted, graphfix, tmp_path
):
    for names, flags in ((TARGET, ()), ({2: "dog", 5: "zebra"}, ("--trainer", "model_main"))):
        out, _ = converted(model, names, *flags)
        labels = builders.write(tmp_path, "target.pbtxt", builders.label_map(names))
        done = graphfix(
            "plan",
            out,
            "--label_map_path",
            labels,
            "--output_directory",
            out,
            "--json",
            *(API + flags),
        )
        again = json.loads(done.out)
        kinds = {edit["tensor"]: edit["edit"] for edit in again["edits"]}
        assert kinds.pop("global_step") in ("reset", "keep")
        # Moving averages are made afresh, from the same values.
        made = {name for name in kinds if name.endswith(EMA)}
        assert made == {addition["name"] for addition in again["additions"]}
        assert {kind for name, kind in kinds.items() if name not in made} == {"keep"}
        assert all(edit["literal"] is not None for edit in again["config_edits"])
        out_again, _ = converted(
            out, names, "--fine_tune_checkpoint", os.path.join(out, "model.ckpt"), *flags
        )
        for name in set(FILES) - {"manifest.json", "plan.json", "report.html", "report.json"}:
            assert tree(out_again)[name] == tree(out)[name], name


def test_the_same_inputs_give_the_same_bytes_from_anywhere(model, graphfix, tmp_path, monkeypatch):
    labels = builders.write(tmp_path, "labels.pbtxt", builders.label_map(TARGET))
    found = []
    for place in ("one", "two/deeper"):
        (tmp_path / place).mkdir(parents=True)
        monkeypatch.chdir(str(tmp_path / place))
        done = graphfix(
            "convert",
            model,
            "--label_map_path",
            labels,
            "--output_directory",
            "out",
            "--fine_tune_checkpoint",
            "/data/in/model.ckpt",
            *API,
        )
        assert done.code == 0
        found.append(tree("out"))
    assert found[0] == found[1] and sorted(found[0]) == FILES


def test_a_model_may_be_named_in_several_ways(model, graphfix, tmp_path):
    labels = builders.write(tmp_path, "labels.pbtxt", builders.label_map(TARGET))
    plans = {
        graphfix("plan", name, "--label_map_path", labels, "--json", *API).out
        for name in (
            model,
            model + "/",
            model + "/model.ckpt",
            model + "/model.ckpt.index",
            model + "/model.ckpt.data-00000-of-00001",
        )
    }
    assert len(plans) == 1 and plans.pop().startswith("{")


def test_what_is_found_comes_first_what_ruins_a_run(model, graphfix, tmp_path):
    labels = builders.write(tmp_path, "labels.pbtxt", builders.label_map(["persn"]))
    done = graphfix(
        "convert",
        model,
        "--label_map_path",
        labels,
        "--target_api",
        "2021-01",
        "--output_directory",
        tmp_path / "out",
    )
    assert done.code == 0
    lines = done.err.splitlines()
    assert lines[0].startswith("error FINE_TUNE_CHECKPOINT_IGNORED")
    assert [line for line in lines if line.startswith("warning NEAR_MISS: persn")]
    severities = [line.split()[0] for line in lines]
    order = ["error", "warning", "info"]
    assert severities == sorted(severities, key=order.index)
    found = report(str(tmp_path / "out"))["findings"]
    assert [one["severity"] for one in found] == severities
    assert all(one["code"] and one["subject"] and one["message"] and one["remedy"] for one in found)
    page = tree(tmp_path / "out")["report.html"].decode("utf-8")
    assert all(html.escape(one["message"]) in page for one in found)


def test_names_from_files_are_escaped_in_the_page(model, converted):
    out, _ = converted(model, 'item { id: 1 name: "<b>&\\"" display_name: "\\303\\251<i>" }')
    page = tree(out)["report.html"].decode("utf-8")
    assert "&lt;i&gt;" in page and "<i>" not in page and "<b>&" not in page


def test_the_output_verifies_and_a_changed_one_does_not(model, converted, graphfix):
    out, _ = converted(model, TARGET)
    done = graphfix("verify", out)
    assert done.code == 0 and "329 tensors" in done.out and done.err == ""
    data = os.path.join(out, "model.ckpt.data-00000-of-00001")
    with open(data, "r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    done = graphfix("verify", out)
    assert done.code in (3, 4) and done.out == "" and "does not match" not in done.out
    assert "tensor '" in done.err


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
