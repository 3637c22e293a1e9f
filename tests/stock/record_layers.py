"""Asks the stock API which variables each feature extractor has, for write_layers.py.

    record_layers.py RESULT.json TYPE...

Under a Python that has the stock API.  Every type is built several times (PROBES), so that
write_layers.py can tell which widths follow depth_multiplier and how, which layers the config's
own hyperparameters govern, and which only exist with or without depthwise convolutions.

RESULT.json gets {type: {probe: {"variables": [[name, shape, trainable]...], "maps": [width...],
"read": {name: first map that depends on it}, "converted": {name: its name in a classifier of
slim's}}}}, in the order of their creation; "error" in the place of all, where the API refuses to
build it.
"""

import json
import logging
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
logging.disable(logging.WARNING)

import tensorflow.compat.v1 as tf  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from object_detection.builders import model_builder  # noqa: E402
from object_detection.protos import model_pb2  # noqa: E402

NORMALIZED = "batch_norm { scale: true center: true }"
PLAIN = {
    "multiplier": 1.0,
    "least": 8,
    "depth": 256,
    "norm": NORMALIZED,
    "override": False,
    "top": 7,
}
_WIDTHS = {
    "plain": {},
    "half": {"multiplier": 0.5},
    "odd": {"multiplier": 0.33},
    "wide": {"multiplier": 1.37},
    "least": {"multiplier": 0.25, "least": 32},
    "narrow": {"multiplier": 0.5, "depth": 112},
    "shallow": {"depth": 112},
    "fourfold": {"multiplier": 4.0},
    "lesser": {"multiplier": 0.71},
    "more": {"multiplier": 1.45},
}
_NORMS = {
    "bare": {"norm": ""},
    "override": {"norm": "", "override": True},
    "unscaled": {"norm": "batch_norm { scale: false center: false }", "override": True},
}
PROBES = {
    name: dict(PLAIN, depthwise=False, **change)
    for name, change in list(_WIDTHS.items()) + list(_NORMS.items())
}
PROBES.update(
    {
        "depthwise_" + name: dict(PROBES[name], depthwise=True)
        for name in ("plain", "odd", "narrow", "fourfold") + tuple(_NORMS)
    }
)
# FPNs that end within the backbone, which is built whole nonetheless.
TOPS = ("top2", "top3", "top4")
PROBES.update((name, dict(PLAIN, depthwise=False, top=int(name[3:]))) for name in TOPS)
# Where it is asked what depends on what.
READ = ("plain", "depthwise_plain") + TOPS
TWO_STAGE = ("plain",)
STAGES = ("FirstStageFeatureExtractor", "SecondStageFeatureExtractor")
# What the API restores from a classifier of slim's, by a list of names.
CONVERTED = "faster_rcnn_inception_resnet_v2_keras"
# Widths at which all shortcuts of a ResNet are there that are at a depth_multiplier of 1.
PROBES["spared"] = dict(PLAIN, depthwise=False, multiplier=0.3, least=20)
RESNET = (
    "plain",
    "half",
    "odd",
    "wide",
    "fourfold",
    "lesser",
    "more",
    "spared",
    "shallow",
    "depthwise_plain",
) + tuple(_NORMS)

HYPERPARAMS = (
    "activation: RELU_6 regularizer { l2_regularizer {} } "
    "initializer { truncated_normal_initializer {} } %s"
)
SSD = """
ssd {
  num_classes: 3
  image_resizer { fixed_shape_resizer { height: 128 width: 128 } }
  box_coder { faster_rcnn_box_coder {} }
  matcher { argmax_matcher {} }
  similarity_calculator { iou_similarity {} }
  anchor_generator { ssd_anchor_generator { num_layers: 6 } }
  box_predictor { convolutional_box_predictor { conv_hyperparams { %(hyperparams)s } } }
  feature_extractor {
    type: "%(type)s" depth_multiplier: %(multiplier)r min_depth: %(least)d
    use_depthwise: %(depthwise)s override_base_feature_extractor_hyperparams: %(override)s
    %(fpn)s
    conv_hyperparams { %(hyperparams)s }
  }
  loss { classification_loss { weighted_sigmoid {} } localization_loss { weighted_smooth_l1 {} } }
  post_processing { batch_non_max_suppression {} }
}
"""
FASTER_RCNN = """
faster_rcnn {
  num_classes: 3
  image_resizer { fixed_shape_resizer { height: 224 width: 224 } }
  feature_extractor { type: "%(type)s" first_stage_features_stride: 16 }
  first_stage_anchor_generator { grid_anchor_generator {} }
  first_stage_box_predictor_conv_hyperparams { op: CONV %(hyperparams)s }
  initial_crop_size: 14 maxpool_kernel_size: 2 maxpool_stride: 2
  second_stage_box_predictor { mask_rcnn_box_predictor {
    fc_hyperparams { op: FC %(hyperparams)s } } }
  second_stage_post_processing { batch_non_max_suppression {} }
}
"""


