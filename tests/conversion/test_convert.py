"""convert from end to end on a tiny detector: what is written, read back and recomputed."""

import html
import json
import os

import builders
import numpy as np
import pytest
from conversions import API, EMA, FILES, TARGET, heads, plan, report, same, slot
from directories import tree
from google.protobuf import text_format

from graphfix.formats.schema import message_class


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
        "--verbose",
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
    assert all(one["message"] in html.unescape(page) for one in found)


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
