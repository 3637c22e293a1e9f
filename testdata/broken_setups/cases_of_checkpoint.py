"""Checkpoints that are damaged, or another model's."""

import numpy as np

from broken_setups.setup import CHECKPOINT
from broken_setups.variables import of_keras, tensors


def cases(case):
    """Yields the cases; `case(name, code of the first finding)` begins one."""
    for name, path in (
        ("index_file", "model.ckpt.index"),
        ("data_file", "model.ckpt.data-00000-of-00001"),
    ):
        yield (
            case("checkpoint_" + name, "CHECKPOINT_PART")
            .change(CHECKPOINT, f'fine_tune_checkpoint: "shapes_detector/{path}"')
            .fixable()
        )
    yield (
        case("checkpoint_directory", "CHECKPOINT_DIRECTORY")
        .change(CHECKPOINT, 'fine_tune_checkpoint: "shapes_detector"')
        .fixable()
    )
    yield case("checkpoint_frozen", "CHECKPOINT_FROZEN").change(
        CHECKPOINT, 'fine_tune_checkpoint: "shapes_detector/frozen_inference_graph.pb"'
    )
    yield (
        case("checkpoint_of_another_step", "CHECKPOINT_MISSING")
        .change(CHECKPOINT, 'fine_tune_checkpoint: "shapes_detector/model.ckpt-6000"')
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

    # Warnings, which come first where there is no error
    yield case("no_checkpoint", "FROM_SCRATCH").cut(f"  {CHECKPOINT}\n")
    yield (
        case("batchnorm_lags", "FROM_SCRATCH")
        .cut(f"  {CHECKPOINT}\n")
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
