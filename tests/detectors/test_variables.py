"""The variables of a config's model, and what is refused; published models: test_describe_published.py."""

import os
import re

import pytest
import repository

from graphfix.detectors import families
from graphfix.detectors.backbones import BACKBONES, check_backbone
from graphfix.detectors.layers import Norm, Widths, find_extractor, parse_layers
from graphfix.detectors.variables import Unknown, idle_variables, model_variables
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


@pytest.mark.parametrize("row", BACKBONES, ids=lambda row: row.type)
def test_every_extractor_is_recorded(row):
    found = find_extractor(row.type)
    variables = {
        one.name: one.shape
        for one in found.variables(Widths(), Norm(True, True, True), False, False, 6)
    }
    assert variables[row.scopes[0] + row.first][-1] == row.width
    assert all(name.startswith(row.scopes) for name in variables)


@pytest.mark.parametrize(
    "token,widths,number",
    [
        ("64", Widths(0.5, 8), 64),
        ("S64", Widths(0.5, 8), 32),
        ("S64", Widths(0.1, 16), 16),
        ("S100", Widths(0.33, 8), 33),
        ("D100", Widths(0.33, 8), 32),
        ("D24*6", Widths(0.5, 8), 96),
        ("SA", Widths(0.5, 8, 112), 56),
        ("A", Widths(0.5, 8, 112), 112),
        ("S21*4", Widths(0.5, 8), 40),
        ("S64+S96", Widths(0.1, 8), 17),
        ("I8", Widths(0.2, 8), 4),
        ("I8", Widths(1.0, 8), 8),
        ("I8*3", Widths(0.2, 8), 12),
        ("T32", Widths(0.5, 2), 8),
        ("T33", Widths(0.5, 2), 8),
        ("T32", Widths(0.1, 2), 2),
        ("L1280", Widths(1.4, 8), 1280),
        ("L1280", Widths(0.35, 8), 448),
        ("R16*0.75", Widths(1.37, 8), 16),
    ],
)
def test_widths(token, widths, number):
    assert widths.of(token) == number


def test_lines():
    found = parse_layers(
        "# note\nextractor t md S8 4\n  F/a_{S8} weights:1x1x3xS8 c\n"
        "  F/b depthwise_weights:3x3xS8x2,pointwise_weights:1x1xS8xS4 o:bmv n\n"
        "  F/d =:7 - d\n"
    )["t"]
    half = Widths(0.5, 1)

    def names(norm, override, depthwise):
        return [one.name for one in found.variables(half, norm, override, depthwise, 6)]

    bare, scaled = Norm(False, False, True), Norm(True, True, False)
    assert names(bare, False, False) == [
        "F/a_4/weights",
        "F/a_4/biases",
        "F/b/depthwise_weights",
        "F/b/pointwise_weights",
        "F/b/BatchNorm/beta",
        "F/b/BatchNorm/moving_mean",
        "F/b/BatchNorm/moving_variance",
    ]
    assert names(scaled, True, False)[-3:] == [
        "F/b/BatchNorm/gamma",
        "F/b/BatchNorm/moving_mean",
        "F/b/BatchNorm/moving_variance",
    ]
    assert names(bare, True, True) == ["F/a_4/weights", "F/a_4/biases", "F/d"]
    assert dict(found.variables(half, scaled, False, False, 6))["F/b/BatchNorm/beta"] == (2,)


def test_keras_normalizes_beside():
    found = parse_layers(
        "extractor t m S8\n  K/a_{S8}_conv kernel:1x1x3xS8 c@a_{S8}_bn\n"
        "  K/d depthwise_kernel:3x3xS8x2 u@d_BN:gbmv\n"
        "  K/e kernel:1x1xS8x5 f@e_bn:bmv\n"
    )["t"]

    def beside(norm, override):
        return [
            (one.name, one.shape[0])
            for one in found.variables(Widths(0.5, 1), norm, override, False, 6)
            if len(one.shape) == 1
        ]

    end = [("K/e_bn/beta", 5), ("K/e_bn/moving_mean", 5), ("K/e_bn/moving_variance", 5)]
    own = [("K/d_BN/" + leaf, 8) for leaf in ("gamma", "beta", "moving_mean", "moving_variance")]
    # A convolution has a bias unless its normalization has one.
    assert beside(Norm(False, True, True), False) == [("K/a_4_conv/bias", 4)] + own + end
    assert (
        beside(Norm(True, False, False), True)
        == [
            ("K/a_4_conv/bias", 4),
            ("K/a_4_bn/moving_mean", 4),
            ("K/a_4_bn/moving_variance", 4),
            ("K/d_BN/moving_mean", 8),
            ("K/d_BN/moving_variance", 8),
        ]
        + end
    )
    assert beside(Norm(False, True, True), True) == [("K/a_4_conv/bias", 4)] + end


