"""`graphfix verify OUT --stock`, from the command line to its exit code."""

import os
import re

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import judging
import replica as replicas

from graphfix.verification import stock_trial

GAMMA = "FeatureExtractor/MobilenetV1/Conv2d_5_pointwise/BatchNorm/gamma"
MEAN = "FeatureExtractor/MobilenetV1/Conv2d_7_depthwise/BatchNorm/moving_mean"


@pytest.fixture
def out(tmp_path):
    return judging.convert(
        judging.DETECTOR,
        tmp_path / "out",
        "--source_label_map_path",
        judging.DETECTOR_LABELS,
        "--label_map_path",
        judging.write_labels(tmp_path / "labels.pbtxt", ("ring", "blob")),
        "--target_api",
        "2019-07",
    )


def test_what_convert_wrote_passes(graphfix, out, stock_python):
    # Catches: a sound conversion refused, and the answer of another trainer or API taken for ours.
    done = graphfix(
        "verify", out, "--stock", "--steps", "2", "--stock_python", stock_python("2019-04")
    )
    assert done.code == 0, done.err
    *lines, following = done.out.splitlines()
    assert len(lines) == 4 and following.startswith("next, train: ")
    for line, name in zip(lines[2:], ("checkpoint", "frozen_inference_graph.pb")):
        assert line.startswith(f"{name}: outputs equal: max |Δlogit| "), line
        assert "1 carried class, 540 anchors (stock API 2019-04 beside the frozen graph" in line
    for line, trainer in zip(lines, judging.TRAINERS):
        assert re.match(
            (
                rf"stock API 2019-04 {trainer}: restored 199 of 199; 2 steps, loss \S+ -> \S+, "
                r"all finite$"
            ),
            line,
        ), line
    assert "made for the stock API of 2019-07" in done.err
    assert "convert with --target_api 2019-04" in done.err
    with open(os.path.join(out, "report.json")) as file:
        assert lines[0] in file.read()


# What `graphfix verify` would refuse without asking the stock API is put to that by itself.


def test_variables_of_another_name_or_shape_are_listed(out, stock_python):
    # Catches: a judge that only looks whether the trainer starts, which it does.
    prefix = os.path.join(out, "model.ckpt")
    values = judging.tensors(prefix)
    values[GAMMA + "_1"] = values.pop(GAMMA)
    values[MEAN] = values[MEAN][:-1]
    replicas.save(values, prefix)
    answer = stock_trial.verify_stock(
        out, stock_trial.TrialOptions("model_main"), python=stock_python("2019-07")
    )
    assert not answer.complete
    listed = answer.verifications[0].unrestored
    assert sorted(listed) == [
        GAMMA + ": is not in the checkpoint",
        MEAN + ": has another shape in the checkpoint",
    ]
    assert (
        "restored 197 of 199 (1 of another shape, 1 not in the checkpoint)"
        in answer.verifications[0].summary
    )


def test_a_config_that_restores_no_head_is_found_out(out, stock_python):
    # Catches: a judge that takes "the backbone is restored" for success, as the stock code does.
    path = os.path.join(out, "pipeline.config")
    with open(path) as file:
        config = file.read()
    assert config.count("load_all_detection_checkpoint_vars: true") == 1
    with open(path, "w") as file:
        file.write(config.replace("load_all_detection_checkpoint_vars: true", ""))
    answer = stock_trial.verify_stock(
        out, stock_trial.TrialOptions("legacy"), python=stock_python("2019-07")
    )
    assert not answer.complete
    details = answer.details[0]
    heads = [
        row["name"]
        for row in details["missing"] + details["not_asked_for"] + details["dropped"]
        if row["category"] == "model"
    ]
    assert len(heads) == 24 and all(name.startswith("BoxPredictor_") for name in heads)
    told = "\n".join(answer.verifications[0].unrestored)
    assert all(name in told for name in heads)


def test_a_config_that_a_tutorial_edited_converts_to_what_is_restored(tmp_path, stock_python):
    # Catches: the config's new number of classes, or its label map, taken for the source's.
    labels = judging.write_labels(tmp_path / "mine.pbtxt", ("ring", "blob", "star"))
    with open(os.path.join(judging.DETECTOR, "pipeline.config")) as file:
        text = file.read()
    text = re.sub(r'label_map_path: ".*"', f'label_map_path: "{labels}"', text)
    edited = tmp_path / "edited.config"
    edited.write_text(text.replace("num_classes: 8", "num_classes: 3"))
    out = judging.convert(
        judging.DETECTOR,
        tmp_path / "out",
        "--pipeline_config_path",
        edited,
        "--source_label_map_path",
        judging.DETECTOR_LABELS,
        "--target_api",
        "2019-07",
    )
    answer = stock_trial.verify_stock(
        out, stock_trial.TrialOptions("legacy"), python=stock_python("2019-07")
    )
    assert answer.complete and "restored 199 of 199" in answer.verifications[0].summary
    before, after = (
        judging.tensors(os.path.join(directory, "model.ckpt"))[
            "BoxPredictor_2/ClassPredictor/biases"
        ]
        for directory in (judging.DETECTOR, out)
    )
    ring, star = 6, 4
    anchors = len(before) // 9
    assert (
        after.reshape(anchors, 4)[:, [1, 3]] == before.reshape(anchors, 9)[:, [ring, star]]
    ).all()
