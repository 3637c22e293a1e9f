"""explain: the error that ended it first; silent, with a next step, where that is not known."""

import json
import os

import pytest
import repository

from graphfix.doctor.messages.explain import explain

FIELD = os.path.join(repository.TOP, "..", "shared", "field", "messages")
# What a reader of public threads answered: how the wording of the right row begins.  Those that are
# unknown on purpose begin with "?".
ANSWERS = {
    "01_tensor_conversion": "Tensor conversion requested dtype string",
    "03_range": "Expected int32, got range(0, 3)",
    "03b_range": "Expected int32, got range(0, 3)",
    "04b_predictions_same": "num predictions per location must be same",
    "05_tuple_component": "Shape mismatch in tuple component 18. Expected [1,?,?,3], got [1,1,",
    "06_prefetch": "FIFOQueue '_2_prefetch_queue' is closed",
    "07_numpy": "TypeError: 'numpy.float64' object",
    "08_incompatible": "Incompatible shapes: [1,63,4] vs. [1,64,4]  (BoxClassifierLoss)",
    "10_minmax": "Array X, which is an input to the Y operator",
    "11_unicode": "UnicodeDecodeError in _preread_check",
    "12b_opencv_priors": "OpenCV: Assertion failed) int(numPriors",
    "13_trt": "TensorRT: Assertion `numPriors",
    "14_object_based": "Checkpoint is expected to be an object-based checkpoint",
    "15_nodedef": "NodeDef mentions attr 'index_type'",
    "16_killed": "Killed",
    "17_bn_trainable": 'Message type "object_detection.protos.SsdFeatureExtractor" has no field '
    'named "batch_norm_trainable"',
    "17b_pred": "`pred` must be a Tensor",
    "18b_conv_biases": "Key X not found in checkpoint  (export)",
    "19_layout": 'Protocol message RewriterConfig has no "layout_optimizer" field',
    "21_output_file": "You must supply the path to save to with --output_file",
    "22_bytes_like": "a bytes-like object is required, not 'str'  (in load_labelmap)",
    "22b_bytes_like_full": 'Message type "object_detection.protos.StringIntLabelMap" has no field',
    "23_keyerror_object": "KeyError: 'object'  (create_pascal_tf_record)",
    "24_second_stage": "second_stage_batch_size should be no greater",
    "25_stride": "`first_stage_features_stride` must be 8 or 16",
    "27_assert_masks": "assertion failed: [Condition x == y did not hold element-wise:] [x "
    "(Loss/BoxClassifierLoss/assert_equal_2/x:0) = ] [0]",
    "28_unknown_meta": "Unknown meta architecture: None",
    "29_nms": "non_max_suppression() got an unexpected keyword argument 'score_threshold'",
    "30_nan_label": "LossTensor is inf or nan",
    "31_image33": "image size must be >= 33",
    "32_add_to_batch": "Cannot add tensor to the batch",
    "33_multiple_id": 'ParseError: Message type "object_detection.protos.StringIntLabelMapItem" '
    "should not have multiple",
    "34_bom": "ParseError: 1:1 : '\\ufeffmodel {'",
    "35_mask01": "`mask` elements should be in [0, 1]",
    "36_step0": "global_step/sec: 0",
    "37_png_masks": "Key: image/object/mask. Data types don't match",
    "40_expected_float32": "Expected float32, got 'Loss/RPNLoss/objectness_loss'",
    "41_libcuda": "Could not load dynamic library 'libcudart.so.10.0'",
    "42_keyerror_ssd": "KeyError: 'ssd'  (tf_text_graph_ssd.py)",
    "43_assign_shapes_noise": "Assign requires shapes of both tensors to match",
    "44b_cuda_oom": "failed to allocate 3.17G",
    "46_newrandom_train_image": "NewRandomAccessFile failed to Create/Open  (when records",
    "47_findfirst": "Failed to get matching files on X",
    "48_tflite_resizer": "Only fixed_shape_resizer is supported with tflite",
    "48b_tflite_frcnn": "Only ssd models are supported in tflite",
    "49_output_array": 'Specified output array "detection_boxes" is not produced',
    "50_postprocess_op": "Op type not registered 'TFLite_Detection_PostProcess'",
    "52_squeeze": "FailedPreconditionError: X; Is a directory",
    "53_nms_v3": "No op named NonMaxSuppressionV3",
    "54_dup_flag": "The flag 'pipeline_config_path' is defined twice",
    "55_long_log_then_trace": "Paddings must be non-negative",
    "56_map_pattern": "?Input to reshape is a tensor with 90000 values",
    "57_loss_zero": "my loss is 0 and nothing is detected",
    "60_conv_quant": "Key X/conv_quant/max not found in checkpoint",
    "61_already_added": "Image with id b'559842' already added",
    "64_ignoring": "Ignoring ground truth with image id X",
    "65_missing_gt": "Missing groundtruth for image id: X",
    "70_noise_unknown": "second_stage_batch_size should be no greater",
    "71_gradient_wrapped": "Assign requires shapes of both tensors to match",
}
STEP = "ValueError: First step cannot be zero."
MASKS = "ValueError: Groundtruth instance masks not provided. Please configure input reader."
WIDTH = (
    "WARNING:root:Variable [BoxPredictor_0/weights] is available in checkpoint, but has an "
    "incompatible shape with model variable."
)
CUDA = (
    "2020-05-26 10:11:12.1 W tensorflow/x/dso_loader.cc:55] Could not load dynamic library "
    "'libcudart.so.10.0'; dlerror: cannot open shared object file: No such file or directory"
)


