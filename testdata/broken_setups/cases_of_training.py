"""What trains, but badly, or ends early."""

import numpy as np

from broken_setups.files import SIZE, example, png, records
from broken_setups.setup import BASE, COSINE


def cases(case):
    """Yields the cases; `case(name, code of the first finding)` begins one."""
    yield case("no_batch", "BATCH_SIZE").change("batch_size: 4", "batch_size: 0")
    yield case("reader_of_ones_own", "READER_UNSUPPORTED").change(
        'tf_record_input_reader { input_path: "shapes/train.record" }', "external_input_reader {}"
    )
    yield (case("no_readers", "READER_NUMBER").change("num_readers: 1", "num_readers: 0").fixable())
    yield (
        case("channels_in_no_record", "READER_LACKS")
        .change("  num_readers: 1", "  num_readers: 1\n  num_additional_channels: 1")
        .fixable()
    )
    yield (
        case("averages_not_kept", "AVERAGES_NOT_KEPT")
        .change("  num_examples: 120", "  num_examples: 120\n  use_moving_averages: true")
        .fixable()
    )
    yield (
        case("confidences_padded", "CONFIDENCES_PADDED")
        .change("num_classes: 8", "num_classes: 8 use_confidences_as_targets: true")
        .fixable()
    )
    yield case("boxes_scaled", "BOXES_SCALED").change(
        "random_horizontal_flip {}", "scale_boxes_to_pixel_coordinates {}"
    )
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
        COSINE, "        constant_learning_rate { learning_rate: 0.0 }\n"
    )
    yield (
        case("warms_up_all_along", "SCHEDULE_WARMS_UP")
        .change("warmup_steps: 200", "warmup_steps: 6000")
        .fixable()
    )
    yield case("rate_stays", "RATE_STAYS").change(
        COSINE,
        "        exponential_decay_learning_rate { initial_learning_rate: 0.001 "
        "decay_steps: 800720 }\n",
    )
    # BATCH_MAY_BE_RAGGED comes after it.
    yield (
        case("ragged_without_records", "RECORDS_MISSING")
        .flag("--target_api", "2021-06")
        .change("shapes/train.record", "nowhere/train.record")
        .change(
            "fixed_shape_resizer { height: 160 width: 160 }",
            "keep_aspect_ratio_resizer { min_dimension: 160 max_dimension: 320 }",
        )
    )
    yield (
        case("ragged_batch", "BATCH_RAGGED")
        .flag("--target_api", "2021-06")
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
        "learning_rate {\n" + COSINE + "      }\n", ""
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
        COSINE,
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
    yield (
        case("score_in_percent", "THRESHOLD_BEYOND_ONE")
        .change("score_threshold: 0.02", "score_threshold: 40")
        .fixable()
    )
    yield (
        case("matched_in_percent", "THRESHOLD_BEYOND_ONE")
        .change("{ matched_threshold: 0.5", "{ matched_threshold: 50")
        .fixable()
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
    yield (
        case("metric_misspelled", "METRICS_UNKNOWN")
        .change("pascal_voc_detection_metrics", "pascal_voc_detection_metric")
        .fixable()
    )
    yield (
        case("metric_of_2017", "METRICS_UNKNOWN")
        .change("pascal_voc_detection_metrics", "pascal_voc_metrics")
        .fixable()
    )
    metric, of_legacy = "pascal_voc_detection_metrics", "open_images_V2_detection_metrics"
    yield (
        case("metric_of_legacy", "METRICS_OF_LEGACY")
        .flag("--trainer", "model_main")
        .change(metric, of_legacy)
        .fixable()
    )
    yield case("metric_of_one_trainer", "ONE_TRAINER_METRICS").change(metric, of_legacy).fixable()
    yield case("metric_of_masks", "METRICS_UNFIT").change(metric, "coco_mask_metrics").fixable()
    yield (
        case("smaller_batch_kept", "READER_REMAINDER")
        .flag("--target_api", "2021-06")
        .change("  num_readers: 1", "  num_readers: 1\n  drop_remainder: false")
        .fixable()
    )
    yield case("no_end", "STEPS_ENDLESS").cut("  num_steps: 6000\n")