def feature_maps(extractor, kind):
    """What an SSD's extractor gives."""
    image = tf.zeros([1, 256, 256, 3])
    if kind.endswith("_keras"):
        return extractor(image)
    with tf.variable_scope("FeatureExtractor"):
        return extractor.extract_features(image)


def stages(extractor, kind):
    """What both stages of a Faster R-CNN's extractor give."""
    image = tf.zeros([1, 224, 224, 3])
    if kind.endswith("_keras"):
        first = extractor.get_proposal_feature_extractor_model(name=STAGES[0])(image)
    else:
        first = extractor.extract_proposal_features(image, scope=STAGES[0])
        first = first[0] if isinstance(first, tuple) else first
    size = 17 if "nas" in kind or kind.endswith("_keras") else 14
    crops = tf.zeros([1, size, size, first.shape.as_list()[-1]])
    if kind.endswith("_keras"):
        return first, extractor.get_box_classifier_feature_extractor_model(name=STAGES[1])(crops)
    return first, extractor.extract_box_classifier_features(crops, scope=STAGES[1])


def read(maps):
    """{trainable variable: the first of the maps that depends on it}."""
    variables, found = tf.trainable_variables(), {}
    for place, one in enumerate(maps):
        for variable, gradient in zip(variables, tf.gradients(one, variables)):
            if gradient is not None:
                found.setdefault(variable.op.name, place)
    return found


def build(kind, probe):
    """Variables of one build, and the widths of what the extractor gives."""
    options = PROBES[probe]
    two_stage = kind.startswith("faster_rcnn")
    # MnasFPN has these levels alone.
    low, high = (3, 6) if kind.endswith("mnasfpn") else (2, options["top"])
    depth = options["depth"]
    fpn = f"fpn {{ additional_layer_depth: {depth} min_level: {low} max_level: {high} }}"
    text = (FASTER_RCNN if two_stage else SSD) % dict(
        options,
        type=kind,
        hyperparams=HYPERPARAMS % options["norm"],
        fpn=fpn if kind.endswith(("fpn", "fpn_keras")) else "",
        # Inception takes no settings of its own.
        override=str(options["override"] or kind.startswith("ssd_inception")).lower(),
        depthwise=str(options["depthwise"]).lower(),
    )
    with tf.Graph().as_default():
        # As the trainers do: a NASNet, which anneals by it, would make one in a scope of its own.
        tf.train.get_or_create_global_step()
        model = model_builder.build(
            text_format.Parse(text, model_pb2.DetectionModel()), is_training=True
        )
        extractor = model._feature_extractor
        maps = (stages if two_stage else feature_maps)(extractor, kind)
        trainable = {one.op.name for one in tf.trainable_variables()}
        converted = (
            {}
            if kind != CONVERTED
            else {
                variable.op.name: name
                for name, variable in extractor.restore_from_classification_checkpoint_fn(
                    *STAGES
                ).items()
            }
        )
        return {
            "maps": [one.shape.as_list()[-1] for one in maps],
            "converted": converted,
            "read": read(maps) if probe in READ else {},
            "variables": [
                [one.op.name, one.shape.as_list(), one.op.name in trainable]
                for one in tf.global_variables()
                if one.op.name != tf.GraphKeys.GLOBAL_STEP
            ],
        }


def probes_of(kind):
    """Which probes are made of a type."""
    if kind.startswith("faster_rcnn"):
        return TWO_STAGE
    levels = TOPS if kind.endswith(("_fpn", "_fpn_keras")) else ()
    if kind.startswith("ssd_resnet") and kind.endswith("fpn"):
        return RESNET + levels
    return tuple(probe for probe in PROBES if probe != "spared" and probe not in TOPS) + levels


def main(result, *kinds):
    found = {}
    for kind in kinds:
        found[kind] = {}
        for probe in probes_of(kind):
            try:
                found[kind][probe] = build(kind, probe)
            except Exception as error:  # whatever the API raises is the answer
                found[kind][probe] = {"error": f"{type(error).__name__}: {error}"}
                print(kind, probe, found[kind][probe]["error"][:300], file=sys.stderr)
    with open(result, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
