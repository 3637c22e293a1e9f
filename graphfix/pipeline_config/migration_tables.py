"""What configs of different revisions call the same thing, as literal tables.

migration_rules.py applies the tables of fields, migration.py those of metrics and defaults.
"""

from graphfix.pipeline_config.migration_effects import EVALUATION, NOTHING, TRAINING, Effect

SAME = Effect(NOTHING, "it means the same")

# The names that one value had: the message of the block they have in common, and, in order of
# time, each name's own message and its path from there.  A value moves to the first one that the
# target knows.
MOVES = (
    (
        "Ssd",
        (
            ("Ssd", ("minimum_negative_sampling",)),
            ("Ssd", ("min_num_negative_samples",)),
            ("Loss", ("loss", "min_num_negative_samples")),
        ),
    ),
    (
        "Ssd",
        (
            ("Ssd", ("desired_negative_sampling_ratio",)),
            ("Loss", ("loss", "desired_negative_sampling_ratio")),
        ),
    ),
    (
        "InputReader",
        (("InputReader", ("prefetch_buffer_size",)), ("InputReader", ("prefetch_size",))),
    ),
)

# A field with one value means what another field means with another value: the first field and its
# value, how many blocks further out the second one's path begins, that path, its message and its
# value, and what differs.
EQUIVALENT_VALUES = (
    ("FasterRcnn.first_stage_only", "true", 0, ("number_of_stages",), "FasterRcnn", "1", SAME),
    ("FasterRcnn.number_of_stages", "1", 0, ("first_stage_only",), "FasterRcnn", "true", SAME),
    (
        "SsdFeatureExtractor.batch_norm_trainable",
        "false",
        1,
        ("freeze_batchnorm",),
        "Ssd",
        "true",
        Effect(TRAINING, "BatchNorm of the box predictor is frozen too"),
    ),
    (
        "Ssd.freeze_batchnorm",
        "true",
        0,
        ("feature_extractor", "batch_norm_trainable"),
        "SsdFeatureExtractor",
        "false",
        Effect(TRAINING, "BatchNorm of the box predictor is not frozen"),
    ),
    (
        "Ssd.use_expected_classification_loss_under_sampling",
        "true",
        0,
        ("loss", "expected_loss_weights"),
        "Loss",
        "EXPECTED_SAMPLING",
        SAME,
    ),
    (
        "Loss.expected_loss_weights",
        "EXPECTED_SAMPLING",
        1,
        ("use_expected_classification_loss_under_sampling",),
        "Ssd",
        "true",
        SAME,
    ),
)

# What replaces a block's only choice, since the API does not accept the block without one: the
# replacement, the fields it takes over, and what differs.  (An initializer hardly matters: the
# checkpoint has a value for every variable it restores.)
STAND_INS = {
    "ClassificationLoss.weighted_sigmoid_focal": (
        "weighted_sigmoid",
        (),
        Effect(TRAINING, "easy examples weigh as much as hard ones"),
    ),
    "ClassificationLoss.penalty_reduced_logistic_focal_loss": (
        "weighted_sigmoid",
        (),
        Effect(TRAINING, "easy examples weigh as much as hard ones"),
    ),
    "ClassificationLoss.weighted_dice_classification_loss": (
        "weighted_sigmoid",
        (),
        Effect(TRAINING, "the class loss is a cross entropy"),
    ),
    "ClassificationLoss.weighted_logits_softmax": (
        "weighted_softmax",
        (),
        Effect(TRAINING, "targets are classes, not logits"),
    ),
    "LocalizationLoss.l1_localization_loss": (
        "weighted_smooth_l1",
        (),
        Effect(TRAINING, "the box loss is smooth where it is small"),
    ),
    "LocalizationLoss.weighted_giou": (
        "weighted_smooth_l1",
        (),
        Effect(TRAINING, "the box loss compares codes, not overlaps"),
    ),
    "RegionSimilarityCalculator.thresholded_iou_similarity": (
        "iou_similarity",
        (),
        Effect(TRAINING, "small overlaps count when anchors are matched"),
    ),
    "Initializer.random_normal_initializer": (
        "truncated_normal_initializer",
        ("mean", "stddev"),
        Effect(NOTHING, "no new value is further from the mean than two standard deviations"),
    ),
}

# Metrics: the first month known to have each, and the nearest one before that month.
METRICS = {
    "coco_detection_metrics": ("2018-02", "pascal_voc_metrics"),
    "coco_mask_metrics": ("2018-02", "pascal_voc_metrics"),
    "pascal_voc_detection_metrics": ("2018-02", "pascal_voc_metrics"),
    "weighted_pascal_voc_detection_metrics": ("2018-02", "pascal_voc_metrics"),
    "pascal_voc_instance_segmentation_metrics": ("2018-02", "pascal_voc_metrics"),
    "weighted_pascal_voc_instance_segmentation_metrics": ("2018-02", "pascal_voc_metrics"),
    "oid_V2_detection_metrics": ("2019-03", "pascal_voc_detection_metrics"),
    "oid_challenge_detection_metrics": ("2019-03", "pascal_voc_detection_metrics"),
    "precision_at_recall_detection_metrics": ("2019-07", "coco_detection_metrics"),
    "oid_challenge_segmentation_metrics": ("2019-07", "coco_mask_metrics"),
    "lvis_mask_metrics": ("2020-10", "coco_mask_metrics"),
}
# Renamed metrics: the month, and the name from then on.
OLD_METRICS = {
    "pascal_voc_metrics": ("2018-02", "pascal_voc_detection_metrics"),
    "weighted_pascal_voc_metrics": ("2018-02", "weighted_pascal_voc_detection_metrics"),
    "open_images_metrics": ("2018-02", "oid_V2_detection_metrics"),
}

# Metrics that no older one is near to: the last month known not to have them.
OTHER_METRICS = {"coco_keypoint_metrics": "2019-07", "coco_panoptic_metrics": "2019-07"}
# Names that only the legacy evaluation has, and model_main's.
LEGACY_METRICS = {
    "open_images_V2_detection_metrics": "oid_V2_detection_metrics",
    "oid_challenge_object_detection_metrics": "oid_challenge_detection_metrics",
}

# What it means to keep only the first of several values.
FIRST_ONLY = {
    "TFRecordInputReader.input_path": Effect(
        TRAINING, "records of the other paths are not read; one pattern may name them all"
    ),
    "TrainEvalPipelineConfig.eval_input_reader": Effect(
        EVALUATION, "the other data sets are not evaluated"
    ),
}

# Fields whose default changed in a way that matters: the block, its message, the field, and the
# effect.
DEFAULTS = (
    (
        ("train_config",),
        "TrainConfig",
        "max_number_of_boxes",
        "an image's boxes beyond that number are left out",
    ),
    (
        ("model", "faster_rcnn", "context_config"),
        "Context",
        "max_num_context_features",
        "it limits how many context features an image uses",
    ),
)

# How many numbers encode a box, by box coder.
CODE_SIZES = {"faster_rcnn_box_coder": 4, "mean_stddev_box_coder": 4, "square_box_coder": 3}