@pytest.mark.skipif(not os.path.isdir(FIELD), reason="the messages of the field are elsewhere")
def test_messages_of_the_field():
    names = sorted(os.listdir(FIELD))
    assert {name.split(".")[0] for name in names} == set(ANSWERS)
    wrong = {}
    for name in names:
        with open(os.path.join(FIELD, name), encoding="utf-8") as file:
            found = explain(file.read())
        wanted = ANSWERS[name.split(".")[0]]
        row = found.unknown.row if found.unknown else found.messages[0]
        got = "" if row is None else "?" * row.open + row.wording
        if not got.startswith(wanted):
            wrong[name] = got
    assert not wrong


def wordings(text):
    return [row.wording.split(" ")[0] for row in explain(text).messages]


def test_the_error_comes_before_what_the_log_warns_of():
    for text in (f"{WIDTH}\n{STEP}", f"{STEP}\n{WIDTH}"):
        assert wordings(text) == ["First", "Variable"]


def test_the_last_of_two_errors_comes_first():
    assert wordings(f"{STEP}\n{MASKS}") == ["Groundtruth", "First"]
    assert wordings(f"{MASKS}\n{STEP}") == ["First", "Groundtruth"]


def test_what_an_error_left_behind_yields_to_the_error():
    queue = "OutOfRangeError: FIFOQueue '_2_prefetch_queue' is closed and has insufficient elements"
    damaged = "W tensorflow/core/framework/op_kernel.cc:1] Data loss: corrupted record at 12"
    assert wordings(queue) == ["FIFOQueue"]
    assert (
        wordings(f"{WIDTH}\n{queue}") == wordings(f"{queue}\n{WIDTH}") == ["FIFOQueue", "Variable"]
    )
    assert wordings(f"DataLossError: corrupted record at 12\n{queue}")[0] == "DataLossError:"
    assert "DataLossError:" in wordings(f"{damaged}\n{queue}")


def test_an_unknown_error_is_given_no_other_meaning():
    """Whatever else is in the log."""
    found = explain(f"{CUDA}\n{WIDTH}\nTraceback (most recent call last):\nValueError: brand new")
    assert found.messages == () and found.unknown.line == 4
    assert [one.line for one in found.problems] == [2, 1]
    lines = found.to_lines()
    assert lines[0] == "graphfix does not know this message: ValueError: brand new"
    assert "Also in this text, and not necessarily its cause:" in lines


def test_what_code_and_nodes_quote_did_not_happen():
    for quoted in (
        f'  File "x.py", line 18, in f\n    raise ValueError("{STEP}")',
        f"  File \"x.py\", line 18, in f\n    check(a,\n          '{STEP}')",
        f'\t [[Node: CheckNumerics = CheckNumerics[T=DT_FLOAT, message="{STEP}"]]]',
    ):
        found = explain(f"Traceback (most recent call last):\n{quoted}\nValueError: brand new")
        assert found.problems == () and found.unknown, quoted