@pytest.mark.parametrize(
    "levels,names",
    [
        (
            (3, 7),
            [
                "projection_3 5",
                "projection_2 4",
                "smoothing_2 4",
                "projection_1 3",
                "smoothing_1 3",
                "bottom_up_block5 0",
                "bottom_up_block6 0",
            ],
        ),
        (
            (2, 5),
            [
                "projection_4 5",
                "projection_3 4",
                "smoothing_3 4",
                "projection_2 3",
                "smoothing_2 3",
                "projection_1 2",
                "smoothing_1 2",
            ],
        ),
        ((4, 4), ["projection_1 4"]),
        ((5, 9), ["projection_1 5"] + [f"bottom_up_block{number} 0" for number in range(5, 9)]),
    ],
)
def test_levels(levels, names):
    """Layers that an FPN has between two levels, each with the level that it was recorded for."""
    found = parse_layers(
        "extractor t m SA\n"
        + "".join(
            f"  F/{name} weights:1x1x{level}x1 {norm}\n"
            for name, level, norm in [
                ("projection_4", 5, "-"),
                ("projection_3", 4, "-"),
                ("smoothing_3", 4, "-"),
                ("projection_2", 3, "-"),
                ("smoothing_2", 3, "-"),
                ("projection_1", 2, "-"),
                ("smoothing_1", 2, "-"),
                ("bottom_up_block5", 0, "-"),
                ("bottom_up_block6", 0, "-"),
            ]
        )
    )["t"]
    assert [
        f"{one.name.split('/')[1]} {one.shape[2]}"
        for one in found.variables(Widths(), Norm(True, True, True), False, False, 6, levels)
    ] == names


def test_a_level_renames_what_normalizes_it():
    found = parse_layers(
        "extractor t m SA\n"
        "  K/smoothing_3_conv kernel:3x3x1x1 c@smoothing_3_batchnorm\n"
        "  K/bottom_up_Conv2d_14_conv kernel:3x3x1x1 b\n"
    )["t"]
    assert [
        one.name
        for one in found.variables(Widths(), Norm(True, False, True), False, False, 6, (3, 5))
    ] == [
        "K/smoothing_2_conv/kernel",
        "K/smoothing_2_batchnorm/beta",
        "K/smoothing_2_batchnorm/moving_mean",
        "K/smoothing_2_batchnorm/moving_variance",
    ]


@pytest.mark.parametrize(
    "maps,levels,names",
    [
        (1, None, ["F/b", "F/c"]),
        (2, None, ["F/c"]),
        (3, None, ["F/c"]),
        (5, (2, 4), ["F/c"]),
        (1, (1, 1), ["F/b", "F/c"]),
    ],
)
def test_what_is_read(maps, levels, names):
    found = parse_layers(
        "extractor t m SA\n  F/a weights:1x1x1x1 -\n  F/b weights:1x1x1x1 - n <2\n"
        "  F/c weights:1x1x1x1 - <-\n  F/d weights:1x1x1x1 - d <2\n"
    )["t"]
    assert [one.scope for one in found.unread(False, maps, levels)] == names


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


@pytest.mark.parametrize("multiplier,there", [(1.0, True), (0.25, False)])
def test_a_shortcut_is_a_layer_where_widths_differ(multiplier, there):
    layers = find_extractor("ssd_resnet50_v1_fpn").variables(
        Widths(multiplier), Norm(True, True, True), False, False, 5, (3, 7)
    )
    assert (
        "FeatureExtractor/resnet_v1_50/block1/unit_1/bottleneck_v1/shortcut/weights"
        in {one.name for one in layers}
    ) == there


@pytest.mark.parametrize(
    "changes,revision,words",
    [
        ([('"ssd_mobilenet_v1"', '"ssd_invented"')], "2019-07", "not recorded"),
        ([('"ssd_mobilenet_v1"', '"ssd_mobiledet_cpu"')], "2019-07", "builds no ssd_mobiledet_cpu"),
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
            "no FPN for levels 1 to 7",
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
        ("ssd_mobilenet_v1_keras", [], "2020-06", "builds no ssd_mobilenet_v1_keras"),
    ],
)
def test_families_that_are_refused(name, changes, revision, words):
    with pytest.raises(Unknown, match=words):
        listed(family(name, *changes), revision)


@pytest.mark.parametrize("width,words", [(8, None), (16, "a width of 8 \\(depth_multiplier 0.5")])
def test_kerass_mobilenet_v1_takes_its_multiplier_twice(width, words):
    message = family("ssd_mobilenet_v1_keras", ("depth_multiplier: 0.25", "depth_multiplier: 0.5"))
    row = next(one for one in BACKBONES if one.type == "ssd_mobilenet_v1_keras")
    name = row.scopes[0] + row.first
    problems = list(
        check_backbone(
            row,
            message.model.ssd.feature_extractor,
            {name: TensorMeta(name, BY_NAME["float32"], (3, 3, 3, width))},
            "c.config",
            "model.ckpt",
        )
    )
    assert [bool(re.search(words or "", one.message)) for one in problems] == [True] * bool(words)
