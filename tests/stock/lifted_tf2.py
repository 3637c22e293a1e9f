"""What TensorFlow 2 computes of detectors that export tf2 refuses: with the refusal lifted, and the
variables named by the names that Keras gives its layers.

A control beside a refused detector is one that differs from it by what the refusal is about only,
and is exact: so the names are right, and that is the reason.
"""

import contextlib
import re
import unittest.mock

import numpy as np
import tf2_cases

from graphfix.exporting.tf2 import config, exactness, names, target, widening
from graphfix.formats import dtypes
from graphfix.formats.checkpoint import objects as checkpoint_objects
from graphfix.formats.tensors import constant
from graphfix.pipeline_config.document import parse_config
from graphfix.pipeline_config.edits import apply_edits

_WHOLE = ((r"depth_multiplier: [\d.]+", "depth_multiplier: 1.0"),)
_TWO_LEVELS = (("min_level: 3", "min_level: 4"),)
# TensorFlow 2's ResNets with a pyramid take no notice of its fields: they have levels 3 to 7, and
# 256 channels.
_DEEP = (("additional_layer_depth: 64", "additional_layer_depth: 256"),)
_AS_TRAINED = (("override_base_feature_extractor_hyperparams: true", ""), *_DEEP)
_ROOMY = (("height: 128 width: 128", "height: 192 width: 192"),)


def _v2(multiplier, least):
    wanted = f"depth_multiplier: {multiplier} min_depth: {least}"
    return (("depth_multiplier: 0.25 min_depth: 8", wanted),)


# Title: the family's file, substitutions in it, and what is found: "exact" (a control), "differs",
# or a part of what TensorFlow 2 says where it builds or restores no such model.
CASES = {
    "SSD MobileNet v1 FPN": ("ssd_mobilenet_v1_fpn", _WHOLE, "differs"),
    "... control: two levels": ("ssd_mobilenet_v1_fpn", _WHOLE + _TWO_LEVELS, "exact"),
    "SSD ResNet 50 FPN": ("ssd_resnet50_fpn", _AS_TRAINED, "differs"),
    "... min_level 4": ("ssd_resnet50_fpn", _AS_TRAINED + _TWO_LEVELS, "Number of feature maps"),
    "... additional_layer_depth 64": ("ssd_resnet50_fpn", _AS_TRAINED[:1], "incompatible tensor"),
    "SSD ResNet 101 FPN": ("ssd_resnet101_fpn", _AS_TRAINED, "differs"),
    "SSD MobileNet v2 FPNLite": ("ssd_mobilenet_v2_fpnlite", (), "shape"),
    "SSD MobileNet v2, depth 0.5 with min_depth 16": ("ssd_mobilenet_v2", _v2(0.5, 16), "differs"),
    "SSD MobileNet v2, depth 1.4": ("ssd_mobilenet_v2", _v2(1.4, 8), "shape"),
    "SSD MobileNet v2, heads that share weights, no activation": (
        "ssd_mobilenet_v2",
        (
            *tf2_cases.SHARED,
            (r"(weight_shared.*conv_hyperparams \{\s*activation: )RELU_6", r"\1NONE"),
        ),
        "differs",
    ),
    "SSD MobileNet v1, depth 0.25, heads that share weights": (
        "ssd_mobilenet_v1",
        tf2_cases.FOUR_SHARED,
        "incompatible tensor",
    ),
    "apply_sigmoid_to_scores": (
        "ssd_mobilenet_v2",
        ((r"(kernel_size: \d)", r"\1 apply_sigmoid_to_scores: true"),),
        "differs",
    ),
    "R-FCN ResNet 50": ("rfcn_resnet50", (), "differs"),
    "R-FCN ResNet 101": ("rfcn_resnet101", (), "differs"),
    "Faster R-CNN Inception ResNet v2": ("faster_rcnn_inception_resnet_v2", (), ""),
    "Faster R-CNN, first_stage_features_stride 8": (
        "faster_rcnn_resnet50",
        (("features_stride: 16", "features_stride: 8"),),
        "",
    ),
    "Faster R-CNN, maxpool_stride 1": (
        "faster_rcnn_resnet50",
        (("maxpool_stride: 2", "maxpool_stride: 1"),),
        "differs",
    ),
    "Context R-CNN ResNet 50": ("context_rcnn_resnet50", (), "differs"),
    "... control: heads of 3 times the weights, attention of a third": (
        "context_rcnn_resnet50",
        (),
        "exact",
    ),
}
# By what a case multiplies variables for TensorFlow 2, by a pattern of their paths.  Beside a map's
# features and the attention, TensorFlow 1 adds the map's mean twice, which heads see as three times
# the map; that no ReLU6 of the attention clips is so by the weights.
_FACTORS = {
    "... control: heads of 3 times the weights, attention of a third": (
        (r"_mask_rcnn_box_predictor/.*/kernel", 3.0),
        (r"_feature_proj/batch_norm/(gamma|beta)", 1 / 3),
    )
}

