"""What a model's fields become in another revision of the API."""

import pytest
from migrations import check_translation

from graphfix.findings import INFO, WARNING

# Block, its text, the revision, the text it becomes (None: the block goes, too), the finding's code
# and severity.
CASES = {
    "bn-true": (
        "model.ssd.feature_extractor",
        "batch_norm_trainable: true",
        "2018-04",
        "",
        "FIELD_REMOVED",
        INFO,
    ),
    "bn-false": (
        "model.ssd",
        "feature_extractor { batch_norm_trainable: false }",
        "2018-04",
        "feature_extractor { } freeze_batchnorm: true",
        "FIELD_TRANSLATED",
        WARNING,
    ),
    "bn-back": (
        "model.ssd",
        "freeze_batchnorm: true",
        "2018-03",
        "feature_extractor { batch_norm_trainable: false }",
        "FIELD_TRANSLATED",
        WARNING,
    ),
    "bn-too-far-back": (
        "model.ssd",
        "freeze_batchnorm: true",
        "2017-06",
        "",
        "FIELD_REMOVED",
        WARNING,
    ),
    "one-stage": (
        "model.faster_rcnn",
        "first_stage_only: true",
        "2018-02",
        "number_of_stages: 1",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "one-stage-back": (
        "model.faster_rcnn",
        "number_of_stages: 1",
        "2017-10",
        "first_stage_only: true",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "two-stages": (
        "model.faster_rcnn",
        "first_stage_only: false",
        "2018-02",
        "",
        "FIELD_REMOVED",
        INFO,
    ),
    "two-stages-back": (
        "model.faster_rcnn",
        "number_of_stages: 2",
        "2017-10",
        "",
        "FIELD_REMOVED",
        INFO,
    ),
    "masks": (
        "model.faster_rcnn",
        "first_stage_only: false second_stage_box_predictor { mask_rcnn_box_predictor { "
        "predict_instance_masks: true } }",
        "2018-02",
        "second_stage_box_predictor { mask_rcnn_box_predictor { "
        "predict_instance_masks: true } } number_of_stages: 3",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "negatives-1-2": (
        "model.ssd",
        "minimum_negative_sampling: 5",
        "2018-11",
        "min_num_negative_samples: 5",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "negatives-1-3": (
        "model.ssd",
        "minimum_negative_sampling: 5",
        "2018-12",
        "loss { min_num_negative_samples: 5 }",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "negatives-3-2": (
        "model.ssd",
        "loss { min_num_negative_samples: 5.5 }",
        "2018-11",
        "loss { } min_num_negative_samples: 5.5",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "negatives-3-1": (
        "model.ssd",
        "loss { min_num_negative_samples: 5 }",
        "2018-08",
        "loss { } minimum_negative_sampling: 5",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "negatives-3-0": (
        "model.ssd",
        "loss { min_num_negative_samples: 5 }",
        "2018-07",
        "loss { }",
        "FIELD_REMOVED",
        WARNING,
    ),
    "ratio": (
        "model.ssd",
        "desired_negative_sampling_ratio: 2",
        "2019-07",
        "loss { desired_negative_sampling_ratio: 2 }",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "expected": (
        "model.ssd",
        "use_expected_classification_loss_under_sampling: true",
        "2018-12",
        "loss { expected_loss_weights: EXPECTED_SAMPLING }",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "expected-back": (
        "model.ssd",
        "loss { expected_loss_weights: EXPECTED_SAMPLING }",
        "2018-11",
        "loss { } use_expected_classification_loss_under_sampling: true",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "reweighting-back": (
        "model.ssd",
        "loss { expected_loss_weights: REWEIGHTING_UNMATCHED_ANCHORS }",
        "2018-11",
        "loss { }",
        "FIELD_REMOVED",
        WARNING,
    ),
    "regression": (
        "model.ssd",
        "weight_regression_loss_by_score: true",
        "2018-12",
        "",
        "FIELD_REMOVED",
        WARNING,
    ),
    "mask-head": (
        "model.ssd.box_predictor.convolutional_box_predictor",
        "mask_head { mask_height: 33 }",
        "2018-12",
        "",
        "FIELD_REMOVED",
        WARNING,
    ),
    "code-size": (
        "model.ssd",
        "normalize_loc_loss_by_codesize: true "
        "box_coder { faster_rcnn_box_coder { } } loss { localization_weight: 2.0 }",
        "2018-02",
        "box_coder { faster_rcnn_box_coder { } } loss { localization_weight: 0.5 }",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "code-size-3": (
        "model.ssd",
        "normalize_loc_loss_by_codesize: true "
        "box_coder { square_box_coder { } } loss { localization_weight: 6 }",
        "2018-02",
        "box_coder { square_box_coder { } } loss { localization_weight: 2.0 }",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "code-size-unknown": (
        "model.ssd",
        "normalize_loc_loss_by_codesize: true",
        "2018-02",
        "",
        "FIELD_REMOVED",
        WARNING,
    ),
    "focal": (
        "model.ssd.loss.classification_loss",
        "weighted_sigmoid_focal { gamma: 2 }",
        "2017-06",
        "weighted_sigmoid { }",
        "FIELD_TRANSLATED",
        WARNING,
    ),
    "normal": (
        "model.ssd.feature_extractor.conv_hyperparams.initializer",
        "random_normal_initializer { stddev: 0.01 mean: 0.0 }",
        "2018-02",
        "truncated_normal_initializer { stddev: 0.01 mean: 0.0 }",
        "FIELD_TRANSLATED",
        INFO,
    ),
    "smooth": (
        "model.ssd.loss.localization_loss",
        "weighted_smooth_l1 { delta: 0.5 }",
        "2018-02",
        "weighted_smooth_l1 { }",
        "FIELD_REMOVED",
        WARNING,
    ),
    "smooth-default": (
        "model.ssd.loss.localization_loss",
        "weighted_smooth_l1 { delta: 1.0 }",
        "2018-02",
        "weighted_smooth_l1 { }",
        "FIELD_REMOVED",
        INFO,
    ),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_translation(case):
    check_translation(*CASES[case])
