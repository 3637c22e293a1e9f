"""The summary's counts of what the trainers restore, where they differ."""

import dataclasses

import builders
import pytest

from graphfix.planning.plan import Plan
from graphfix.report.report import Report
from graphfix.restore import trainers

VARIABLES = (
    "BoxPredictor_0/ClassPredictor/weights",
    "Conv/weights",
    "FeatureExtractor/MobilenetV1/Conv2d_0/act_quant/max",
    "FeatureExtractor/MobilenetV1/Conv2d_0/weights",
    "FirstStageFeatureExtractor/a/weights",
    "SecondStageFeatureExtractor/a/weights",
    "ssd_mobile_net_v2keras_feature_extractor/Conv1/kernel",
)
SHADOWS = ("BoxPredictor_0/ClassPredictor/weights/ExponentialMovingAverage", "global_step")
STRANGERS = ("mine/weights", "FeatureExtractors/weights")


@pytest.mark.parametrize(
    "trainer, what, restored",
    [
        (trainers.LEGACY, trainers.EVERYTHING, 7),
        (trainers.MODEL_MAIN, trainers.EVERYTHING, 6),
        (trainers.LEGACY, trainers.BACKBONE, 5),
        (trainers.MODEL_MAIN, trainers.NOTHING, 0),
    ],
)
def test_counts(trainer, what, restored):
    plan = Plan("", "2019-07", "any", (), (), (), (), ())
    fields = {field.name: None for field in dataclasses.fields(Report)}
    report = Report(
        **dict(fields, plan=plan, outgoing=VARIABLES + SHADOWS + STRANGERS, strangers=STRANGERS)
    )
    assert report.restore_count(trainer, what) == (restored, 7)


def test_the_summary_names_each_trainer_where_they_differ(graphfix, tmp_path):
    quantized = (
        builders.CONFIG % {"classes": 4}
        + "graph_rewriter { quantization { delay: 100 weight_bits: 8 activation_bits: 8 } }\n"
    )
    tensors = builders.values(4)
    scope = "FeatureExtractor/MobilenetV1/MobilenetV1/Conv2d_0/act_quant/"
    tensors[scope + "min"] = tensors[scope + "max"] = builders.np.float32(6)
    source = builders.write_model(tmp_path / "source", tensors=tensors, config=quantized)
    done = graphfix(
        "convert",
        source,
        "--num_classes",
        "2",
        "--map",
        "1=cat",
        "--map",
        "2=dog",
        "--output_directory",
        tmp_path / "out",
        "--target_api",
        "2019-07",
    )
    assert done.code == 0, done.err
    # min and max, the state that tracks them, and the step: what exported models lack is made.
    assert "model_main restores 199 of 206, legacy restores 206 of 206" in done.out
