"""The variables of a config's model, and what is refused; published models: test_published.py."""

import os
import re

import pytest
import repository

from graphfix.detectors import families
from graphfix.detectors.extractor_check import check_extractor
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.layer_variables import Unknown
from graphfix.detectors.variables import idle_variables, model_variables
from graphfix.formats.checkpoint import reader
from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.tensors import TensorMeta
from graphfix.pipeline_config.document import parse_config

CONFIG = os.path.join(repository.DETECTOR, "pipeline.config")
FAMILIES = repository.FAMILIES


def listed(message, revision="2019-07"):
    return {
        one.name: one.shape
        for one in model_variables(message, revision=revision, config="pipeline.config")
    }


def message_of(*changes):
    with open(CONFIG) as file:
        text = file.read()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return parse_config(text.encode(), "pipeline.config").message


def test_a_trained_model_has_just_these():
    store = reader.open_bundle(os.path.join(os.path.dirname(CONFIG), "model.ckpt"))
    own = {
        name: tuple(view.meta.shape) for name, view in store.items() if name != families.GLOBAL_STEP
    }
    assert listed(message_of()) == own


_BASE = {
    f"Conv2d_{layer}/{leaf}"
    for layer in ("12_depthwise", "12_pointwise", "13_depthwise", "13_pointwise")
    for leaf in (
        "BatchNorm/gamma",
        "BatchNorm/beta",
        "BatchNorm/moving_mean",
        "BatchNorm/moving_variance",
    )
}
_KERNELS = {
    f"Conv2d_{number}_{leaf}"
    for number in (12, 13)
    for leaf in ("depthwise/depthwise_weights", "pointwise/weights")
}


@pytest.mark.parametrize(
    "name,changes,expected",
    [
        ("ssd_mobilenet_v1", [], set()),
        ("ssd_one_feature_map", [], _BASE),
        # The extractor's own regularizer, unless the config overrides it.
        ("ssd_one_feature_map", [("weight: 0.00004", "weight: 0")], _BASE),
        (
            "ssd_one_feature_map",
            [
                ("weight: 0.00004", "weight: 0"),
                (
                    "depth_multiplier",
                    "override_base_feature_extractor_hyperparams: true depth_multiplier",
                ),
            ],
            _BASE | _KERNELS,
        ),
        ("ssd_mobilenet_v1_fpn", [], set()),
        ("ssd_mobilenet_v1_fpn", [("max_level: 7", "max_level: 4")], _BASE),
    ],
)
def test_what_gets_no_gradients(name, changes, expected):
    message = family(name, *changes)
    assert {
        "/".join(one.split("/")[2:]) for one in idle_variables(message, revision="2019-07")
    } == expected
    message.train_config.add_regularization_loss = False
    assert {
        "/".join(one.split("/")[2:]) for one in idle_variables(message, revision="2019-07")
    } == expected | (_KERNELS if expected else set())


@pytest.mark.parametrize(
    "changes,revision,words",
    [
        ([('"ssd_mobilenet_v1"', '"ssd_invented"')], "2019-07", "not recorded"),
        (
            [('"ssd_mobilenet_v1"', '"ssd_mobiledet_cpu"')],
            "2019-07",
            "cannot build ssd_mobiledet_cpu",
        ),
        (
            [("      conv_hyperparams {", "      conv_hyperparams { force_use_bias: true")],
            "2021-06",
            "force_use_bias",
        ),
        ([("num_layers: 6", "num_layers: 5")], "2019-07", "another number of feature maps"),
        (
            [
                ('"ssd_mobilenet_v1"', '"ssd_mobilenet_v1_fpn"'),
                ("      min_depth: 16\n", "      min_depth: 16 fpn { min_level: 1 }\n"),
            ],
            "2019-07",
            "an FPN for levels 1 to 7",
        ),
    ],
    ids=str,
)
def test_what_is_not_known_is_refused(changes, revision, words):
    with pytest.raises(Unknown, match=words):
        listed(message_of(*changes), revision)


def family(name, *changes):
    """The message of a config of tests/stock/families."""
    with open(os.path.join(FAMILIES, name + ".config")) as file:
        text = file.read()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_config(text.encode(), "pipeline.config").message