# What a scope of TensorFlow 1 is called in TensorFlow 2, and its batch normalization ("" where a
# layer has none); after what tests/exporting/test_tf2.py has of the exact ones.
_NAMES = (
    (r".*MobilenetV1/Conv2d_0", "conv1", "conv1_bn"),
    (r".*Conv2d_(\d+)_depthwise", r"conv_dw_\1", r"conv_dw_\1_bn"),
    (r".*MobilenetV1/Conv2d_(\d+)_pointwise", r"conv_pw_\1", r"conv_pw_\1_bn"),
    (r".*MobilenetV2/Conv", "Conv1", "bn_Conv1"),
    (r".*MobilenetV2/Conv_1", "Conv_1", "Conv_1_bn"),
    (r".*/expanded_conv/(\w+)", r"expanded_conv_\1", r"expanded_conv_\1_BN"),
    (r".*/expanded_conv_(\d+)/(\w+)", r"block_\1_\2", r"block_\1_\2_BN"),
    (r".*/resnet_v1_\d+/conv1", "conv1_conv", "conv1_bn"),
    (r".*/block(\d)/unit_(\d+)/bottleneck_v1/conv(\d)",
     r"conv<\1>_block\2_\3_conv", r"conv<\1>_block\2_\3_bn"),
    (r".*/block(\d)/unit_(\d+)/bottleneck_v1/shortcut",
     r"conv<\1>_block\2_0_conv", r"conv<\1>_block\2_0_bn"),
    (r".*/fpn/(projection_\d+)", r"\1", ""),
    (r".*/((?:smoothing|bottom_up)_\w+)", r"\1_conv", r"\1_batchnorm"),
    (r"FeatureExtractor/\w+/(\w+_Conv2d_\d_\dx\d\w*)", r"\1_conv", r"\1_batchnorm"),
    (r"(WeightShared.*Tower/conv2d_\d+(?:/BatchNorm/feature_\d+)?)", r"\1", r"\1"),
    (r"WeightShared.*(ProjectionLayer/conv2d_\d+)", r"\1", r"\1/BatchNorm"),
    (r"WeightSharedConvolutionalBoxPredictor/(Box|Class)Predictor",
     r"WeightSharedConvolutional\1Head/\1Predictor", ""),
    (r"BoxPredictor_(\d+)/(Box|Class)(\w+)", r"Convolutional\2Head_\1/\2\3", ""),
    (r"Conv", "RPNConv", ""),
    (r"FirstStageBoxPredictor/(Box|Class)(\w+)",
     r"FirstStageBoxPredictor/ConvolutionalHead_0/\1\2", ""),
    (r"SecondStageBoxPredictor/(Box|Class)(\w+)", r"\1\2_dense", ""),
    (r"AttentionBlock0_AttentionLayer0/fully_connected", r"AttentionBlock/context_projection_2",
     r"AttentionBlock/context_projection_2"),  # of what asks
    (r"AttentionBlock0_AttentionLayer0/fully_connected_1", r"AttentionBlock/context_projection",
     r"AttentionBlock/context_projection"),  # of keys
    (r"AttentionBlock0_AttentionLayer0/fully_connected_2", r"AttentionBlock/context_projection_1",
     r"AttentionBlock/context_projection_1"),  # of values
    (r"fully_connected", r"AttentionBlock/context_projection_3",
     r"AttentionBlock/context_projection_3"),
    (r"SecondStageBoxPredictor/(reduce_depth|refined_locations|class_predictions)",
     r"\1_conv", ""),
)  # fmt: skip
_LEAVES = {
    "weights": "kernel",
    "biases": "bias",
    "depthwise_weights": "depthwise_kernel",
    "pointwise_weights": "pointwise_kernel",
}


