"""Error messages about label maps, records, the run and the installation: what they mean.

The wording is that of TensorFlow 1.x and of the API's code.
"""

from graphfix.doctor.checks import Message

MESSAGES = (
    # Labels
    Message(
        "Label map id 0 is reserved for the background label",
        r"Label map id 0 is reserved|Label map ids should be >= ?[01]",
        "A class has the id 0, or no id.",
        ("LABEL_ID_ZERO", "LABEL_ID_NEGATIVE"),
        "number the classes from 1, and write the records again",
    ),
    Message(
        "KeyError: 'name of a class'  (when records are made)",
        r"^KeyError: ['\"]|\nKeyError: ['\"]",
        "The annotations name a class that the label map does not have.",
        ("CLASS_TEXT_UNKNOWN",),
        "add that name to the label map",
    ),
    # Records
    Message(
        "Did not find any input files matching the glob pattern ['X']",
        r"Did not find any input files|At least one input path must be specified",
        "An input path matches no file, from the directory that the trainer runs in.",
        ("RECORDS_MISSING", "PLACEHOLDER", "PATH_OF_CONFIG", "RECORDS_UNNAMED"),
        "correct the path",
    ),
    Message(
        "X; No such file or directory",
        r"No such file or directory|NotFoundError.*PATH_TO",
        "A path in the config does not exist.",
        (
            "PLACEHOLDER",
            "PATH_OF_CONFIG",
            "PATH_TILDE",
            "LABEL_MAP_LOST",
            "RECORDS_MISSING",
            "CHECKPOINT_MISSING",
        ),
        "correct the path",
    ),
    Message(
        "DataLossError: corrupted record at 12345",
        r"corrupted record at|truncated record at",
        "A file of records is cut off or damaged.",
        ("RECORDS_DAMAGED",),
        "write or copy the file again",
    ),
    Message(
        "Data types don't match. Key: X, Expected type: Y",
        r"Data types don't match|Key: .*Can't parse serialized Example|"
        r"Could not parse example input",
        "A feature of a record has another type than the decoder expects, or the record is not "
        "a tf.Example.",
        ("FEATURE_KIND", "RECORD_NOT_EXAMPLE"),
        "write the records as the API's scripts do",
    ),
    Message(
        "Invalid JPEG data or crop window, data size X",
        r"Invalid JPEG data|Invalid PNG data|Unable to decode bytes as JPEG, PNG, GIF, or BMP|"
        r"Unknown image file format|assertion failed: \[Unable to decode",
        "An image is cut off, empty, or in a format that TensorFlow does not decode.",
        ("IMAGE_CUT", "IMAGE_UNREADABLE", "IMAGE_MISSING", "IMAGE_GIF", "IMAGE_FORMAT"),
        "convert or remove the image that doctor names",
    ),
    Message(
        "assertion failed: [maximum box coordinate value is larger than 1.100000: ]",
        r"maximum box coordinate value is larger than",
        "Boxes are in pixels, or were divided by the wrong side of the image.",
        ("BOX_PIXELS", "BOX_OTHER_SIDE", "BOX_OUTSIDE", "IMAGE_TURNED"),
        "divide x by the width and y by the height",
    ),
    # Training
    Message(
        "expected dtype float does not equal original dtype double",
        r"expected dtype \w+ does not equal original dtype",
        "A variable of the checkpoint has another type than the model's, which are all float32.",
        ("CHECKPOINT_TYPES",),
        "cast it to float32 and save the checkpoint again",
    ),
    Message(
        "LossTensor is inf or nan. : Tensor had NaN values",
        r"LossTensor is inf or nan|NaN loss during training|NanLossDuringTrainingError|"
        r"Tensor had (NaN|Inf)|loss (is|=|:)? ?nan",
        "The loss diverged: a box ends before it begins, the learning rate is too high, or the "
        "checkpoint has NaN.",
        (
            "BOX_INVERTED",
            "BOX_IS_SIZE",
            "BOX_NO_NUMBER",
            "BOX_EMPTY",
            "RATE_HIGH",
            "CHECKPOINT_NOT_FINITE",
        ),
        "correct the boxes that doctor names, or divide the rate by 10",
    ),
    Message(
        "Skipping training since max_steps has already saved.",
        r"Skipping training since max_steps has already saved",
        "model_dir has a checkpoint of num_steps steps or more.",
        ("MODEL_DIR_DONE",),
        "use an empty model_dir, or raise num_steps",
    ),
    Message(
        "OOM when allocating tensor with shape[...]",
        r"OOM when allocating|ResourceExhaustedError",
        "The batch does not fit into the GPU's memory, or huge images do not fit into the "
        "machine's.",
        ("IMAGE_HUGE",),
        "lower batch_size or the image's size; shrink huge images",
    ),
    Message(
        "The following classes have no ground truth examples: X",
        r"classes have no ground truth examples|ground ?truth.*no examples",
        "No evaluation record has a box of those classes.",
        ("CLASS_UNUSED", "CLASS_TEXT_UNKNOWN", "CLASS_ID_OUTSIDE", "LABEL_FEWER"),
        "check whether the records name the classes as the label map does",
    ),
    Message(
        "ValueError: Metric not found: X",
        r"Metric not found",
        "metrics_set in eval_config has a name that the API does not know.",
        ("METRICS_UNKNOWN",),
        "correct the name",
    ),
    Message(
        "mAP is 0 though the loss is small  (no message at all)",
        r"(?<!label )(?<!label m)m?AP.{0,20}(is|=|:)? ?0(\.0+)?\b|detects? nothing|no detections",
        "BatchNorm's averages lag behind a short run, the heads started at random, or "
        "evaluation numbers the classes differently.",
        ("BATCHNORM_LAGS", "CHECKPOINT_IGNORED", "RESTORE_KIND", "LABEL_MAPS_DIFFER"),
        "let doctor check the config",
    ),
    Message(
        "re.error: missing ), unterminated subpattern at position 0",
        r"unterminated (subpattern|character set)|nothing to repeat|multiple repeat at|"
        r"sre_constants\.error|\bre\.error",
        "A pattern in freeze_variables or update_trainable_variables is not a valid regular "
        "expression.",
        ("PATTERN_REFUSED", "ONE_TRAINER_PATTERN"),
        "correct the pattern",
    ),
    Message(
        "ValueError: Invalid checkpoint state loaded from X",
        r"Invalid checkpoint state loaded from",
        "The state file `checkpoint` in model_dir names no checkpoint.",
        ("MODEL_DIR_STATE",),
        "remove the file",
    ),
    # The installation
    Message(
        "No module named 'object_detection' / 'nets' / 'tensorflow.contrib'",
        r"No module named '?(object_detection|nets|slim|deployment|tensorflow\.contrib|tf_slim|"
        r"pycocotools)",
        "The API or a package it needs is not installed, or TensorFlow is 2.x, which has no "
        "contrib.",
        (),
        "install TensorFlow 1.15 and one revision of the API, with its slim directory",
    ),
    Message(
        "AttributeError: module 'tensorflow' has no attribute 'contrib'",
        r"has no attribute '(contrib|app|gfile|ConfigProto|Session|placeholder)'",
        "TensorFlow is 2.x, but the API is for 1.x.",
        (),
        "install TensorFlow 1.15",
    ),
)
