"""conversion/trained_meanings.py: a config that changed its meaning, and one that did not.

What the stock API makes of them is in docs/eras.md and tests/stock/test_eras.py.
"""

import types

import builders
import pytest

from graphfix.conversion.trained_meanings import trained_meanings
from graphfix.detectors import meanings
from graphfix.pipeline_config.document import parse_config
from graphfix.pipeline_config.edits import apply_edits
from graphfix.stock_api.target_api import TargetApi

MODEL = "model { %s { image_resizer { %s } feature_extractor { type: '%s' %s } %s } }"
FIXED = "fixed_shape_resizer { height: 300 width: 300 }"
PADDED = "keep_aspect_ratio_resizer { min_dimension: 9 max_dimension: 9 %s }"
PAD = PADDED % "pad_to_max_dimension: true"
DROPOUT = "box_predictor { weight_shared_convolutional_box_predictor { use_dropout: %s } }"
OWN = "conv_hyperparams { activation: RELU_6 batch_norm { epsilon: 0.001 } }"
OTHERS = "conv_hyperparams { activation: RELU batch_norm { epsilon: 0.001 } }"
V1 = "ssd_mobilenet_v1"

# Code, the model that means something else, the one that does not, a month before and one after.
CASES = [
    (meanings.PADDED_PIXELS, ("ssd", PAD, V1, "", ""), ("ssd", PADDED % "", V1, "", ""))
    + ("2019-07", "2021-06"),
    (meanings.PADDED_BOXES, ("ssd", PAD, V1, "", ""), ("ssd", FIXED, V1, "", ""))
    + ("2019-07", "2021-06"),
    (meanings.GREY,)
    + tuple(
        ("ssd", FIXED[:-1] + "convert_to_grayscale: true }", kind, "", "")
        for kind in ("ssd_resnet50_v1_fpn", V1)
    )
    + ("2019-07", "2021-06"),
    (meanings.PYRAMID_PADDING,)
    + tuple(("ssd", FIXED, kind, "use_explicit_padding: true", "") for kind in (V1 + "_fpn", V1))
    + ("2019-07", "2021-06"),
    (meanings.PREDICTOR_DROPOUT,)
    + tuple(("ssd", FIXED, V1, "", DROPOUT % drops) for drops in ("true", "false"))
    + ("2019-03", "2019-07"),
    (meanings.PADDED_PROPOSALS,)
    + tuple(("faster_rcnn", one, "faster_rcnn_resnet50", "", "") for one in (PAD, PADDED % ""))
    + ("2019-07", "2021-06"),
    (meanings.BASE_SETTINGS,)
    + tuple(("ssd", FIXED, V1, one, "") for one in (OTHERS, OWN))
    + ("2018-01", "2019-07"),
]
each = pytest.mark.parametrize("code, other, same, before, after", CASES)


def asked(model, target, source_api=None):
    """What is told for a model of the config: the source, edits, findings by their codes."""
    config = parse_config((MODEL % model).encode(), "pipeline.config")
    source = types.SimpleNamespace(
        model=types.SimpleNamespace(meta=model[0], feature_extractor=model[2]),
        config=config,
        graph=None,
        frozen=None,
        meta_graph=types.SimpleNamespace(path=None),
    )
    edits, findings = trained_meanings(
        source, api=TargetApi(target, None, ()), source_api=source_api
    )
    return config, edits, {one.code: one for one in findings}


@each
def test_a_field_that_changed_its_meaning_is_told_of_and_no_other(code, other, same, before, after):
    assert code in asked(other, before, source_api=after)[2]
    assert code not in asked(same, before, source_api=after)[2]


@each
def test_the_same_meaning_is_not_told_of(code, other, same, before, after):
    assert code not in asked(other, before, source_api=before)[2]
    assert code not in asked(other, after, source_api=after)[2]


@each
def test_it_is_told_of_where_nothing_shows_what_the_source_was_trained_with(
    code, other, same, before, after
):
    told = asked(other, before)[2][code]
    assert told.severity == "warning" and "--source_api" in told.remedy


def test_dropout_is_no_matter_for_a_target_that_drops_in_training_alone():
    other = next(case[1] for case in CASES if case[0] == meanings.PREDICTOR_DROPOUT)
    assert asked(other, "2019-07", source_api="2019-03")[2] == {}


@pytest.mark.parametrize(
    "kind, target, given, written",
    [
        (V1, "2021-06", "", (-1.0, -1.0, -1.0)),
        (V1, "2021-06", "per_channel_pad_value: [255, 127.5, 0]", (1.0, 0.0, -1.0)),
        (V1, "2019-07", "", (127.5, 127.5, 127.5)),
        ("ssd_resnet50_v1_fpn", "2021-06", "", (-123.68, -116.779, -103.939)),
        ("ssd_resnet50_v1_fpn", "2019-07", "", (123.68, 116.779, 103.939)),
    ],
)
def test_an_image_is_padded_with_what_the_model_was_trained_with(kind, target, given, written):
    trained = "2019-07" if target == "2021-06" else "2021-06"
    resizer = PADDED % ("pad_to_max_dimension: true " + given)
    config, edits, told = asked(("ssd", resizer, kind, "", ""), target, source_api=trained)
    assert told[meanings.PADDED_PIXELS].severity == "info"
    text = apply_edits(config.document, edits).text
    edited = parse_config(text.encode(), "out").message.model.ssd.image_resizer
    found = edited.keep_aspect_ratio_resizer.per_channel_pad_value
    assert list(found) == pytest.approx(written)


def test_the_base_network_keeps_the_configs_settings():
    config, edits, told = asked(("ssd", FIXED, V1, OTHERS, ""), "2019-07", source_api="2018-01")
    assert told[meanings.BASE_SETTINGS].severity == "info"
    text = apply_edits(config.document, edits).text
    settings = parse_config(text.encode(), "out").message.model.ssd.feature_extractor
    assert settings.override_base_feature_extractor_hyperparams


def test_between_the_last_known_and_the_first_known_month_it_is_not_known():
    told = asked(("ssd", PAD, V1, "", ""), "2020-07", source_api="2019-07")[2]
    assert told[meanings.PADDED_PIXELS].severity == "warning"
    assert "changed its meaning" in told[meanings.PADDED_PIXELS].message


def test_the_published_configs_are_not_concerned():
    config = builders.CONFIG % {"classes": 4}
    message = parse_config(config.encode(), "c").message
    assert [one.code for one in meanings.changes(message.model.ssd, "ssd")] == [
        meanings.SUPPRESSION
    ]


@pytest.mark.parametrize(
    "trained, told", [("2018-05", True), ("2018-06", False), ("2018-07", False), (None, False)]
)
def test_suppression_of_2018_is_told_of_where_it_is_known(trained, told):
    found = asked(("ssd", FIXED, V1, "", ""), "2019-07", source_api=trained)[2]
    assert [one.severity for one in found.values()] == ["info"] * told
    assert set(found) == ({meanings.SUPPRESSION} if told else set())
