"""Makes the setups in broken/: each a config that does not train, and what is beside it.

    PYTHONPATH=.. python make_broken.py [DIRECTORY]      (in testdata/; default: broken)

A case is a directory: pipeline.config, whatever of label maps, records and checkpoints it breaks,
and expected.json: the code of the finding that comes first, the flags of `graphfix doctor`, and
whether --fix cures it.  Paths in the configs start at testdata/.  All of them are one healthy setup
(BASE) with one thing changed, modelled on what people report.  Checkpoints hold what tells models
apart, a first layer and the heads, with one input channel.

The values written are the same each time, and tests hold the files against this script.
"""

import json
import os
import re
import struct
import sys
import zlib

import numpy as np

from graphfix.formats import dtypes
from graphfix.formats.checkpoint.writer import write_bundle
from graphfix.formats.checksum import crc32c, mask
from graphfix.formats.schema import message_class
from graphfix.formats.tensors import TensorStore, constant

CLASSES = ("circle", "square", "triangle", "star", "cross", "ring", "hexagon", "crescent")
SIZE = 160

BASE = """\
model {
  ssd {
    num_classes: 8
    image_resizer { fixed_shape_resizer { height: 160 width: 160 } }
    feature_extractor {
      type: "ssd_mobilenet_v1"
      depth_multiplier: 0.25
      min_depth: 16
      conv_hyperparams {
        activation: RELU_6
        regularizer { l2_regularizer { weight: 4e-5 } }
        initializer { truncated_normal_initializer { stddev: 0.03 } }
        batch_norm { decay: 0.97 center: true scale: true epsilon: 0.001 train: true }
      }
      override_base_feature_extractor_hyperparams: true
    }
    box_coder { faster_rcnn_box_coder { y_scale: 10 x_scale: 10 height_scale: 5 width_scale: 5 } }
    matcher { argmax_matcher { matched_threshold: 0.5 unmatched_threshold: 0.5 force_match_for_each_row: true } }
    similarity_calculator { iou_similarity {} }
    box_predictor {
      convolutional_box_predictor {
        kernel_size: 1
        box_code_size: 4
        use_dropout: false
        conv_hyperparams {
          activation: RELU_6
          regularizer { l2_regularizer { weight: 4e-5 } }
          initializer { truncated_normal_initializer { stddev: 0.03 } }
          batch_norm { decay: 0.97 center: true scale: true epsilon: 0.001 train: true }
        }
      }
    }
    anchor_generator {
      ssd_anchor_generator {
        num_layers: 6
        min_scale: 0.2
        max_scale: 0.95
        aspect_ratios: [1.0, 2.0, 0.5, 3.0, 0.3333]
      }
    }
    loss {
      classification_loss { weighted_sigmoid {} }
      localization_loss { weighted_smooth_l1 {} }
      classification_weight: 1.0
      localization_weight: 1.0
    }
    normalize_loss_by_num_matches: true
    post_processing {
      batch_non_max_suppression { score_threshold: 0.02 iou_threshold: 0.6 }
      score_converter: SIGMOID
    }
  }
}
train_config {
  batch_size: 4
  num_steps: 6000
  optimizer {
    momentum_optimizer {
      learning_rate {
        cosine_decay_learning_rate {
          learning_rate_base: 0.01
          total_steps: 6000
          warmup_learning_rate: 0.003
          warmup_steps: 200
        }
      }
      momentum_optimizer_value: 0.9
    }
    use_moving_average: false
  }
  fine_tune_checkpoint: "shapes_detector/model.ckpt"
  from_detection_checkpoint: true
  load_all_detection_checkpoint_vars: true
  data_augmentation_options { random_horizontal_flip {} }
  max_number_of_boxes: 8
}
train_input_reader {
  label_map_path: "shapes_detector/shapes_label_map.pbtxt"
  tf_record_input_reader { input_path: "shapes/train.record" }
}
eval_config {
  num_examples: 120
  metrics_set: "pascal_voc_detection_metrics"
}
eval_input_reader {
  label_map_path: "shapes_detector/shapes_label_map.pbtxt"
  shuffle: false
  num_readers: 1
  tf_record_input_reader { input_path: "shapes/val.record" }
}
"""  # noqa: E501


# Small files


def png(height=SIZE, width=SIZE, shade=0, channels=3):
    """A PNG of one shade with a bright square."""
    pixels = np.full((height, width, channels), 40 + shade, np.uint8)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = 200
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data))
            + kind
            + data
            + struct.pack(">I", zlib.crc32(kind + data) & 0xFFFFFFFF)
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def jpeg(height=SIZE, width=SIZE, channels=3, end=b"\xff\xd9"):
    """The headers of a JPEG, without a picture."""
    components = b"".join(struct.pack(">BBB", number + 1, 0x11, 0) for number in range(channels))
    frame = struct.pack(">BHHB", 8, height, width, channels) + components
    return (
        b"\xff\xd8\xff\xc0"
        + struct.pack(">H", 2 + len(frame))
        + frame
        + b"\xff\xda\0\2"
        + b"\x55" * 40
        + end
    )


LISTS = {bytes: "bytes_list", int: "int64_list", float: "float_list"}
# The lists of keys whose values may be none.
KINDS = {"image/object/class/text": "bytes_list", "image/object/class/label": "int64_list"}
SQUARE = (0.25, 0.25, 0.5, 0.5)


