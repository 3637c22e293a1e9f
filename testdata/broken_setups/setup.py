"""The healthy setup, and a case: that setup with one thing changed."""

import json
import os

from broken_setups.files import CLASSES, label_map
from graphfix.formats import dtypes
from graphfix.formats.checkpoint.writer import write_bundle
from graphfix.formats.tensors import TensorStore, constant

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

# Parts of it that several cases change.
CHECKPOINT = 'fine_tune_checkpoint: "shapes_detector/model.ckpt"'
TRAIN_PATH = 'input_path: "shapes/train.record"'
LABELS_OF_TRAIN = 'train_input_reader {\n  label_map_path: "shapes_detector/shapes_label_map.pbtxt"'
IDS = list(enumerate(CLASSES, 1))
COSINE = BASE[BASE.index("        cosine_decay") : BASE.index("      }\n      momentum_opt")]


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
