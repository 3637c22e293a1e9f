"""--explain: real messages, as TensorFlow 1.x and the API print them, lead to the right checks."""

import re

import pytest

from graphfix.doctor import diagnosis, messages

# What people paste, and the check that finds its cause.
PASTED = (
    (
        'google.protobuf.text_format.ParseError: 127:1 : Message type "object_detection.protos.'
        'InputReader" has no field named "eval_config".',
        "FIELD_MISPLACED",
    ),
    (
        "google.protobuf.text_format.ParseError: 110:25 : Expected string but found: '\u201c'",
        "QUOTES",
    ),
    ("google.protobuf.text_format.ParseError: 9:5 : Couldn't parse integer: 300.0", "VALUE_WRONG"),
    (
        "tensorflow.python.framework.errors_impl.InvalidArgumentError: Assign requires shapes of "
        "both "
        "tensors to match. lhs shape= [2048,12] rhs shape= [2048,8]\n\t [[Node: save/Assign_527 = "
        "Assign",
        "MODEL_DIR_SHAPES",
    ),
    (
        "WARNING:root:Variable [BoxPredictor_0/ClassPredictor/weights] is available in checkpoint, "
        "but has an incompatible shape with model variable. Checkpoint shape: [[1, 1, 512, 273]], "
        "model variable shape: [[1, 1, 512, 12]]. This variable will not be initialized from the "
        "checkpoint.",
        "CLASS_HEADS_NEW",
    ),
    (
        "Variable [FeatureExtractor/MobilenetV2/Conv/weights] is not available in checkpoint",
        "RESTORE_KIND",
    ),
    (
        "NotFoundError (see above for traceback): Key "
        "BoxPredictor_0/BoxEncodingPredictor/act_quant/max not found in checkpoint",
        "FLOAT_TO_QUANTIZED",
    ),
    (
        "NotFoundError: Restoring from checkpoint failed. Key BoxPredictor_0/biases/Momentum not "
        "found in checkpoint",
        "MODEL_DIR_INCOMPLETE",
    ),
    (
        "DataLossError (see above for traceback): Unable to open table file "
        "training/model.ckpt.meta: "
        "Data loss: not an sstable (bad magic number): perhaps your file is in a different file "
        "format",
        "CHECKPOINT_PART",
    ),
    (
        "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for "
        "PATH_TO_BE_CONFIGURED/model.ckpt",
        "CHECKPOINT_MISSING",
    ),
    ("ValueError: ssd_model/model.ckpt is not a valid checkpoint", "CHECKPOINT_DIRECTORY"),
    ("ValueError: Label map id 0 is reserved for the background label", "LABEL_ID_ZERO"),
    (
        "RuntimeError: Did not find any input files matching the glob pattern "
        "['data/train.record']",
        "RECORDS_MISSING",
    ),
    ("DataLossError: corrupted record at 12", "RECORDS_DAMAGED"),
    (
        "InvalidArgumentError: Name: <unknown>, Feature: image/object/bbox/xmin. Data types don't "
        "match. Expected type: float",
        "FEATURE_KIND",
    ),
    (
        "InvalidArgumentError: assertion failed: [Unable to decode bytes as JPEG, PNG, GIF, or "
        "BMP]",
        "IMAGE_UNREADABLE",
    ),
    (
        "InvalidArgumentError: assertion failed: [maximum box coordinate value is larger than "
        "1.100000: ] [1.5]",
        "BOX_PIXELS",
    ),
    (
        "InvalidArgumentError: tensor_name = a/weights; expected dtype float does not equal "
        "original "
        "dtype double",
        "CHECKPOINT_TYPES",
    ),
    (
        "InvalidArgumentError: LossTensor is inf or nan. : Tensor had NaN values\n\t [[Node: "
        "CheckNumerics",
        "BOX_INVERTED",
    ),
    (
        "tensorflow.python.training.basic_session_run_hooks.NanLossDuringTrainingError: NaN loss "
        "during training.",
        "RATE_HIGH",
    ),
    ("INFO:tensorflow:Skipping training since max_steps has already saved.", "MODEL_DIR_DONE"),
    ("ValueError: First step cannot be zero.", "FIRST_STEP"),
    ("ValueError: total_steps must be larger or equal to warmup_steps.", "SCHEDULE_REFUSED"),
    ("ValueError: Unknown ssd feature_extractor: ssd_mobilenet_v3", "EXTRACTOR_UNKNOWN"),
    (
        "InvalidArgumentError: Cannot batch tensors with different shapes in component 0. First "
        "element had shape [600,800,3] and element 1 had shape [600,1067,3].",
        "BATCH_RAGGED",
    ),
    ("ResourceExhaustedError: OOM when allocating tensor with shape[32,150,150,96]", "IMAGE_HUGE"),
    ("ValueError: Metric not found: pascal_voc_metrics", "METRICS_UNKNOWN"),
    ("my mAP is 0.000 after 2000 steps", "BATCHNORM_LAGS"),
)


@pytest.mark.parametrize("text, code", PASTED)
def test_a_real_message_leads_to_its_check(text, code):
    found = messages.explain(
        'Traceback (most recent call last):\n  File "train.py", line 184\n' + text
    )
    assert found and code in found[0].codes, [row.wording for row in found]


def test_the_last_of_several_counts_first():
    warning, error = (
        next(text for text, code in PASTED if code == wanted)
        for wanted in ("CLASS_HEADS_NEW", "BOX_INVERTED")
    )
    assert messages.explain(warning + "\n" + error)[0].codes[0] == "BOX_INVERTED"
    assert messages.explain(error + "\n" + warning)[0].codes[0] == "CLASS_HEADS_NEW"


def test_a_label_map_is_no_average_precision():
    found = messages.explain("ValueError: Label map id 0 is reserved for the background label")
    assert len(found) == 1
    for text in ("mAP is 0.0", "my map = 0", "AP: 0", "Precision_mAP: 0.0"):
        assert messages.explain(text)[0].wording.startswith("mAP is 0")


def test_an_unknown_message_is_not_explained():
    assert messages.explain("Segmentation fault") == []
    assert "does not know this message" in messages.to_lines([])[0]


def test_every_row_names_checks_that_there_are():
    codes = {check.code for check in diagnosis.CHECKS}
    for row in messages.MESSAGES:
        assert set(row.codes) <= codes, row
        re.compile(row.pattern)


def test_every_row_is_reached():
    reached = {row.wording for text, _ in PASTED for row in messages.explain(text)}
    # Their own wordings, where nothing was pasted above.
    reached |= {row.wording for one in messages.MESSAGES for row in messages.explain(one.wording)}
    assert reached == {row.wording for row in messages.MESSAGES}


def test_every_message_that_a_check_quotes_is_explained():
    for check in diagnosis.CHECKS:
        for quoted in re.findall(r'\("(.+?)"', check.cause):
            found = messages.explain(quoted)
            assert any(check.code in row.codes for row in found), (check.code, quoted)