def example(number, **changes):
    """The features of one record; None leaves one out."""
    features = {
        "image/encoded": [png(shade=number % 150)],
        "image/format": [b"png"],
        "image/height": [SIZE],
        "image/width": [SIZE],
        "image/source_id": [b"%d.png" % number],
        "image/object/bbox/ymin": [SQUARE[0]],
        "image/object/bbox/xmin": [SQUARE[1]],
        "image/object/bbox/ymax": [SQUARE[2]],
        "image/object/bbox/xmax": [SQUARE[3]],
        "image/object/class/text": [CLASSES[number % len(CLASSES)].encode()],
        "image/object/class/label": [number % len(CLASSES) + 1],
    }
    names = {
        "box": None,
        "text": "image/object/class/text",
        "label": "image/object/class/label",
        "encoded": "image/encoded",
        "format": "image/format",
        "height": "image/height",
        "width": "image/width",
        "source": "image/source_id",
    }
    for name, value in changes.items():
        if name == "box":
            for edge, one in zip(("ymin", "xmin", "ymax", "xmax"), value):
                features["image/object/bbox/" + edge] = [one]
        elif name == "boxes":
            for column, edge in enumerate(("ymin", "xmin", "ymax", "xmax")):
                features["image/object/bbox/" + edge] = [box[column] for box in value]
        else:
            features[names[name]] = value
    return {key: value for key, value in features.items() if value is not None}


def records(examples):
    """A TFRecord file of features."""
    out = []
    for features in examples:
        message = message_class("graphfix.example.Example")()
        for key in sorted(features):
            entry = message.features.feature.add(key=key.encode())
            values = features[key]
            kind = LISTS[type(values[0])] if values else KINDS.get(key, "float_list")
            entry.value.SetInParent()
            getattr(entry.value, kind).value.extend(values)
        out.append(message.SerializeToString())
    return framed(out)


def framed(contents):
    """A TFRecord file of these records."""
    return b"".join(
        length
        + struct.pack("<I", mask(crc32c(length)))
        + data
        + struct.pack("<I", mask(crc32c(data)))
        for length, data in ((struct.pack("<Q", len(data)), data) for data in contents)
    )


def set_of(count=8, **changes):
    """Records of one image of each class, all with the same changes."""
    return records(example(number, **changes) for number in range(count))


def one_bad(**changes):
    """Eight records, the fourth with changes."""
    return records(example(number, **(changes if number == 3 else {})) for number in range(8))


def label_map(items):
    return "".join(
        f"item {{\n  id: {number}\n  name: '{name}'\n}}\n" for number, name in items
    ).encode()


def tensors(
    classes=8,
    anchors=(3, 6, 6, 6, 6, 6),
    kernel=1,
    first="MobilenetV1/Conv2d_0/weights",
    scope="FeatureExtractor/",
    width=16,
    step=None,
    more=None,
    depthwise=False,
):
    """What tells an SSD from another: its first layer and its heads."""
    out = {scope + first: np.full((3, 3, 3, width), 0.01, np.float32)}
    for number, count in enumerate(anchors):
        for head, channels in (
            ("ClassPredictor", count * (classes + 1)),
            ("BoxEncodingPredictor", count * 4),
        ):
            name = f"BoxPredictor_{number}/{head}"
            out[name + "/weights"] = np.full((kernel, kernel, 1, channels), 0.01, np.float32)
            out[name + "/biases"] = np.zeros(channels, np.float32)
            if depthwise:
                out[name + "_depthwise/depthwise_weights"] = np.full((3, 3, 1, 1), 0.01, np.float32)
    if step is not None:
        out["global_step"] = np.asarray(step, np.int64)
    out.update(more or {})
    return out


def of_keras():
    """The same as Keras names them."""
    names = {
        "weights": "kernel",
        "biases": "bias",
        "ClassPredictor": "ConvolutionalClassHead",
        "BoxEncodingPredictor": "ConvolutionalBoxHead",
    }

    def renamed(match):
        number, head, leaf = match.groups()
        return f"BoxPredictor/{names[head]}_{number}/{head}/{names[leaf]}"

    return {
        re.sub(r"BoxPredictor_(\d)/(\w+)/(\w+)", renamed, name): value
        for name, value in tensors(
            scope="ssd_mobile_net_v1keras_feature_extractor/", first="conv1/kernel"
        ).items()
    }


def trained(step=100, **changes):
    """A checkpoint of training with Momentum."""
    model = tensors(step=step, **changes)
    model.update(
        {
            name + "/Momentum": np.zeros_like(value)
            for name, value in list(model.items())
            if name != "global_step"
        }
    )
    return model


# The cases