def test_an_unknown_message_leads_to_the_nearest_and_to_what_to_look_at():
    found = explain(
        "Traceback (most recent call last):\n"
        '  File "/usr/object_detection/utils/label_map_util.py", line 9, in load_labelmap\n'
        "    check(label_map)\n"
        "ValueError: Label map ids should be different from the background's"
    )
    assert found.messages == ()
    assert "Label map id 0 is reserved for the background label" in found.unknown.nearest
    assert any("label_map_util.py" in one for one in found.unknown.look_at)
    assert any("one item { id: 1" in one for one in found.unknown.look_at)
    assert explain("Segmentation fault").messages == ()
    assert "PIPELINE_CONFIG" in explain("").to_lines()[1]


def test_a_message_of_several_causes_names_none():
    found = explain("Input to reshape is a tensor with 90 values, but the requested shape has 270")
    assert found.messages == () and "several causes" in "\n".join(found.to_lines())


def test_errors_chained_to_a_known_one_have_its_meaning():
    text = (
        "google.protobuf.text_format.ParseError: 3:1 : Expected identifier or number, got {.\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\nTypeError: something that follows from it"
    )
    assert wordings(text) == ["Expected"]
    assert explain(text.replace("During handling", "Long after")).messages == ()


@pytest.mark.parametrize(
    "end",
    [
        "KeyboardInterrupt",
        "subprocess.CalledProcessError: Command 'train.sh' returned non-zero exit status 1.",
        "Exception ignored in: <bound method Session.__del__>\nTypeError: 'NoneType' object",
    ],
)
def test_what_only_says_that_it_ended_is_not_the_error(end):
    assert wordings(f"{STEP}\nTraceback (most recent call last):\n{end}") == ["First"]
    assert explain(end).messages == ()


def test_a_run_that_was_killed_after_an_error_that_it_survived():
    text = "ValueError: brand new, but caught\nINFO:tensorflow:Starting Session.\nKilled"
    assert wordings(text)[0] == "Killed"


def test_a_notebooks_traceback():
    text = (
        "---------------------------------------------------------------------------\n"
        "InvalidArgumentError                      Traceback (most recent call last)\n"
        "/usr/lib/python3.6/tensorflow/python/client/session.py in _do_call(self, fn, *args)\n"
        "   1355     try:\n-> 1356       return fn(*args)\n\n"
        "InvalidArgumentError: Paddings must be non-negative: 0 -12\n"
        "\t [[{{node Pad_8}}]]\n"
    )
    assert wordings(text) == ["Paddings"]
    assert explain(text.replace("Paddings", "Somethings")).unknown.text.endswith("0 -12")


def test_a_log_has_each_problem_once_with_its_last_line():
    found = explain("\n".join([WIDTH] * 3 + ["INFO:tensorflow:Starting Session.", CUDA, STEP]))
    assert [(one.line, one.times) for one in found.problems] == [(6, 1), (3, 3), (5, 1)]
    assert "  Line 3, the last of 3: Variable [BoxPredictor_0/weights]" in "\n".join(
        found.to_lines()
    )


def test_what_is_installed_is_checked_by_doctor_too():
    lines = explain("ModuleNotFoundError: No module named 'nets'").to_lines()
    assert any("--environment" in line for line in lines)
    lines = explain("ImportError: DLL load failed: brand new").to_lines()
    assert any("--environment" in line for line in lines)
    assert not any("--environment" in line for line in explain(STEP).to_lines())


