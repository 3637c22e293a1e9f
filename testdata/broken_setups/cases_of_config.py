"""The config's text: syntax, fields, extractors, patterns."""

from broken_setups.setup import BASE, CHECKPOINT, COSINE, TRAIN_PATH
from broken_setups.variables import of_keras, tensors


def cases(case):
    """Yields the cases; `case(name, code of the first finding)` begins one."""
    yield case("windows_path", "WINDOWS_PATH").change(
        TRAIN_PATH, 'input_path: "C:\\Users\\me\\train.record"'
    )
    yield (
        case("windows_path_with_tab", "WINDOWS_PATH")
        .change(TRAIN_PATH, 'input_path: "shapes\\train.record"')
        .fixable()
    )
    yield (
        case("typographic_quotes", "QUOTES")
        .change(CHECKPOINT, "fine_tune_checkpoint: \u201cshapes_detector/model.ckpt\u201d")
        .fixable()
    )
    yield (
        case("config_with_bom", "CONFIG_BOM")
        .change("model {\n  ssd", "\ufeffmodel {\n  ssd")
        .fixable()
    )
    yield (
        case("brace_too_many", "CONFIG_SYNTAX")
        .change("    box_coder {", "    }\n    box_coder {")
        .fixable()
    )
    yield (
        case("config_for_tensorflow_2", "CONFIG_TF2")
        .change('type: "ssd_mobilenet_v1"', 'type: "ssd_mobilenet_v2_keras"')
        .change(CHECKPOINT, f"fine_tune_checkpoint_version: V2 {CHECKPOINT}")
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
        .change("learning_rate {\n" + COSINE + "      }", "learning_rate: 0.004")
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
    yield case("extractor_of_tensorflow_2", "CONFIG_TF2").change(
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
        ("all_frozen", "NOTHING_TRAINS", "freeze_variables: '.*'"),
        (
            "nothing_to_update",
            "ONE_TRAINER_TRAINS_NOTHING",
            "update_trainable_variables: 'SecondStage'",
        ),
        ("pattern_of_nested_repeats", "PATTERN_SLOW", "freeze_variables: '(([A-Za-z_0-9]+/?)+)+!'"),
    ):
        yield case(name, code).change("  batch_size: 4", "  batch_size: 4\n  " + line)
    yield (
        case("first_step_zero", "FIRST_STEP")
        .change(
            COSINE,
            "        manual_step_learning_rate { initial_learning_rate: 0.01 schedule "
            "{ step: 0 learning_rate: 0.01 } schedule { step: 4000 learning_rate: 0.001 } }\n",
        )
        .fixable()
    )
    yield case("ratios_of_none", "ANCHORS_NONE").change(
        "        aspect_ratios: [1.0, 2.0, 0.5, 3.0, 0.3333]\n",
        "        interpolated_scale_aspect_ratio: 0\n        reduce_boxes_in_lowest_layer: false\n",
    )
    yield case("scales_of_other_layers", "ANCHORS_IMPOSSIBLE").change(
        "        min_scale: 0.2\n", "        scales: [0.1, 0.2, 0.3]\n        min_scale: 0.2\n"
    )
