"""Makes a tiny detector without TensorFlow: checkpoint, pipeline.config, label map.

An SSD MobileNet v1 a sixteenth as wide as the published one; its variables' names and shapes are
those that the stock API (2019-07) builds for CONFIG, the values are seeded noise.
"""

import os

import numpy as np

from graphfix.formats import dtypes
from graphfix.formats.checkpoint import reader, writer
from graphfix.formats.graphdef import files
from graphfix.formats.schema import message_class
from graphfix.formats.tensors import TensorStore, constant
from graphfix.modeldir import manifest

CLASSES = ("cat", "dog", "traffic light", "person")
ANCHORS = (3, 6, 6, 6, 6, 6)

_SCOPE = "FeatureExtractor/MobilenetV1/"
_POINTWISE = (4, 8, 8, 16, 16, 32, 32, 32, 32, 32, 32, 64, 64)
_EXTRA = ((16, 32), (8, 16), (8, 16), (4, 8))
_MAPS = (32, 64, 32, 16, 16, 8)

CONFIG = """\
# A tiny detector.   (This comment, and all others, must survive.)
model {
  ssd {
    num_classes: %(classes)d  # how many
    box_coder { faster_rcnn_box_coder { y_scale: 10 x_scale: 10 height_scale: 5 width_scale: 5 } }
    matcher { argmax_matcher { matched_threshold: 0.5 unmatched_threshold: 0.5 } }
    similarity_calculator { iou_similarity {} }
    anchor_generator {
      ssd_anchor_generator {
        num_layers: 6
        min_scale: 0.2
        max_scale: 0.95
        aspect_ratios: 1.0
        aspect_ratios: 2.0
        aspect_ratios: 0.5
        aspect_ratios: 3.0
        aspect_ratios: 0.3333
      }
    }
    image_resizer { fixed_shape_resizer { height: 160 width: 160 } }
    box_predictor {
      convolutional_box_predictor {
        kernel_size: 1
        box_code_size: 4
        conv_hyperparams {
          activation: RELU_6
          regularizer { l2_regularizer { weight: 0.00004 } }
          initializer { truncated_normal_initializer { stddev: 0.03 } }
        }
      }
    }
    feature_extractor {
      type: 'ssd_mobilenet_v1'
      min_depth: 1
      depth_multiplier: 0.0625
      conv_hyperparams {
        activation: RELU_6
        regularizer { l2_regularizer { weight: 0.00004 } }
        initializer { truncated_normal_initializer { stddev: 0.03 } }
        batch_norm { train: true scale: true center: true decay: 0.97 epsilon: 0.001 }
      }
    }
    loss {
      classification_loss { weighted_sigmoid {} }
      localization_loss { weighted_smooth_l1 {} }
    }
    post_processing { score_converter: SIGMOID }
  }
}

train_config {
  batch_size: 2
  optimizer {
    rms_prop_optimizer {
      learning_rate { constant_learning_rate { learning_rate: 0.001 } }
    }
  }
  # Where it came from: ssd_mobilenet_v1_coco_2018_01_28.
  fine_tune_checkpoint: "PATH_TO_BE_CONFIGURED/model.ckpt"
  num_steps: 1000
  data_augmentation_options {
    random_horizontal_flip {
    }
  }
}

train_input_reader {
  tf_record_input_reader {
    input_path: "records/train.record"
  }
  label_map_path: "records/label_map.pbtxt"
}
eval_config { num_examples: 8 }
eval_input_reader {
  tf_record_input_reader {
    input_path: "records/val.record"
  }
  label_map_path: "records/label_map.pbtxt"
  shuffle: false
}
# The end.
"""


def variables(classes):
    """{name: shape} of the detector's variables, without global_step."""
    out = {}

    def convolution(scope, shape, leaf="weights"):
        out[scope + "/" + leaf] = shape
        for name in ("beta", "gamma", "moving_mean", "moving_variance"):
            width = shape[2] if leaf == "depthwise_weights" else shape[3]
            out[f"{scope}/BatchNorm/{name}"] = (width,)

    convolution(_SCOPE + "Conv2d_0", (3, 3, 3, 2))
    before = 2
    for number, width in enumerate(_POINTWISE, 1):
        convolution(f"{_SCOPE}Conv2d_{number}_depthwise", (3, 3, before, 1), "depthwise_weights")
        convolution(f"{_SCOPE}Conv2d_{number}_pointwise", (1, 1, before, width))
        before = width
    for number, (narrow, wide) in enumerate(_EXTRA, 2):
        top = _SCOPE + "Conv2d_13_pointwise"
        convolution(f"{top}_1_Conv2d_{number}_1x1_{narrow}", (1, 1, before, narrow))
        convolution(f"{top}_2_Conv2d_{number}_3x3_s2_{wide}", (3, 3, narrow, wide))
        before = wide
    for number, (depth, anchors) in enumerate(zip(_MAPS, ANCHORS)):
        for head, width in (("BoxEncodingPredictor", 4), ("ClassPredictor", classes + 1)):
            scope = f"BoxPredictor_{number}/{head}"
            out[scope + "/weights"] = (1, 1, depth, anchors * width)
            out[scope + "/biases"] = (anchors * width,)
    return out


