"""`verify --stock`: outputs are equal to those of the source's own graph; where they
are not, the first place along the network is named."""

import os
import re
import shutil

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import cells
import judging
import thorough

from graphfix.modeldir.openers import open_source
from graphfix.planning.plan_json import read_plan
from graphfix.stock_api import agreement, runner
from graphfix.verification import equality, sides

# What is broken in the output's config, and the place that is to be named.
BROKEN = {
    "nothing": ("", "", None),
    "order of anchors": (
        "aspect_ratios: 2.0\n        aspect_ratios: 0.5",
        "aspect_ratios: 0.5\n        aspect_ratios: 2.0",
        (agreement.ANCHORS, "another order than the source's, which the heads do not follow"),
    ),
    "padding": (
        "feature_extractor {",
        "feature_extractor { use_explicit_padding: true",
        ("layers", r"input of \S+Conv2d_0/Conv2D are of shape .* the preprocessed image is equal"),
    ),
    "epsilon": (
        "epsilon: 0.001",
        "epsilon: 0.5",
        ("layers", r"Conv2d_0/BatchNorm/\S+ differs? .*Conv2D is equal"),
    ),
}
RARE = {
    "picture": ("height: 160", "height: 128", ("layers", "the preprocessed image")),
    "coder": ("y_scale: 10.0", "y_scale: 9.0", (agreement.DECODED, "the decoded boxes differ")),
    "scores": (
        "score_converter: SIGMOID",
        "score_converter: SOFTMAX",
        (agreement.SCORES, "Softmax"),
    ),
}


BROKEN.update(RARE if thorough.ALL else {})


@pytest.fixture(scope="module")
def answers(stock_python, tmp_path_factory):
    """What the stock API says of each breakage, all in one job."""
    top = tmp_path_factory.mktemp("equality")
    out = judging.convert(
        judging.DETECTOR,
        top / "out",
        "--num_classes",
        "3",
        "--map",
        "1=6",
        "--map",
        "3=4",
        "--target_api",
        "2019-07",
    )
    source, plan = open_source(judging.DETECTOR), read_plan(os.path.join(out, "plan.json"))
    with open(os.path.join(out, "pipeline.config")) as file:
        config = file.read()
    with sides.opened(out, plan, source, allow_effects=False, pictures=False) as both:
        outputs = []
        for number, (old, new, _) in enumerate(BROKEN.values()):
            assert old in config, old
            path = str(top / f"{number}.config")
            with open(path, "w") as file:
                file.write(config.replace(old, new, 1) if old else config)
            outputs.append(dict(both.outputs[0], pipeline_config=path))
        job = equality.comparison_job(source.model, plan, [both.source] + outputs, ())
        (answer,) = runner.run_jobs([job], python=stock_python("2019-07"), timeout=judging.SECONDS)
    assert "error" not in answer, answer["error"]
    return dict(zip(BROKEN, answer["compared"]))


@pytest.mark.parametrize("what", BROKEN)
def test_the_first_place_is_named(what, answers):
    _, _, place = BROKEN[what]
    found = answers[what]
    assert found["equal"] == (place is None), found
    if place:
        assert found["part"][0] == place[0] and re.search(place[1], found["part"][1]), found
    else:
        assert 0 < found["stages"][0]["logit"]["scale"] and found["stages"][0]["rows"] > 500


def compared(source, out, python):
    """What the stock API says of a directory beside its source's own graph."""
    plan = read_plan(os.path.join(out, "plan.json"))
    with sides.opened(out, plan, source, allow_effects=False, pictures=False) as both:
        job = equality.comparison_job(source.model, plan, [both.source] + both.outputs, ())
        (answer,) = runner.run_jobs([job], python=python, timeout=judging.SECONDS)
    assert "error" not in answer and "unknown" not in answer, answer
    return answer["compared"]


@thorough.only
def test_changed_anchors_are_compared_channel_by_channel(stock_python, tmp_path):
    (tmp_path / "anchors.pbtxt").write_text(
        "ssd_anchor_generator { num_layers: 6 min_scale: 0.25 max_scale: 0.9 "
        "aspect_ratios: [1.0, 2.0, 0.5, 2.5, 0.4, 1.5] }"
    )
    out = judging.convert(
        judging.DETECTOR,
        tmp_path / "out",
        "--num_classes",
        "2",
        "--map",
        "1=6",
        "--anchors",
        tmp_path / "anchors.pbtxt",
        "--target_api",
        "2019-07",
    )
    for found in compared(open_source(judging.DETECTOR), out, stock_python("2019-07")):
        assert found["equal"] and "the anchors were changed" in found["notes"][0], found


# Exported by one revision, and judged by the next.
@thorough.only
@pytest.mark.parametrize("name", ("mask_rcnn", "rfcn_resnet50", "ssd_softmax", "ssd_mobilenet_v2"))
@pytest.mark.parametrize("eras", zip(judging.ERAS, judging.ERAS[1:]))
def test_what_one_revision_exports_is_equal_in_the_next(name, eras, tmp_path):
    old, new = map(cells.era, eras)
    made = cells.Source(cells.families()[name], old, str(tmp_path / "made"))
    directory = str(tmp_path / "exported")
    job = judging.job(made.directory, "export", output_directory=directory)
    judging.ask([(old.python, job)])
    # The graph alone, whose values are its own.
    only = tmp_path / "graph"
    only.mkdir()
    shutil.copy(os.path.join(directory, "frozen_inference_graph.pb"), str(only))
    shutil.copy(os.path.join(made.directory, "pipeline.config"), str(only))
    out = judging.convert(
        only,
        tmp_path / "out",
        "--num_classes",
        "3",
        "--map",
        "1=20",
        "--map",
        "3=4",
        "--target_api",
        new.revision,
    )
    for found in compared(open_source(str(only)), out, new.python):
        assert found["equal"], found