class Case:
    """What a case writes: files (name to bytes), checkpoints (prefix to tensors), the config."""

    def __init__(self, directory, name, first):
        self.name, self.first, self.text = name, first, BASE
        self.directory = os.path.join(directory, name)
        self.files, self.checkpoints, self.flags, self.fixed = {}, {}, [], False

    def change(self, old, new):
        assert self.text.count(old) == 1, (self.name, old, self.text.count(old))
        self.text = self.text.replace(old, new)
        return self

    def cut(self, line):
        return self.change(line, "")

    def fixable(self):
        self.fixed = True
        return self

    def flag(self, *words):
        self.flags += words
        return self

    def file(self, name, data):
        self.files[name] = data
        return self

    def at(self, name):
        """The path of one of its files, as the config has it."""
        return f"broken/{self.name}/{name}"

    def checkpoint(self, values):
        self.checkpoints["model.ckpt"] = values
        return self.change("shapes_detector/model.ckpt", self.at("model.ckpt"))

    def train_on(self, data, name="train.record"):
        return self.file(name, data).change("shapes/train.record", self.at(name))

    def evaluate_on(self, data):
        self.change("num_examples: 120", "num_examples: 8")
        return self.file("val.record", data).change("shapes/val.record", self.at("val.record"))

    def labels(self, items):
        self.text = self.text.replace(
            "shapes_detector/shapes_label_map.pbtxt", self.at("labels.pbtxt")
        )
        return self.file("labels.pbtxt", items if isinstance(items, bytes) else label_map(items))

    def model_dir(self, values, name="model.ckpt-100", state=None):
        self.checkpoints["training/" + name] = values
        self.file("training/checkpoint", (f'model_checkpoint_path: "{state or name}"\n').encode())
        return self.flag("--model_dir", self.at("training"))

    def write(self):
        for name, values in self.checkpoints.items():
            path = os.path.join(self.directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if values is not None:
                by_numpy = {
                    one.numpy: one for one in reversed(list(dtypes.BY_NUMBER.values())) if one.numpy
                }
                write_bundle(
                    TensorStore(
                        constant(name, by_numpy[value.dtype], value)
                        for name, value in values.items()
                    ),
                    path,
                )
        self.files["pipeline.config"] = self.text.encode("utf-8")
        self.files["expected.json"] = (
            json.dumps(
                {"first": self.first, "flags": self.flags, "fixable": self.fixed},
                indent=2,
                sort_keys=True,
            )
            + "\n"
        ).encode()
        for name, data in self.files.items():
            path = os.path.join(self.directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)


def cases(directory):
    """Every case, in the order of the checks."""

    def case(name, first):
        return Case(directory, name, first)

    checkpoint = 'fine_tune_checkpoint: "shapes_detector/model.ckpt"'
    train_path = 'input_path: "shapes/train.record"'
    labels_of_train = (
        'train_input_reader {\n  label_map_path: "shapes_detector/shapes_label_map.pbtxt"'
    )
    ids = list(enumerate(CLASSES, 1))
    cosine = BASE[BASE.index("        cosine_decay") : BASE.index("      }\n      momentum_opt")]

    # The config
    yield case("windows_path", "WINDOWS_PATH").change(
        train_path, 'input_path: "C:\\Users\\me\\train.record"'
    )
    yield (
        case("windows_path_with_tab", "WINDOWS_PATH")
        .change(train_path, 'input_path: "shapes\\train.record"')
        .fixable()
    )
    yield (
        case("typographic_quotes", "QUOTES")
        .change(checkpoint, "fine_tune_checkpoint: \u201cshapes_detector/model.ckpt\u201d")
        .fixable()
    )
    yield case("brace_missing", "CONFIG_SYNTAX").change(
        "eval_input_reader {\n", "eval_input_reader \n"
    )
    yield case("numbers_without_name", "CONFIG_SYNTAX").change(
        "{ random_horizontal_flip {} }", "{ subtract_channel_mean { 123.68, 116.78, 103.94 } }"
    )
    yield (
        case("eval_config_inside_reader", "FIELD_MISPLACED")
        .change('shapes/train.record" }\n}\n', 'shapes/train.record" }\n')
        .change('shapes/val.record" }\n}\n', 'shapes/val.record" }\n}\n}\n')
    )
    yield (
        case("num_steps_in_eval_config", "FIELD_MISPLACED")
        .cut("  num_steps: 6000\n")
        .change("  num_examples: 120", "  num_steps: 6000\n  num_examples: 120")
        .fixable()
    )
    yield (
        case("misspelled_field", "FIELD_UNKNOWN")
        .change("fine_tune_checkpoint: ", "fine_tune_chekpoint: ")
        .fixable()
    )
    yield (
        case("invented_field", "FIELD_UNKNOWN")
        .change("  batch_size: 4\n", "  batch_size: 4\n  early_stopping_patience: 10\n")
        .fixable()
    )
    yield (
        case("rate_without_block", "BLOCK_EXPECTED")
        .change("learning_rate {\n" + cosine + "      }", "learning_rate: 0.004")
        .fixable()
    )
    yield (
        case("number_in_quotes", "VALUE_WRONG").change("batch_size: 4", 'batch_size: "4"').fixable()
    )
    yield (
        case("enum_misspelled", "VALUE_WRONG")
        .change("score_converter: SIGMOID", "score_converter: SIGMIOD")
        .fixable()
    )
    yield case("no_model", "MODEL_MISSING").change(BASE[: BASE.index("train_config")], "")
    yield (
        case("num_classes_twice", "FIELD_TWICE")
        .change("    num_classes: 8\n", "    num_classes: 3\n    num_classes: 8\n")
        .fixable()
    )
    yield case("reader_missing", "BLOCK_MISSING").change(
        BASE[BASE.index("eval_input_reader") :], ""
    )
    yield (
        case("field_of_2020", "FIELD_OF_OTHER_API")
        .change("{ random_horizontal_flip {} }", "{ random_horizontal_flip { probability: 0.3 } }")
        .fixable()
    )
    yield (
        case("field_of_2017", "FIELD_OF_OTHER_API")
        .change("      min_depth: 16\n", "      min_depth: 16\n      batch_norm_trainable: true\n")
        .fixable()
    )
    yield case("extractor_of_tensorflow_2", "EXTRACTOR_UNKNOWN").change(
        '"ssd_mobilenet_v1"', '"ssd_efficientnet-b0_bifpn_keras"'
    )
    yield (
        case("extractor_misspelled", "EXTRACTOR_UNKNOWN")
        .change('"ssd_mobilenet_v1"', '"ssd_mobilnet_v1"')
        .fixable()
    )
    yield case("extractor_of_2020", "EXTRACTOR_OF_OTHER_API").change(
        '"ssd_mobilenet_v1"', '"ssd_mobiledet_cpu"'
    )
    yield (
        case("inception_without_override", "OVERRIDE_NEEDED")
        .change('"ssd_mobilenet_v1"', '"ssd_inception_v2"')
        .change("      override_base_feature_extractor_hyperparams: true\n", "")
        .change("depth_multiplier: 0.25", "depth_multiplier: 1.0")
        .checkpoint(tensors(first="InceptionV2/Conv2d_1a_7x7/pointwise_weights", width=64))
        .fixable()
    )
    yield (
        case("hyperparams_of_keras", "KERAS_HYPERPARAMS")
        .flag("--target_api", "2021-06")
        .change(
            "min_depth: 16\n      conv_hyperparams {\n",
            "min_depth: 16\n      conv_hyperparams {\n        force_use_bias: true\n",
        )
        .fixable()
    )
    for name, code, flags in (
        ("biases_of_keras", "ONE_TRAINER_UNFIT", ()),
        ("biases_of_keras_in_legacy_trainer", "TRAINER_UNFIT", ("--trainer", "legacy")),
    ):
        yield (
            case(name, code)
            .flag(*flags)
            .change('"ssd_mobilenet_v1"', '"ssd_mobilenet_v1_keras"')
            .checkpoint(of_keras())
            .change(
                "  max_number_of_boxes: 8\n",
                "  max_number_of_boxes: 8\n  bias_grad_multiplier: 2.0\n",
            )
            .fixable()
        )
    yield (
        case("batch_shared_by_replicas", "TRAINER_UNFIT")
        .flag("--trainer", "legacy")
        .change("batch_size: 4", "batch_size: 4\n  sync_replicas: true\n  replicas_to_aggregate: 8")
        .fixable()
    )
    for name, code, line in (
        ("pattern_unclosed", "PATTERN_REFUSED", "freeze_variables: '('"),
        (
            "pattern_of_one_trainer",
            "ONE_TRAINER_PATTERN",
            "update_trainable_variables: '*Predictor'",
        ),
        ("pattern_of_nested_repeats", "PATTERN_SLOW", "freeze_variables: '(([A-Za-z_0-9]+/?)+)+!'"),
    ):
        yield case(name, code).change("  batch_size: 4", "  batch_size: 4\n  " + line)
    yield (
        case("first_step_zero", "FIRST_STEP")
        .change(
            cosine,
            "        manual_step_learning_rate { initial_learning_rate: 0.01 schedule "
            "{ step: 0 learning_rate: 0.01 } schedule { step: 4000 learning_rate: 0.001 } }\n",
        )
        .fixable()
    )
    yield case("scales_of_other_layers", "ANCHORS_IMPOSSIBLE").change(
        "        min_scale: 0.2\n", "        scales: [0.1, 0.2, 0.3]\n        min_scale: 0.2\n"
    )

    # Paths
    yield case("placeholder_left", "PLACEHOLDER").change(
        train_path, 'input_path: "PATH_TO_BE_CONFIGURED/train.record"'
    )
    yield case("home_directory", "PATH_TILDE").change(
        train_path, 'input_path: "~/no_such_directory/train.record"'
    )
    yield (
        case("relative_to_the_config", "PATH_OF_CONFIG")
        .file("train.record", set_of())
        .change(train_path, 'input_path: "train.record"')
    )
    yield case("records_missing", "RECORDS_MISSING").change(
        train_path, 'input_path: "shapes/training.record"'
    )
    yield (
        case("records_in_shards", "RECORDS_MISSING")
        .change(train_path, 'input_path: "broken/records_in_shards/train.record"')
        .file("train.record-00000-of-00002", set_of())
        .file("train.record-00001-of-00002", set_of(encoded=[png(shade=90)]))
        .fixable()
    )
    yield case("no_input_path", "RECORDS_UNNAMED").change(
        f"tf_record_input_reader {{ {train_path} }}", "tf_record_input_reader { }"
    )
    yield (
        case("label_map_lost", "LABEL_MAP_LOST")
        .change(labels_of_train, labels_of_train.replace("shapes_label_map", "label_map"))
        .fixable()
    )

    # The checkpoint
    for name, path in (
        ("index_file", "model.ckpt.index"),
        ("data_file", "model.ckpt.data-00000-of-00001"),
    ):
        yield (
            case("checkpoint_" + name, "CHECKPOINT_PART")
            .change(checkpoint, f'fine_tune_checkpoint: "shapes_detector/{path}"')
            .fixable()
        )
    yield (
        case("checkpoint_directory", "CHECKPOINT_DIRECTORY")
        .change(checkpoint, 'fine_tune_checkpoint: "shapes_detector"')
        .fixable()
    )
    yield case("checkpoint_frozen", "CHECKPOINT_FROZEN").change(
        checkpoint, 'fine_tune_checkpoint: "shapes_detector/frozen_inference_graph.pb"'
    )
    yield (
        case("checkpoint_of_another_step", "CHECKPOINT_MISSING")
        .change(checkpoint, 'fine_tune_checkpoint: "shapes_detector/model.ckpt-6000"')
        .fixable()
    )
    yield case("checkpoint_without_data", "CHECKPOINT_DAMAGED").checkpoint(tensors())
    yield case("checkpoint_truncated", "CHECKPOINT_DAMAGED").checkpoint(tensors())
    yield case("checkpoint_corrupt", "CHECKPOINT_CORRUPT").checkpoint(tensors())
    yield case("checkpoint_of_tensorflow_2", "CHECKPOINT_TF2").checkpoint(
        {
            "model/_feature_extractor/classification_backbone/layer/kernel/"
            ".ATTRIBUTES/VARIABLE_VALUE": np.zeros((3, 3, 3, 16), np.float32),
            "save_counter/.ATTRIBUTES/VARIABLE_VALUE": np.asarray(1, np.int64),
        }
    )
    yield (
        case("restore_type_full", "RESTORE_TYPE")
        .change("  from_detection_checkpoint: true\n", '  fine_tune_checkpoint_type: "full"\n')
        .fixable()
    )
    yield (
        case("detector_taken_for_classifier", "RESTORE_KIND")
        .cut("  from_detection_checkpoint: true\n")
        .fixable()
    )
    yield (
        case("classifier_taken_for_detector", "RESTORE_KIND")
        .checkpoint(
            {
                "MobilenetV1/Conv2d_0/weights": np.full((3, 3, 3, 16), 0.01, np.float32),
                "MobilenetV1/Logits/Conv2d_1c_1x1/biases": np.zeros(5, np.float32),
            }
        )
        .fixable()
    )
    yield case("checkpoint_of_mobilenet_v2", "CHECKPOINT_OTHER_MODEL").checkpoint(
        tensors(first="MobilenetV2/Conv/weights")
    )
    yield case("wider_checkpoint", "CHECKPOINT_WIDTH").checkpoint(tensors(width=32)).fixable()
    for name, code, flags in (
        ("second_names_of_keras", "KERAS_RENAMED", ("--trainer", "model_main")),
        ("second_names_of_keras_in_one_trainer", "KERAS_ONE_RENAMES", ()),
    ):
        yield (
            case(name, code)
            .flag(*flags)
            .change('"ssd_mobilenet_v1"', '"ssd_mobilenet_v1_keras"')
            .checkpoint(of_keras())
        )
    yield case("model_main_of_2020", "CHECKPOINT_IGNORED").flag(
        "--target_api", "2020-07", "--trainer", "model_main"
    )
    yield (
        case("ssdlite_checkpoint", "CHECKPOINT_DEPTHWISE")
        .checkpoint(tensors(depthwise=True))
        .fixable()
    )
    yield case("heads_of_3x3", "CHECKPOINT_KERNEL_SIZE").checkpoint(tensors(kernel=3)).fixable()
    yield case("five_feature_maps", "CHECKPOINT_FEATURE_MAPS").checkpoint(
        tensors(anchors=(3, 6, 6, 6, 6))
    )
    yield case("checkpoint_of_nan", "CHECKPOINT_NOT_FINITE").checkpoint(
        tensors(more={"BoxPredictor_0/ClassPredictor/biases": np.full(27, np.nan, np.float32)})
    )
    yield case("checkpoint_of_float64", "CHECKPOINT_TYPES").checkpoint(
        tensors(more={"BoxPredictor_0/ClassPredictor/biases": np.zeros(27, np.float64)})
    )
    yield case("checkpoint_of_zeros", "CHECKPOINT_ZEROS").checkpoint(
        tensors(more={"BoxPredictor_0/ClassPredictor/weights": np.zeros((1, 1, 1, 27), np.float32)})
    )
    yield (
        case("checkpoint_of_first_format", "CHECKPOINT_V1")
        .file("model.ckpt", b"\0" * 64)
        .change("shapes_detector/model.ckpt", "broken/checkpoint_of_first_format/model.ckpt")
    )
    yield case("either_trainer_of_2020", "CHECKPOINT_ONE_IGNORES").flag("--target_api", "2020-07")
    yield (
        case("step_restored_in_2018", "STEP_RESTORED")
        .flag("--target_api", "2018-03", "--trainer", "legacy")
        .cut("      override_base_feature_extractor_hyperparams: true\n")
        .checkpoint(tensors(step=200000))
    )
    yield case("quantized_goes_on_in_float", "QUANTIZED_TO_FLOAT").checkpoint(
        tensors(
            more={
                "BoxPredictor_0/ClassPredictor/act_quant/min": np.zeros((), np.float32),
                "BoxPredictor_0/ClassPredictor/act_quant/max": np.ones((), np.float32),
            }
        )
    )
    yield case("float_goes_on_quantized", "FLOAT_TO_QUANTIZED").change(
        "train_input_reader {",
        "graph_rewriter { quantization { delay: 4000 } }\ntrain_input_reader {",
    )
    yield case("depthwise_extra_layers", "LAYERS_NOT_RESTORED").change(
        "      min_depth: 16\n", "      min_depth: 16\n      use_depthwise: true\n"
    )
    yield case("new_classes", "CLASS_HEADS_NEW").checkpoint(tensors(classes=90))

    # model_dir
    yield (
        case("model_dir_is_a_file", "MODEL_DIR_FILE")
        .file("training", b"")
        .flag("--model_dir", "broken/model_dir_is_a_file/training")
    )
    yield case("model_dir_of_other_classes", "MODEL_DIR_SHAPES").model_dir(trained(classes=3))
    yield case("published_model_in_model_dir", "MODEL_DIR_INCOMPLETE").model_dir(
        tensors(), "model.ckpt"
    )
    yield case("model_dir_is_done", "MODEL_DIR_DONE").model_dir(
        trained(step=6000), "model.ckpt-6000"
    )
    yield (
        case("model_dir_state_of_another_program", "MODEL_DIR_STATE")
        .model_dir(None)
        .file("training/checkpoint", b"latest = model.ckpt-100\n")
    )
    yield case("model_dir_names_another_machine", "MODEL_DIR_LOST").model_dir(
        None, state="/home/somebody/training/model.ckpt-100"
    )

    # Label maps
    yield case("label_id_zero", "LABEL_ID_ZERO").labels(
        [(number - 1, name) for number, name in ids]
    )
    yield case("label_without_id", "LABEL_ID_ZERO").labels(
        label_map(ids[:7]) + b"item {\n  name: 'crescent'\n}\n"
    )
    yield case("label_id_negative", "LABEL_ID_NEGATIVE").labels(ids[:7] + [(-1, "crescent")])
    yield case("no_label_map", "LABEL_MAP_MISSING").change(labels_of_train, "train_input_reader {")
    yield (
        case("two_label_maps", "LABEL_MAPS_DIFFER")
        .file("labels.pbtxt", label_map(zip(range(1, 9), CLASSES[::-1])))
        .change(
            labels_of_train,
            labels_of_train.replace(
                "shapes_detector/shapes_label_map", "broken/two_label_maps/labels"
            ),
        )
        .fixable()
    )
    yield (
        case("more_slots_than_labels", "LABEL_FEWER")
        .change("num_classes: 8", "num_classes: 9")
        .fixable()
    )
    yield (
        case("labels_with_gaps", "LABEL_GAPS")
        .labels(ids[:6] + [(8, "crescent")])
        .train_on(records(example(number) for number in (0, 1, 2, 3, 4, 5, 7)))
        .evaluate_on(
            records(
                example(number, encoded=[png(shade=99 + number)])
                for number in (0, 1, 2, 3, 4, 5, 7, 15)
            )
        )
    )
    yield case("label_id_twice", "LABEL_TWICE").labels(ids[:7] + [(7, "crescent")])
    yield case("label_map_as_json", "LABEL_MAP_UNREADABLE").labels(
        json.dumps({"item": [{"id": 1, "name": "circle"}]}).encode()
    )
    yield (
        case("fewer_slots_than_labels", "LABEL_COUNT")
        .change("num_classes: 8", "num_classes: 7")
        .fixable()
    )

    # Records
    whole = set_of()
    yield case("record_truncated", "RECORDS_DAMAGED").train_on(whole[:-100])
    yield case("record_corrupt", "RECORDS_DAMAGED").train_on(
        whole[:700] + bytes([whole[700] ^ 1]) + whole[701:]
    )
    yield case("record_is_csv", "RECORDS_DAMAGED").train_on(
        b"filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,160,160,star,1,2,30,40\n"
    )
    yield case("record_empty", "RECORDS_EMPTY").train_on(b"")
    yield case("record_is_no_example", "RECORD_NOT_EXAMPLE").train_on(framed([b"\x0a\xff"]) + whole)
    yield case("boxes_as_integers", "FEATURE_KIND").train_on(set_of(box=(40, 40, 80, 80)))
    yield case("image_missing", "IMAGE_MISSING").train_on(one_bad(encoded=None))
    yield case("image_is_webp", "IMAGE_UNREADABLE").train_on(
        one_bad(encoded=[b"RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0"])
    )
    yield case("image_cut_off", "IMAGE_CUT").train_on(
        one_bad(encoded=[jpeg(end=b"")], format=[b"jpeg"])
    )
    yield case("image_is_gif", "IMAGE_GIF").train_on(
        one_bad(encoded=[b"GIF89a" + struct.pack("<HH", SIZE, SIZE) + b"\0\0\0;"], format=[b"gif"])
    )
    yield case("no_boxes_at_all", "RECORDS_WITHOUT_BOXES").train_on(
        set_of(boxes=(), text=[], label=[])
    )
    yield case("box_edges_of_other_lengths", "BOX_COUNTS").train_on(
        records(
            dict(example(number), **({"image/object/bbox/ymax": [0.5, 0.6]} if number == 3 else {}))
            for number in range(8)
        )
    )
    yield case("fewer_labels_than_boxes", "CLASS_COUNTS").train_on(
        one_bad(boxes=(SQUARE, (0.1, 0.1, 0.3, 0.3)))
    )
    yield case("boxes_in_pixels", "BOX_PIXELS").train_on(set_of(box=(40.0, 40.0, 80.0, 80.0)))
    yield case("boxes_as_corner_and_size", "BOX_IS_SIZE").train_on(
        set_of(boxes=((0.5, 0.5, 0.25, 0.25),))
    )
    yield case("box_inverted", "BOX_INVERTED").train_on(one_bad(box=(0.9, 0.2, 0.3, 0.6)))
    yield case("box_is_nan", "BOX_NO_NUMBER").train_on(one_bad(box=(0.2, 0.2, float("nan"), 0.6)))
    yield case("class_id_outside", "CLASS_ID_OUTSIDE").train_on(one_bad(text=None, label=[9]))
    yield case("class_id_zero", "CLASS_ID_OUTSIDE").train_on(
        records(example(number, text=None, label=[number]) for number in range(8))
    )
    yield case("class_name_unknown", "CLASS_TEXT_UNKNOWN").train_on(one_bad(text=[b"Star"]))

    yield (
        case("masks_missing", "MASK_MISSING")
        .train_on(whole)
        .change(
            '  tf_record_input_reader { input_path: "broken/masks_missing/train.record" }',
            "  load_instance_masks: true\n"
            '  tf_record_input_reader { input_path: "broken/masks_missing/train.record" }',
        )
    )

    # Warnings come first where there is no error
    yield case("no_checkpoint", "FROM_SCRATCH").cut(f"  {checkpoint}\n")
    yield (
        case("batchnorm_lags", "FROM_SCRATCH")
        .cut(f"  {checkpoint}\n")
        .cut("      override_base_feature_extractor_hyperparams: true\n")
    )
    yield (
        case("heads_not_restored", "HEADS_NOT_RESTORED")
        .cut("  load_all_detection_checkpoint_vars: true\n")
        .fixable()
    )
    yield case("other_anchors", "HEADS_DO_NOT_FIT").change(
        "[1.0, 2.0, 0.5, 3.0, 0.3333]", "[1.0, 2.0, 0.5]"
    )
    yield case("model_dir_resumes", "MODEL_DIR_RESUMES").model_dir(trained())
    yield case("box_outside", "BOX_OUTSIDE").train_on(one_bad(box=(0.2, -0.05, 0.6, 0.5)))
    yield case("boxes_divided_by_the_other_side", "BOX_OTHER_SIDE").train_on(
        set_of(encoded=[png(80, SIZE)], height=[80], width=[SIZE], box=(0.1, 0.9, 0.5, 1.7))
    )
    yield case("box_without_area", "BOX_EMPTY").train_on(one_bad(box=(0.2, 0.3, 0.6, 0.3)))
    yield case("boxes_too_small", "BOXES_TOO_SMALL").train_on(set_of(box=(0.5, 0.5, 0.52, 0.52)))
    yield case("text_and_label_disagree", "CLASS_DISAGREES").train_on(one_bad(label=[1]))
    yield (
        case("more_boxes_than_kept", "MAX_BOXES")
        .train_on(one_bad(boxes=(SQUARE,) * 9, text=[b"star"] * 9, label=[4] * 9))
        .fixable()
    )
    yield case("image_turned", "IMAGE_TURNED").train_on(
        one_bad(encoded=[png(80, SIZE)], height=[SIZE], width=[80])
    )
    yield case("image_of_other_size", "IMAGE_SIZE").train_on(one_bad(height=[320], width=[320]))
    yield case("image_of_other_format", "IMAGE_FORMAT").train_on(one_bad(format=[b"jpeg"]))
    yield case("image_in_cmyk", "IMAGE_CMYK").train_on(
        one_bad(encoded=[jpeg(channels=4)], format=[b"jpeg"])
    )
    yield case("image_huge", "IMAGE_HUGE").train_on(
        one_bad(encoded=[jpeg(6000, 4000)], format=[b"jpeg"], height=[6000], width=[4000])
    )
    yield case("image_gray", "IMAGE_GRAY").train_on(one_bad(encoded=[png(channels=1)]))
    yield case("image_twice", "IMAGE_TWICE").train_on(one_bad(encoded=[png(shade=2)]))
    yield case("source_id_twice", "SOURCE_ID_TWICE").evaluate_on(set_of(source=[b"0.png"]))
    yield case("class_unused", "CLASS_UNUSED").train_on(set_of(7))
    yield (
        case("one_class_in_a_hundred", "CLASS_IMBALANCE")
        .train_on(one_bad(boxes=(SQUARE,) * 60, text=[b"star"] * 60, label=[4] * 60))
        .change("max_number_of_boxes: 8", "max_number_of_boxes: 60")
    )
    yield case("most_images_without_boxes", "IMAGES_WITHOUT_BOXES").train_on(
        records(
            [example(number) for number in range(8)]
            + [example(number, boxes=(), text=[], label=[]) for number in range(8, 20)]
        )
    )
    yield (
        case("evaluated_on_training_images", "TRAIN_EVAL_OVERLAP")
        .train_on(whole)
        .evaluate_on(whole)
    )
    yield case("source_ids_missing", "SOURCE_ID_MISSING").evaluate_on(set_of(source=None))
    yield (
        case("eval_counts_too_many", "EVAL_COUNT")
        .change("num_examples: 120", "num_examples: 8000")
        .fixable()
    )

    # How it trains
    yield case("no_batch", "BATCH_SIZE").change("batch_size: 4", "batch_size: 0")
    yield (
        case("fpn_on_300_pixels", "FPN_IMAGE_SIZE")
        .change('"ssd_mobilenet_v1"', '"ssd_mobilenet_v1_fpn"')
        .change("height: 160 width: 160", "height: 300 width: 300")
        .change(
            BASE[BASE.index("      ssd_anchor") : BASE.index("    }\n    loss")],
            "      multiscale_anchor_generator { aspect_ratios: [1.0, 2.0, 0.5] }\n",
        )
        .change("convolutional_box_predictor", "weight_shared_convolutional_box_predictor")
        .cut("        use_dropout: false\n")
        .checkpoint(
            {
                "FeatureExtractor/MobilenetV1/Conv2d_0/weights": np.full(
                    (3, 3, 3, 16), 0.01, np.float32
                )
            }
        )
        .fixable()
    )
    yield case("rate_zero", "RATE_ZERO").change(
        cosine, "        constant_learning_rate { learning_rate: 0.0 }\n"
    )
    yield (
        case("warms_up_all_along", "SCHEDULE_WARMS_UP")
        .change("warmup_steps: 200", "warmup_steps: 6000")
        .fixable()
    )
    yield case("rate_stays", "RATE_STAYS").change(
        cosine,
        "        exponential_decay_learning_rate { initial_learning_rate: 0.001 "
        "decay_steps: 800720 }\n",
    )
    yield (
        case("ragged_batch", "BATCH_RAGGED")
        .change(
            "fixed_shape_resizer { height: 160 width: 160 }",
            "keep_aspect_ratio_resizer { min_dimension: 160 max_dimension: 320 }",
        )
        .train_on(
            records(
                example(number, encoded=[png(SIZE, SIZE + 20 * number)], width=[SIZE + 20 * number])
                for number in range(8)
            )
        )
        .fixable()
    )
    yield (
        case("dimensions_swapped", "IMAGE_RESIZER")
        .change(
            "fixed_shape_resizer { height: 160 width: 160 }",
            "keep_aspect_ratio_resizer { min_dimension: "
            "320 max_dimension: 160 pad_to_max_dimension: true }",
        )
        .fixable()
    )
    yield case("no_learning_rate", "RATE_MISSING").change(
        "learning_rate {\n" + cosine + "      }\n", ""
    )
    yield (
        case("warmup_longer_than_decay", "SCHEDULE_REFUSED")
        .change("total_steps: 6000", "total_steps: 100")
        .fixable()
    )
    yield (
        case("warmup_above_base", "SCHEDULE_REFUSED")
        .change("warmup_learning_rate: 0.003", "warmup_learning_rate: 0.03")
        .fixable()
    )
    yield case("steps_not_rising", "SCHEDULE_REFUSED").change(
        cosine,
        "        manual_step_learning_rate { initial_learning_rate: 0.01 schedule "
        "{ step: 4000 learning_rate: 0.001 } schedule { step: 2000 learning_rate: 0.0001 } }\n",
    )
    yield (
        case("schedule_ends_early", "SCHEDULE_SHORT")
        .change("total_steps: 6000", "total_steps: 2000")
        .fixable()
    )
    yield case("rate_too_high", "RATE_HIGH").change(
        "learning_rate_base: 0.01", "learning_rate_base: 1.0"
    )
    yield case("one_image_a_batch", "BATCHNORM_ONE_IMAGE").change("batch_size: 4", "batch_size: 1")
    yield (
        case("quantization_never_begins", "QUANTIZATION_LATE")
        .change(
            "train_input_reader {",
            "graph_rewriter { quantization { delay: 48000 } }\ntrain_input_reader {",
        )
        .fixable()
    )
    yield (
        case("evaluation_shuffled", "EVAL_SHUFFLED")
        .change("shuffle: false", "shuffle: true")
        .change("num_examples: 120", "num_examples: 20")
        .fixable()
    )
    yield case("no_end", "STEPS_ENDLESS").cut("  num_steps: 6000\n")


def main(directory="broken"):
    for case in cases(directory):
        case.write()
        if case.name == "checkpoint_without_data":
            os.remove(os.path.join(case.directory, "model.ckpt.data-00000-of-00001"))
        if case.name == "checkpoint_corrupt":
            with open(
                os.path.join(case.directory, "model.ckpt.data-00000-of-00001"), "rb+"
            ) as file:
                file.write(b"\x7f")
        if case.name == "checkpoint_truncated":
            path = os.path.join(case.directory, "model.ckpt.data-00000-of-00001")
            with open(path, "rb+") as file:
                file.truncate(os.path.getsize(path) // 2)


if __name__ == "__main__":
    main(*sys.argv[1:])
