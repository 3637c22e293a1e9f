"""The detectors that TensorFlow 2 computes alike: small configs, as substitutions in those of
tests/stock/families, and what the stock code of TensorFlow 2 saves for each (tf2_objects.json.gz,
written by tests/stock/record_tf2.py)."""

import gzip
import json
import os
import re

import numpy as np
import repository

import graphfix
from graphfix.detectors.variables import model_variables
from graphfix.formats import dtypes
from graphfix.pipeline_config.document import parse_config

FAMILIES = os.path.join(repository.TESTS, "stock", "families")
RECORDED = os.path.join(repository.TESTS, "exporting", "tf2_objects.json.gz")

_WHOLE = (("depth_multiplier: 0.25", "depth_multiplier: 1.0"),)
_DEPTHWISE = (
    ("depth_multiplier: 0.25", "depth_multiplier: 0.75 use_depthwise: true"),
    ("kernel_size: 1", "kernel_size: 3 use_depthwise: true"),
)
_PADDED = ((r"(feature_extractor {\s+)type:", r"\1use_explicit_padding: true type:"),)
_DRY = (("kernel_size: 1", "kernel_size: 3 use_dropout: false"),)
_LAYERS = (
    ("num_conv_layers: 1", "num_conv_layers: 3"),
    ("use_dropout: false", "use_dropout: true"),
)
_UPSAMPLED = (
    ("mask_height: 15 mask_width: 15", "mask_height: 14 mask_width: 14"),
    ("num_conv_layers: 1", "num_conv_layers: 2 convolve_then_upsample_masks: true"),
)
_SHARED = (
    ("mask_rcnn_box_predictor {", "mask_rcnn_box_predictor { share_box_across_classes: true"),
)
# Many proposals, of which some end inside of the picture.
_ATROUS = (
    ("maxpool_stride: 2", "first_stage_atrous_rate: 2 maxpool_stride: 2"),
    ("first_stage_max_proposals: 8", "first_stage_max_proposals: 30"),
)
_AGNOSTIC = (("num_conv_layers: 1", "num_conv_layers: 2 masks_are_class_agnostic: true"),)
# Of some maps as wide as they may be, of others as wide as the map.
_MIXED = (("max_depth: 32", "max_depth: 100"),)
# Heads that all maps share, which need as many boxes everywhere.
SHARED = (
    (
        r"(?s)convolutional_box_predictor \{.*?conv_hyperparams",
        "weight_shared_convolutional_box_predictor { depth: 64 num_layers_before_predictor: 2 "
        "kernel_size: 3 conv_hyperparams",
    ),
    ("min_scale:", "reduce_boxes_in_lowest_layer: false min_scale:"),
)
# Four maps of three widths, so that one width is that of most.
FOUR_SHARED = (
    *SHARED,
    ("num_layers: 6", "num_layers: 4"),
    ("min_depth:", "num_layers: 4 min_depth:"),
)
_ONE_TOWER = (
    (
        "num_layers_before_predictor: 2",
        "num_layers_before_predictor: 2 use_depthwise: true use_dropout: true "
        "share_prediction_tower: true",
    ),
)
_DEEP_DEPTHWISE = (
    (
        r"kernel_size: \d",
        "kernel_size: 3 use_depthwise: true use_dropout: true num_layers_before_predictor: 3 "
        "min_depth: 8 max_depth: 300",
    ),
)
# Title: the family's file, and substitutions in it.
CASES = {
    "ssd_mobilenet_v1": ("ssd_mobilenet_v1", _WHOLE),
    "ssd_mobilenet_v1, kernels of 3, no dropout": ("ssd_mobilenet_v1", _WHOLE + _DRY),
    "ssd_mobilenet_v1, explicit padding": ("ssd_mobilenet_v1", _WHOLE + _PADDED),
    "ssd_mobilenet_v1, softmax": ("ssd_softmax", _WHOLE),
    "ssd_mobilenet_v1, no background": ("ssd_no_background", _WHOLE),
    "ssd_mobilenet_v1, explicit background": ("ssd_explicit_background", _WHOLE),
    "ssd_mobilenet_v1, one map": ("ssd_one_feature_map", _WHOLE),
    "ssd_mobilenet_v1, layers before the predictor": ("ssd_layers_before_predictor", _WHOLE),
    "ssd_mobilenet_v1, depth 0.25": ("ssd_mobilenet_v1", ()),
    "ssd_mobilenet_v1, depth 0.5, kernels of 3": ("ssd_mobilenet_v1_half", ()),
    "ssd_mobilenet_v1, depth 0.75, depthwise": ("ssd_mobilenet_v1", _DEPTHWISE),
    "ssd_mobilenet_v1, depth 0.25, layers before the predictor": (
        "ssd_layers_before_predictor",
        _MIXED,
    ),
    "ssd_mobilenet_v1, depth 0.25, one map, depthwise layers before the predictor": (
        "ssd_one_feature_map",
        _DEEP_DEPTHWISE,
    ),
    "ssd_mobilenet_v1, heads that share weights": ("ssd_mobilenet_v1", _WHOLE + FOUR_SHARED),
    "ssd_mobilenet_v2": ("ssd_mobilenet_v2", ()),
    "ssd_mobilenet_v2, explicit padding": ("ssd_mobilenet_v2", _PADDED),
    "ssd_mobilenet_v2, heads that share weights": ("ssd_mobilenet_v2", SHARED),
    "ssd_mobilenet_v2, heads that share weights, depthwise, one tower": (
        "ssd_mobilenet_v2",
        SHARED + _ONE_TOWER,
    ),
    "ssdlite_mobilenet_v2": ("ssdlite_mobilenet_v2", ()),
    "faster_rcnn_resnet50": ("faster_rcnn_resnet50", ()),
    "faster_rcnn_resnet101": ("faster_rcnn_resnet101", ()),
    "faster_rcnn_resnet152": ("faster_rcnn_resnet152", ()),
    "mask_rcnn_resnet50": ("mask_rcnn_resnet50", ()),
    "mask_rcnn_resnet50, three layers, dropout": ("mask_rcnn_resnet50", _LAYERS),
    "mask_rcnn_resnet50, upsampled": ("mask_rcnn_resnet50", _UPSAMPLED),
    "mask_rcnn_resnet50, agnostic": ("mask_rcnn_resnet50", _AGNOSTIC),
    "faster_rcnn_resnet50, atrous rate 2": ("faster_rcnn_resnet50", _ATROUS),
    "faster_rcnn_resnet50, shared boxes": ("faster_rcnn_resnet50", _SHARED),
}


def text_of(title):
    """The config of a case, for TensorFlow 1."""
    family, substitutions = CASES[title]
    return edited(family, substitutions)


def edited(family, substitutions):
    with open(os.path.join(FAMILIES, family + ".config"), encoding="utf-8") as file:
        text = file.read()
    for old, new in substitutions:
        assert re.search(old, text), old
        text = re.sub(old, new, text)
    return text


def variables(text):
    """The shapes of a config's variables by name, and its message."""
    message = parse_config(text.encode(), "case").message
    found = model_variables(message, revision="2021-01", config="case")
    return {one.name: one.shape for one in found}, message


def model_of(text, seed=None):
    """A model in memory; its variables are 0, or random."""
    random = np.random.RandomState(seed)
    arrays = {}
    for name, shape in variables(text)[0].items():
        value = np.zeros(shape) if seed is None else random.standard_normal(shape)
        arrays[name] = np.asarray(value, dtypes.FLOAT32.numpy)
    return graphfix.model_in_memory(arrays, text)


def recorded():
    """What TensorFlow 2 saves, by title: the name and the shape of each variable by its path."""
    with gzip.open(RECORDED, "rt", encoding="ascii") as file:
        return json.load(file)
