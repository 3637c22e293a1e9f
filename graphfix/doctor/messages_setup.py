"""Error messages about the config and the checkpoint: what they mean.

The wording is that of TensorFlow 1.x and of the API's code.
"""

from graphfix.doctor.checks import Message

MESSAGES = (
    # The config
    Message(
        'Message type "object_detection.protos.X" has no field named "Y".',
        r"has no field named",
        "A field is misspelled, is in the wrong block (a } is missing, or there is one too "
        "many, some lines above), or belongs to another revision of the API than the installed "
        "one.",
        ("FIELD_MISPLACED", "FIELD_UNKNOWN", "FIELD_OF_OTHER_API"),
        "choose the installed API with --target_api; --fix moves or removes the field",
    ),
    Message(
        "Expected string but found: '\"C:\\...'",
        r"Expected string but found|invalid \\?escape|unicodeescape|truncated \\\\?U[Xx]",
        "A path has backslashes, which begin escapes in protobuf text, or quotes are the "
        "typographic ones of a text editor.",
        ("WINDOWS_PATH", "QUOTES"),
        "write forward slashes and plain quotes",
    ),
    Message(
        "Expected identifier or number, got X.",
        r"text_format\.ParseError|Expected (identifier|'?[{:\"]|integer|float|bool|double)|"
        r"Couldn't parse (integer|float|number)|Error parsing text-format",
        "The config is not valid protobuf text at that line, or a value has the wrong type.",
        ("CONFIG_SYNTAX", "BLOCK_EXPECTED", "VALUE_WRONG"),
        "correct the line that the message names",
    ),
    Message(
        "Unknown ssd feature_extractor: X",
        r"Unknown (ssd|Faster R-CNN) feature_extractor|is not supported\. See `?model_builder",
        "The installed API has no such feature extractor: it is misspelled, from a later "
        "revision, or from TensorFlow 2.",
        ("EXTRACTOR_UNKNOWN", "EXTRACTOR_OF_OTHER_API"),
        "use the API that has it, or another extractor",
    ),
    Message(
        "SSD Inception V2 feature extractor always uses scope returned by `conv_hyperparams_fn`",
        r"always uses ?scope returned by",
        "SSD with Inception requires the config to say that BatchNorm's settings come from it.",
        ("OVERRIDE_NEEDED",),
        "write override_base_feature_extractor_hyperparams: true",
    ),
    Message(
        "Hyperparams force_use_bias only supported by KerasLayerHyperparams.",
        r"only supported by `?KerasLayerHyperparams",
        "conv_hyperparams have a field of TensorFlow 2's builders.",
        ("KERAS_HYPERPARAMS",),
        "remove it: --fix does",
    ),
    Message(
        "`gradient_multipliers` is empty.",
        r"gradient_multipliers`? is empty",
        "bias_grad_multiplier applies to variables called biases, but Keras calls them bias.",
        ("TRAINER_UNFIT", "ONE_TRAINER_UNFIT"),
        "remove bias_grad_multiplier",
    ),
    Message(
        "not enough values to unpack (expected 7, got 0)",
        r"not enough values to unpack \(expected 7, got 0|need more than 0 values to unpack",
        "legacy/train.py divides batch_size by replicas_to_aggregate (where sync_replicas is "
        "true), or by --num_clones, and nothing is left: the sample config was for eight "
        "machines, and its batch_size was made smaller.",
        ("TRAINER_UNFIT", "ONE_TRAINER_UNFIT"),
        "remove sync_replicas, or set batch_size to at least replicas_to_aggregate; or train "
        "with model_main, which does not divide it",
    ),
    Message(
        "_compute_second_stage_input_feature_maps() missing 2 required positional arguments: "
        "'context_features' and 'valid_context_size'",
        r"missing 2 required positional arguments: 'context_features'",
        "legacy/train.py can't train Context R-CNN: it gives the model no features of other "
        "images.",
        ("TRAINER_UNFIT", "ONE_TRAINER_UNFIT"),
        "train with model_main",
    ),
    Message(
        "First step cannot be zero.",
        r"First step cannot be zero",
        "The learning rate's schedule has a step at 0.",
        ("FIRST_STEP",),
        "make that rate the initial one: --fix does",
    ),
    Message(
        "total_steps must be larger or equal to warmup_steps.",
        r"total_steps must be larger|learning_rate_base must be larger|"
        r"strictly increasing|Empty learning rate schedule|boundaries must be a list|"
        r"Learning_rate \S+ not supported",
        "The learning rate's schedule contradicts itself, or there is none.",
        ("SCHEDULE_REFUSED", "RATE_MISSING"),
        "correct the schedule",
    ),
    Message(
        "Cannot batch tensors with different shapes in component 0.",
        r"Cannot batch tensors with different shapes|"
        r"Dimensions of inputs should match: shape\[0\]|Shapes of all inputs must match",
        "A batch would have images of different sizes: keep_aspect_ratio_resizer with a "
        "batch_size above 1.",
        ("BATCH_RAGGED",),
        "write pad_to_max_dimension: true, or batch_size: 1",
    ),
    Message(
        "Dimensions must be equal, but are 20 and 19 for 'FeatureExtractor/.../fpn/top_down/add'",
        r"Dimensions must be equal|Incompatible shapes: \[",
        "An FPN adds a doubled map to one that is not twice as large.",
        ("FPN_IMAGE_SIZE",),
        "use image sizes that are multiples of 32, or pad_to_multiple: 32",
    ),
    # The checkpoint
    Message(
        "Assign requires shapes of both tensors to match. lhs shape= [x] rhs shape= [y]",
        r"Assign requires shapes of both tensors to match|"
        r"Tensor's shape .* is not compatible with supplied shape",
        "model_dir (or train_dir) has a checkpoint of another model or of other classes, and "
        "the trainer resumes from it; or an evaluation or export reads a checkpoint with "
        "another config.",
        ("MODEL_DIR_SHAPES",),
        "use an empty model_dir, or that run's config",
    ),
    Message(
        "Variable [X] is available in checkpoint, but has an incompatible shape with model "
        "variable.",
        r"is available in checkpoint, but has an incompatible shape|"
        r"incompatible shape with model",
        "Heads have another number of classes or anchors than the checkpoint's, and start at "
        "random. For a class head with new classes that is right.",
        ("CLASS_HEADS_NEW", "HEADS_DO_NOT_FIT", "CHECKPOINT_WIDTH", "CHECKPOINT_KERNEL_SIZE"),
        "to keep the trained rows, convert the checkpoint: graphfix convert",
    ),
    Message(
        "Variable [X] is not available in checkpoint",
        r"is not available in checkpoint|not available in checkpoint|No variables to save|"
        r"None of the MonitoredSession|has no variables to restore",
        "The checkpoint is of another model, or is read under the wrong names "
        "(from_detection_checkpoint). For global_step, and for the legacy trainer's optimizer, "
        "that is right.",
        ("RESTORE_KIND", "CHECKPOINT_OTHER_MODEL", "CHECKPOINT_DEPTHWISE"),
        "set from_detection_checkpoint to what the checkpoint is",
    ),
    Message(
        "Key BoxPredictor_0/.../act_quant/max not found in checkpoint",
        r"(act_quant|weights_quant)\S* not found in checkpoint",
        "A quantized graph (graph_rewriter in the config) is built for a checkpoint that was "
        "trained in float, or saved before quantization began.",
        ("FLOAT_TO_QUANTIZED", "QUANTIZATION_LATE"),
        "remove graph_rewriter, or export a checkpoint that was trained beyond its delay",
    ),
    Message(
        "Key X/Momentum not found in checkpoint",
        r"Key \S+ not found in checkpoint|NotFoundError.*not found in checkpoint",
        "A checkpoint in model_dir is restored strictly, but lacks what training adds: a "
        "published model was copied there, or the optimizer changed.",
        ("MODEL_DIR_INCOMPLETE", "MODEL_DIR_SHAPES"),
        "name published models in fine_tune_checkpoint, and use an empty model_dir",
    ),
    Message(
        "Unable to open table file X: Data loss: not an sstable (bad magic number)",
        r"not an sstable|Unable to open table file|DataLossError.*checkpoint|"
        r"Unsuccessful TensorSliceReader constructor|is not a valid checkpoint|"
        r"Failed to find any matching files for|not a valid checkpoint",
        "fine_tune_checkpoint is not a checkpoint's prefix, but one of its files, its "
        "directory, a frozen graph, or nothing; or a file was cut off when it was copied.",
        (
            "CHECKPOINT_PART",
            "CHECKPOINT_DIRECTORY",
            "CHECKPOINT_FROZEN",
            "CHECKPOINT_MISSING",
            "CHECKPOINT_DAMAGED",
        ),
        "write what its files' names begin with, such as DIR/model.ckpt",
    ),
    Message(
        "fine_tune_checkpoint_type X is not supported / Not supported fine_tune_checkpoint_type",
        r"Not supported fine_tune_checkpoint_type|fine_tune_checkpoint_type",
        "TensorFlow 1's trainers do not know that type.",
        ("RESTORE_TYPE",),
        'write fine_tune_checkpoint_type: "detection"',
    ),
    Message(
        "_CHECKPOINTABLE_OBJECT_GRAPH not found in checkpoint",
        r"_CHECKPOINTABLE_OBJECT_GRAPH|VARIABLE_VALUE",
        "A TensorFlow 1 trainer reads a TensorFlow 2 checkpoint, or the reverse.",
        ("CHECKPOINT_TF2",),
        "use the model's TensorFlow 1 checkpoint",
    ),
)
