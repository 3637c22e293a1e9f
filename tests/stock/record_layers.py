"""Asks the stock API which variables each feature extractor has: what layers.txt is made from.

    record_layers.py RESULT.json TYPE...

Under a Python that has the stock API.  Every type is built several times (PROBES), so that
write_layers.py can tell which widths follow depth_multiplier and how, which layers the config's
own hyperparameters govern, and which only exist with or without depthwise convolutions.

RESULT.json gets {type: {probe: {"variables": [[name, shape, trainable]...], "maps": [width...]}}},
in the order of their creation; "error" in the place of both, where the API refuses to build it.
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
PLAIN = {"multiplier": 1.0, "least": 8, "depth": 256, "norm": NORMALIZED, "override": False}
_WIDTHS = {
    "plain": {}, "half": {"multiplier": 0.5}, "odd": {"multiplier": 0.33},
    "wide": {"multiplier": 1.37}, "least": {"multiplier": 0.25, "least": 32},
    "narrow": {"multiplier": 0.5, "depth": 112}, "shallow": {"depth": 112},
}
_NORMS = {
    "bare": {"norm": ""}, "override": {"norm": "", "override": True},
    "unscaled": {"norm": "batch_norm { scale: false center: false }", "override": True},
}
PROBES = {name: dict(PLAIN, depthwise=False, **change)
          for name, change in list(_WIDTHS.items()) + list(_NORMS.items())}
PROBES.update({"depthwise_" + name: dict(PROBES[name], depthwise=True)
               for name in ("plain", "odd", "narrow") + tuple(_NORMS)})
TWO_STAGE = ("plain",)
# A depth_multiplier changes which of a ResNet's units have a shortcut: only 1 is recorded.
RESNET = ("plain", "shallow") + tuple(_NORMS)

HYPERPARAMS = ("activation: RELU_6 regularizer { l2_regularizer {} } "
               "initializer { truncated_normal_initializer {} } %s")
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


def build(kind, probe):
    """Variables of one build, and the widths of what the extractor gives."""
    options = PROBES[probe]
    two_stage = kind.startswith("faster_rcnn")
    text = (FASTER_RCNN if two_stage else SSD) % dict(
        options, type=kind, hyperparams=HYPERPARAMS % options["norm"],
        fpn="fpn { additional_layer_depth: %d %s }" % (
            options["depth"], "max_level: 6" if kind.endswith("mnasfpn") else "")
        if kind.endswith("fpn") else "",
        # Inception takes no settings of its own.
        override=str(options["override"] or kind.startswith("ssd_inception")).lower(),
        depthwise=str(options["depthwise"]).lower())
    with tf.Graph().as_default():
        # As the trainers do: a NASNet, which anneals by it, would make one in a scope of its own.
        tf.train.get_or_create_global_step()
        model = model_builder.build(text_format.Parse(text, model_pb2.DetectionModel()),
                                    is_training=True)
        extractor = model._feature_extractor
        if two_stage:
            features = extractor.extract_proposal_features(
                tf.zeros([1, 224, 224, 3]), scope="FirstStageFeatureExtractor")
            features = features[0] if isinstance(features, tuple) else features
            width = features.shape.as_list()[-1]
            boxes = extractor.extract_box_classifier_features(
                tf.zeros([1, 14 if "nas" not in kind else 17, 14 if "nas" not in kind else 17,
                          width]), scope="SecondStageFeatureExtractor")
            maps = [width, boxes.shape.as_list()[-1]]
        else:
            with tf.variable_scope("FeatureExtractor"):
                maps = [one.shape.as_list()[-1]
                        for one in extractor.extract_features(tf.zeros([1, 256, 256, 3]))]
        trainable = {one.op.name for one in tf.trainable_variables()}
        return {"maps": maps, "variables": [
            [one.op.name, one.shape.as_list(), one.op.name in trainable]
            for one in tf.global_variables() if one.op.name != tf.GraphKeys.GLOBAL_STEP]}


def main(result, *kinds):
    found = {}
    for kind in kinds:
        found[kind] = {}
        for probe in PROBES:
            if kind.startswith("faster_rcnn") and probe not in TWO_STAGE or \
                    "_resnet" in kind and probe not in RESNET:
                continue
            try:
                found[kind][probe] = build(kind, probe)
            except Exception as error:  # whatever the API raises is the answer
                found[kind][probe] = {"error": "%s: %s" % (type(error).__name__, error)}
                print(kind, probe, found[kind][probe]["error"][:300], file=sys.stderr)
    with open(result, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
