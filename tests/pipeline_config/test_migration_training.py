"""What the fields of training, evaluation and readers become in another revision of the API."""

import pytest
from migrations import check_translation

from graphfix.findings import INFO, WARNING

# Block, its text, the revision, the text it becomes (None: the block goes, too), the finding's code
# and severity.
CASES = {
    "prefetch": (
        "train_input_reader",
        "prefetch_buffer_size: 7",
        "2018-02",
        "prefetch_size: 7",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "hours": (
        "train_config",
        "keep_checkpoint_every_n_hours: 2.6",
        "2018-11",
        "keep_checkpoint_every_n_hours: 3",
        "FIELD_TRANSLATED",
        WARNING,
    ),
    "half-an-hour": (
        "train_config",
        "keep_checkpoint_every_n_hours: 0.25",
        "2018-11",
        "keep_checkpoint_every_n_hours: 1",
        "FIELD_TRANSLATED",
        WARNING,
    ),
    "no-hours": (
        "train_config",
        "keep_checkpoint_every_n_hours: inf",
        "2018-11",
        "",
        "FIELD_REMOVED",
        WARNING,
    ),
    "sizes": (
        "train_config",
        "data_augmentation_options { random_pad_image { max_image_width: 300.0 } }",
        "2018-12",
        "data_augmentation_options { random_pad_image { max_image_width: 300 } }",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "metric": (
        "eval_config",
        'metrics_set: "pascal_voc_metrics"',
        "2018-02",
        'metrics_set: "pascal_voc_detection_metrics"',
        "FIELD_TRANSLATED",
        INFO,
    ),
    "metric-back": (
        "eval_config",
        'metrics_set: "coco_detection_metrics"',
        "2017-10",
        'metrics_set: "pascal_voc_metrics"',
        "FIELD_TRANSLATED",
        INFO,
    ),
    "metric-two-back": (
        "eval_config",
        'metrics_set: "oid_V2_detection_metrics"',
        "2017-10",
        'metrics_set: "pascal_voc_metrics"',
        "FIELD_TRANSLATED",
        INFO,
    ),
    "metrics-back": (
        "eval_config",
        'metrics_set: "coco_mask_metrics" metrics_set: "coco_detection_metrics"',
        "2017-10",
        'metrics_set: "pascal_voc_metrics"',
        "FIELD_TRANSLATED",
        INFO,
    ),
    "metrics-renamed": (
        "eval_config",
        'metrics_set: ["lvis_mask_metrics", "mine"]',
        "2020-05",
        'metrics_set: ["coco_mask_metrics", "mine"]',
        "FIELD_TRANSLATED",
        INFO,
    ),
    "paths": (
        "train_input_reader.tf_record_input_reader",
        'input_path: "a" input_path: "b" input_path: "c"',
        "2017-06",
        'input_path: "a"',
        "FIELD_REMOVED",
        WARNING,
    ),
    "path-list": (
        "train_input_reader.tf_record_input_reader",
        'input_path: ["a", "b"]',
        "2017-06",
        'input_path: "a"',
        "FIELD_REMOVED",
        WARNING,
    ),
    "step": (
        "train_config",
        "data_augmentation_options { random_patch_gaussian { } }",
        "2018-02",
        "",
        "FIELD_REMOVED",
        WARNING,
    ),
    "probability": (
        "train_config",
        "data_augmentation_options { random_horizontal_flip { probability: 0.3 } }",
        "2019-07",
        "data_augmentation_options { random_horizontal_flip { } }",
        "FIELD_REMOVED",
        WARNING,
    ),
    "even-probability": (
        "train_config",
        "data_augmentation_options { random_horizontal_flip { probability: 0.5 } }",
        "2019-07",
        "data_augmentation_options { random_horizontal_flip { } }",
        "FIELD_REMOVED",
        INFO,
    ),
    "keypoints": (
        "train_config",
        "data_augmentation_options { random_horizontal_flip { "
        "keypoint_flip_permutation: 1 keypoint_flip_permutation: 0 } }",
        "2017-06",
        "data_augmentation_options { random_horizontal_flip { } }",
        "FIELD_REMOVED",
        WARNING,
    ),
    "padding": (
        "train_config",
        "data_augmentation_options { "
        "ssd_random_crop_pad_fixed_aspect_ratio { operations { "
        "min_padded_size_ratio: 1 min_padded_size_ratio: 2 } } }",
        "2018-03",
        "data_augmentation_options { ssd_random_crop_pad_fixed_aspect_ratio { "
        "operations { } min_padded_size_ratio: [1, 2] } }",
        "FIELD_TRANSLATED",
        WARNING,
    ),
    "padding-back": (
        "train_config",
        "data_augmentation_options { "
        "ssd_random_crop_pad_fixed_aspect_ratio { operations { } operations { } "
        "max_padded_size_ratio: [1, 2] } }",
        "2018-02",
        "data_augmentation_options { ssd_random_crop_pad_fixed_aspect_ratio { "
        "operations { max_padded_size_ratio: [1, 2] } "
        "operations { max_padded_size_ratio: [1, 2] } } }",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "labels": (
        "model.ssd.post_processing",
        'calibration_config { label_sigmoid_calibrations { label_map_path: "x" } }',
        "2019-07",
        "",
        "FIELD_REMOVED",
        WARNING,
    ),
    "quantization": (
        "graph_rewriter",
        "quantization { delay: 48000 }",
        "2018-04",
        None,
        "FIELD_REMOVED",
        WARNING,
    ),
    "fpn-default": (
        "model.ssd.feature_extractor",
        "fpn { min_level: 3 max_level: 7 }",
        "2018-07",
        "",
        "FIELD_REMOVED",
        INFO,
    ),
    "retries": (
        "model.ssd.box_predictor.convolutional_box_predictor",
        "use_depthwise: false",
        "2017-10",
        "",
        "FIELD_REMOVED",
        INFO,
    ),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_translation(case):
    check_translation(*CASES[case])
