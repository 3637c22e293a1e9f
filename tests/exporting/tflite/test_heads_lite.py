"""The way back from the scores: constants that others read, what is not followed."""

import lite_cases
import numpy as np
import pytest

import graphfix
from graphfix.exporting.tflite.heads import find_places
from graphfix.exporting.tflite.model import open_lite
from graphfix.formats.flatbuffers.reader import Table


def written(tmp_path, kind, edit):
    path = tmp_path / "x.tflite"
    path.write_bytes(lite_cases.edited(kind, edit))
    return str(path)


def convert(path):
    memory = graphfix.Memory()
    options = graphfix.ConvertOptions(num_classes=2, map=["1=4", "2=2"])
    graphfix.convert_lite(path, memory, options)
    return memory.files["detect.tflite"]


@pytest.mark.parametrize("kind", lite_cases.KINDS)
def test_heads_are_found(kind):
    model = open_lite(lite_cases.path(kind))
    places = find_places(model)
    constants = {one for one in places.weights if model.data(one) is not None}
    assert set(places.weights.values()) == {0}
    assert (places.softmax is not None) == (kind == "softmax")
    assert len(constants) == (3 if kind == "shared" else 4)
    assert all("classes_" in model.name(one) for one in places.weights)


def named(tensors, name):
    (found,) = [number for number, one in enumerate(tensors) if one.get("Name") == name]
    return found


def test_a_constant_that_others_read_is_copied(tmp_path):
    """Here, the shape of the scores is that of something else, too."""

    def edit(root, tensors, operators):
        reshapes = [one for one in operators if one.get("BuiltinOptionsType") == 17]
        first, _ = [one for one in reshapes if shape(tensors, one)[-1] == 6]
        other = next(one for one in reshapes if shape(tensors, one)[-1] == 4)
        # Not a detector that runs: the codes of boxes in six columns.
        other.fields["Inputs"] = np.array([other.get("Inputs")[0], first.get("Inputs")[1]])

    path = written(tmp_path, "float", edit)
    before, after = open_lite(path), convert(path)
    old, (_, tensors, operators) = before.tensors, lite_cases.tables(after)
    assert len(tensors) == len(old) + 1
    for one, other in zip(before.operations, operators):
        changed = list(one.inputs) != list(other.get("Inputs"))
        assert not changed or one.name == "RESHAPE"


def shape(tensors, operator):
    return tuple(tensors[int(operator.get("Outputs")[0])].get("Shape"))


def test_a_buffer_of_two_tensors_is_kept_for_the_other(tmp_path):
    def edit(root, tensors, operators):
        head = tensors[named(tensors, b"classes_0/weights")]
        tensors.append(Table("Tensor", dict(head.fields, Name=b"other")))

    path = written(tmp_path, "float", edit)
    source = lite_cases.constants(lite_cases.data("float"))["classes_0/weights"][0]
    found = lite_cases.constants(convert(path))
    assert np.array_equal(found["other"][0], source)
    assert len(found["classes_0/weights"][0]) == len(source) // 2


def test_readers_on_the_side_are_refused(tmp_path):
    def edit(root, tensors, operators):
        boxes = next(one for one in operators if one.get("BuiltinOptionsType") == 10)
        scores = int(operators[-1].get("Inputs")[1])
        boxes.fields["Inputs"] = np.append(boxes.get("Inputs"), scores).astype(np.int32)

    with pytest.raises(graphfix.SourceError, match="reads Sigmoid, which has a channel a class"):
        convert(written(tmp_path, "float", edit))


def test_operations_that_are_not_known_are_refused(tmp_path):
    def edit(root, tensors, operators):
        code = next(
            one for one in root.get("OperatorCodes") if one.get("DeprecatedBuiltinCode") == 14
        )
        code.fields["DeprecatedBuiltinCode"] = 36

    with pytest.raises(graphfix.SourceError, match="not known to keep classes apart: operation 36"):
        convert(written(tmp_path, "float", edit))


def test_scores_of_nothing_are_refused(tmp_path):
    def edit(root, tensors, operators):
        scores = int(operators[-1].get("Inputs")[1])
        del operators[[int(one.get("Outputs")[0]) for one in operators].index(scores)]

    with pytest.raises(graphfix.SourceError, match="which nothing computes"):
        convert(written(tmp_path, "float", edit))