UNRELATED = """\
KeyError: 'foo'
KeyError: 'object'
KeyError: 'ssd'
KeyError: 'detection_masks'
TypeError: 'NoneType' object is not iterable
TypeError: a bytes-like object is required, not 'str'
TypeError: None has type NoneType, but expected one of: int, long
TypeError: Expected float32, got None of type 'NoneType' instead.
IndexError: list index out of range
AttributeError: 'dict' object has no attribute 'shape'
AttributeError: module 'mymodule' has no attribute 'contrib'
ValueError: Expected float, got 'x' in column 3
ValueError: The class has no field named speed
ValueError: Shape must be rank 4 but is rank 3
ValueError: Cannot feed value of shape (2,) for Tensor 'x:0', which has shape '(3,)'
ValueError: my map is 0-based, and its id 0 is background
ValueError: batch_size 0 is not allowed
ImportError: No module named mymodule
ModuleNotFoundError: No module named 'objects'
UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte
OSError: [Errno 28] No space left on device
RuntimeError: The Session graph is empty. Add operations to the graph before calling run().
tensorflow.python.framework.errors_impl.InvalidArgumentError: indices[0] = 7 is not in [0, 5)
tensorflow.python.framework.errors_impl.InvalidArgumentError: You must feed a value for 'x'
tensorflow.python.framework.errors_impl.InvalidArgumentError: Expected begin[0] in [0, 3], got 5
tensorflow.python.framework.errors_impl.NotFoundError: Op type not registered 'MyOp' in binary
tensorflow.python.framework.errors_impl.UnimplementedError: Cast string to float is not supported
tensorflow.python.framework.errors_impl.FailedPreconditionError: Attempting to use uninitialized x
ERROR: mycompany/loader.cc:12: config.json: No such file or directory
bash: graphfix: command not found
Segmentation fault (core dumped)
Loss: 0.5, map: 0.7, 0 errors, shape (0, 4), output_shapes=[[300,300,3]], Dataset_map_fn_70"""


@pytest.mark.parametrize("text", UNRELATED.split("\n"))
def test_what_is_not_in_the_table_has_no_meaning(text):
    for whole in (text, f'Traceback (most recent call last):\n  File "x.py", line 1\n{text}'):
        found = explain(whole)
        assert found.problems == () and found.unknown.row is None
        assert found.unknown.look_at


def test_prose_is_for_texts_without_a_programs_output():
    assert wordings("my mAP is 0.0 after a day") == ["mAP"]
    assert explain(f"my mAP is 0.0\n{CUDA}\nValueError: brand new").messages == ()


def test_the_data_has_all_that_the_lines_have():
    data = json.loads(explain(f"{WIDTH}\nValueError: brand new").to_json())
    assert [one["known"] for one in data] == [False, True]
    assert data[0]["text"] == "ValueError: brand new" and data[0]["look_at"]
    assert data[1]["line"] == 1 and data[1]["codes"] and data[1]["remedy"]


# Of a run of legacy/train.py (2019-07) from a converted checkpoint.
HEALTHY = """\
WARNING:root:Variable [Conv/weights/Adam_1] is not available in checkpoint
WARNING:root:Variable [beta2_power] is not available in checkpoint
WARNING:root:Variable [global_step] is not available in checkpoint
I1130 17:30:27.576324 1404 supervisor.py:1099] global_step/sec: 0
INFO:tensorflow:Recording summary at step 0.
INFO:tensorflow:global step 1: loss = 0.9177 (35.229 sec/step)
INFO:tensorflow:global step 12: loss = 1.7164 (0.068 sec/step)
"""


def test_a_healthy_log_has_no_problem(graphfix, tmp_path):
    found = explain(HEALTHY)
    assert (found.problems, found.unknown) == ((), None) and found.known
    assert found.trained == (7, "global step 12: loss = 1.7164 (0.068 sec/step)")
    (tmp_path / "a.log").write_text(HEALTHY)
    done = graphfix("doctor", "--explain", tmp_path / "a.log")
    assert done.code == 0 and done.out.startswith("This log has no error")
    assert done.out.count("Variable [") == done.out.count("global_step") == 0
    assert explain("INFO:tensorflow:loss = 4.98, step = 100 (3.2 sec)").trained
    assert json.loads(found.to_json()) == []


def test_what_is_wrong_in_a_log_stays_wrong_where_it_trains():
    lost = "WARNING:root:Variable [Conv/weights] is not available in checkpoint\n"
    (problem,) = explain(lost + HEALTHY).problems
    assert problem.row.wording == "Variable [X] is not available in checkpoint"
    assert problem.times == 1
    ended = explain(HEALTHY + "ValueError: brand new")
    assert ended.unknown.text == "ValueError: brand new" and not ended.trained
    assert not ended.problems
    # As long as no step was made, it is what to look at.
    slow = HEALTHY[: HEALTHY.index("INFO:tensorflow:global step 1")]
    assert [one.row.wording for one in explain(slow).problems] == ["global_step/sec: 0"]
    alone = explain("Variable [global_step] is not available in checkpoint")
    assert [one.remedy for one in alone.messages] == ["go on: there is nothing to mend"]