# Beside a batch normalization, where TensorFlow 1 has none: they do nothing at 0.
_BIASES = r"AttentionBlock/context_projection(_\d)?/bias$"


def keras_name(name):
    """The end of the name of TensorFlow 1's variable in TensorFlow 2, None where it has none."""
    scope, _, leaf = name.rpartition("/")
    normalized = scope.endswith("/BatchNorm")
    if normalized:
        scope = scope[: -len("/BatchNorm")]
    for pattern, plain, norm in _NAMES:
        match = re.fullmatch(pattern, scope)
        if match:
            words = match.expand(norm if normalized else plain)
            # The blocks of a ResNet count from 2.
            words = re.sub(r"<(\d)>", lambda one: str(int(one[1]) + 1), words)
            if "ConvolutionalHead_0" in words:
                words = words.replace("ConvolutionalHead", f"Convolutional{match[1]}Head")
            if leaf == "depthwise_weights" and re.search("smoothing|bottom_up", words):
                words = words.replace("_conv", "_depthwise_conv")
            return f"{words}/{_LEAVES.get(leaf, leaf)}"
    return None


def named(variables, objects):
    """`Names` of variables, by {path: [name, shape]} of what TensorFlow 2 saves."""
    found, unknown = {}, []
    for name in variables:
        end = keras_name(name)
        paths = [
            path for path, (full, _) in objects.items() if end and ("/" + full).endswith("/" + end)
        ]
        if len(paths) == 1:
            found[name] = paths[0]
        else:
            unknown.append(name)
    return names.Names(found, unknown, [])


def config_of_tf2(text):
    """The config that export makes of one."""
    parsed = parse_config(text.encode(), "config")
    meta = parsed.message.model.WhichOneof("model")
    kind = getattr(parsed.message.model, meta).feature_extractor.type
    edits, _ = config.config_edits(parsed.document, parsed.message, meta, kind, "ckpt-0")
    return apply_edits(parsed.document, edits).text


@contextlib.contextmanager
def refusals(objects, title=None):
    """Lifts them; `objects` are what TensorFlow 2 saves, by the path of the source, of a case."""

    def paths(detector):
        used = [name for name in detector.variables if not names.unused(name)]
        saved = objects[detector.path]
        without.clear()
        without.update(
            (path, np.zeros(shape, np.float32))
            for path, (name, shape) in saved.items()
            if re.search(_BIASES, name)
        )
        return named(used, saved).paths

    def object_based(tensors):
        more = {path: constant(path, dtypes.FLOAT32, value) for path, value in without.items()}
        for pattern, factor in _FACTORS.get(title, ()):
            for path in filter(re.compile(pattern).search, tensors):
                value = tensors[path].load() * np.float32(factor)
                more[path] = constant(path, dtypes.FLOAT32, value)
        return written({**tensors, **more})

    class Every(dict):
        """An entry for every feature extractor."""

        def __missing__(self, kind):
            return exactness.Network(kind + "_keras", "")

    without = {}
    written = checkpoint_objects.object_based
    every = Every(exactness.EXACT)
    with contextlib.ExitStack() as stack:
        for module, name, value in (
            (exactness, "problems", lambda detector: ()),
            (exactness, "EXACT", every),
            (config, "EXACT", every),
            (config, "pooling_stride", lambda body: max(body.maxpool_stride // 2, 1)),
            (target, "_paths", paths),
            (checkpoint_objects, "object_based", object_based),
            (target, "_widening", lambda detector: widening.Widening(None)),
        ):
            stack.enter_context(unittest.mock.patch.object(module, name, value))
        yield


def text_of(title):
    family, substitutions, _ = CASES[title]
    return tf2_cases.edited(family, substitutions)