def test_what_attends_to_other_images():
    found = listed(
        family(
            "context_rcnn_resnet50",
            (
                "context_feature_length: 64",
                (
                    "context_feature_length: 64 attention_bottleneck_dimension: 32 "
                    "use_self_attention: true "
                    "num_attention_heads: 2 attention_position: POST_RPN"
                ),
            ),
        ),
        "2021-06",
    )
    kernels = {
        name[: -len("/weights")]: shape
        for name, shape in found.items()
        if "fully_connected" in name and name.endswith("weights")
    }
    block = {
        "fully_connected": (1024, 32),
        "fully_connected_1": (64, 32),
        "fully_connected_2": (64, 32),
    }
    expected = {"SelfAttentionBlock/" + name: (1024, 32) for name in block}
    for head in range(2):
        expected.update(
            (f"AttentionBlock{head}_AttentionLayer0/{name}", shape) for name, shape in block.items()
        )
    expected.update((name, (32, 1024)) for name in block)
    assert kernels == expected
    assert found["SelfAttentionBlock/fully_connected/BatchNorm/gamma"] == (32,)
    # After the second stage's extractor boxes have twice as many features.
    assert listed(family("context_rcnn_resnet50"), "2021-06")["fully_connected/weights"] == (
        2048,
        2048,
    )


def test_keras_names():
    found = listed(
        family(
            "ssd_mobilenet_v1_keras",
            ("num_classes: 20", "num_classes: 2"),
            (
                "kernel_size: 1",
                "kernel_size: 3 use_depthwise: true min_depth: 8 max_depth: 16 "
                "num_layers_before_predictor: 1",
            ),
        )
    )
    assert {
        name: shape
        for name, shape in found.items()
        if name.startswith("BoxPredictor/") and "_0/" in name and "moving" not in name
    } == {
        "BoxPredictor/SharedConvolutions_0/Conv2d_0_1x1_16/kernel": (1, 1, 32, 16),
        "BoxPredictor/SharedConvolutions_0/Conv2d_0_1x1_16_norm/gamma": (16,),
        "BoxPredictor/SharedConvolutions_0/Conv2d_0_1x1_16_norm/beta": (16,),
        **{
            f"BoxPredictor/Convolutional{head}_0/{layer}": shape
            for head, name, out in (
                ("ClassHead", "ClassPredictor", 9),
                ("BoxHead", "BoxEncodingPredictor", 12),
            )
            for layer, shape in (
                (name + "_depthwise/depthwise_kernel", (3, 3, 16, 1)),
                (name + "_depthwise_batchnorm/gamma", (16,)),
                (name + "_depthwise_batchnorm/beta", (16,)),
                (name + "/kernel", (1, 1, 16, out)),
                (name + "/bias", (out,)),
            )
        },
    }
    found = listed(family("faster_rcnn_inception_resnet_v2_keras"))
    assert found["FirstStageRPNFeatures/RPNConv/kernel"] == (3, 3, 1088, 512)
    assert found[
        "mask_rcnn_keras_box_predictor/mask_rcnn_class_head/ClassPredictor_dense/bias"
    ] == (21,)


@pytest.mark.parametrize(
    "name,changes,revision,words",
    [
        ("context_rcnn_resnet50", [], "2020-11", "before 2021"),
        (
            "context_rcnn_resnet50",
            [("context_feature_length", "use_long_term_attention: false context_feature_length")],
            "2021-06",
            "attends to nothing",
        ),
        (
            "faster_rcnn_inception_resnet_v2_keras",
            [
                (
                    "mask_rcnn_box_predictor {",
                    "mask_rcnn_box_predictor { predict_instance_masks: true",
                ),
                ("num_classes: 20", "num_classes: 20 number_of_stages: 3"),
            ],
            "2019-07",
            "Keras's mask head",
        ),
        ("ssd_mnasfpn", [("min_level: 3", "min_level: 4")], "2021-06", "levels 3 to 6 alone"),
        ("ssd_mobilenet_v1_keras", [], "2020-06", "cannot build ssd_mobilenet_v1_keras"),
    ],
)
def test_families_that_are_refused(name, changes, revision, words):
    with pytest.raises(Unknown, match=words):
        listed(family(name, *changes), revision)


@pytest.mark.parametrize("width,words", [(8, None), (16, "a width of 8 \\(depth_multiplier 0.5")])
def test_kerass_mobilenet_v1_takes_its_multiplier_twice(width, words):
    message = family("ssd_mobilenet_v1_keras", ("depth_multiplier: 0.25", "depth_multiplier: 0.5"))
    extractor = find_extractor("ssd_mobilenet_v1_keras")
    name = extractor.first.name
    problems = list(
        check_extractor(
            extractor,
            message.model.ssd.feature_extractor,
            {name: TensorMeta(name, BY_NAME["float32"], (3, 3, 3, width))},
            "c.config",
            "model.ckpt",
        )
    )
    assert [bool(re.search(words or "", one.message)) for one in problems] == [True] * bool(words)