def values(classes, seed=0):
    """The detector's tensors: seeded noise, and a global_step far along."""
    random = np.random.RandomState(seed)
    out = {
        name: random.standard_normal(shape).astype(np.float32)
        for name, shape in sorted(variables(classes).items())
    }
    out["global_step"] = np.asarray(200000, np.int64)
    return out


def trained_state(tensors, seed=1):
    """The tensors with RMSProp's slots and moving averages, as a training checkpoint has them."""
    random = np.random.RandomState(seed)
    out = dict(tensors)
    for name, value in sorted(tensors.items()):
        if name == "global_step" or "/moving_" in name:
            continue
        for suffix in ("/RMSProp", "/RMSProp_1", "/ExponentialMovingAverage"):
            out[name + suffix] = random.standard_normal(value.shape).astype(np.float32)
    return out


def write_checkpoint(prefix, tensors):
    by_numpy = {
        dtype.numpy: dtype for dtype in reversed(list(dtypes.BY_NUMBER.values())) if dtype.numpy
    }
    writer.write_bundle(
        TensorStore(
            constant(name, by_numpy[value.dtype], value) for name, value in tensors.items()
        ),
        prefix,
    )


def read_checkpoint(prefix):
    """{name: array} of a checkpoint."""
    return {name: view.load() for name, view in reader.open_bundle(prefix).items()}


def label_map(names):
    """The text of a label map: names with ids from 1, or {id: name}."""
    rows = names.items() if isinstance(names, dict) else enumerate(names, 1)
    return "".join(f'item {{\n  id: {number}\n  name: "{name}"\n}}\n' for number, name in rows)


def write_model(directory, *, names=CLASSES, classes=None, tensors=None, config=None):
    """A model directory: model.ckpt, pipeline.config, and label_map.pbtxt where there are names."""
    classes = classes or len(names)
    os.makedirs(str(directory))
    write_checkpoint(
        os.path.join(str(directory), "model.ckpt"), values(classes) if tensors is None else tensors
    )
    write(directory, "pipeline.config", CONFIG % {"classes": classes} if config is None else config)
    if names:
        write(directory, "label_map.pbtxt", label_map(names))
    return str(directory)


def write(directory, name, content):
    """Writes a file (str as UTF-8, line ends as they are), and its directory; its path."""
    path = os.path.join(str(directory), name)
    os.makedirs(str(directory), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
    return path


# Output -> shape, in the signature of an exported SSD of eight classes.
SAVED_MODEL_SHAPES = {
    "detection_boxes": (-1, 100, 4),
    "detection_classes": (-1, 100),
    "detection_scores": (-1, 100),
    "num_detections": (-1,),
    "raw_detection_scores": (-1, -1, 9),
    "detection_multiclass_scores": (-1, 100, 9),
}


def publish(directory, *names):
    """Makes a directory one of an earlier run of graphfix: with files in it and its manifest."""
    os.makedirs(str(directory), exist_ok=True)
    for name in names:
        write(str(directory), name, "of before")
    manifest.write(str(directory))
    return str(directory)


def write_saved_model(directory, frozen, change=lambda saved: None):
    """Writes a frozen graph as a SavedModel, as the exporter does; gives its directory."""
    saved = message_class("graphfix.graph.SavedModel")(saved_model_schema_version=1)
    meta = saved.meta_graphs.add()
    meta.meta_info_def.tags.append("serve")
    meta.graph_def.CopyFrom(files.read_graph_def(frozen))
    signature = meta.signature_def["serving_default"]
    signature.inputs["inputs"].name = "image_tensor:0"
    for name, shape in SAVED_MODEL_SHAPES.items():
        info = signature.outputs[name]
        info.name = name + ":0"
        for size in shape:
            info.tensor_shape.dim.add(size=size)
    change(saved)
    os.makedirs(os.path.join(str(directory), "variables"))
    with open(os.path.join(str(directory), "saved_model.pb"), "wb") as file:
        file.write(files.to_bytes(saved))
    return str(directory)
