"""What a trainer's graph shows; stock/test_infer.py has whole ones, of both trainers."""

import pytest
from handgraphs import Made

from graphfix.graph_import import training
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised
from graphfix.graph_import.resizers import infer_images


def evidence(made):
    return GraphEvidence(made.graph(), {})


def trainer():
    return Made().node("image", "Placeholder").node("train/ApplyMomentum", "ApplyMomentum")


def test_a_trainer_is_told_by_its_optimizer():
    assert evidence(trainer()).trains
    assert not evidence(Made().node("image", "Placeholder").node("Apply", "Identity")).trains


def resize(made, scope=""):
    made.value(scope + "Preprocessor/ResizeImage/stack", [300, 200], "int32")
    return made.node(
        scope + "Preprocessor/ResizeImage/resize/ResizeBilinear",
        "ResizeBilinear",
        "image",
        scope + "Preprocessor/ResizeImage/stack",
    )


def test_images_are_resized_in_a_function_of_the_input_pipeline():
    body, made = resize(Made()), trainer()
    function = made.message.library.function.add()
    function.signature.name = "Dataset_map"
    function.signature.input_arg.add(name="image")
    for node in body.message.node:
        copy = function.node_def.add()
        copy.CopyFrom(node)
        copy.input[:] = [one if one == "image" else one + ":output:0" for one in node.input]
    assert infer_images(evidence(made)).fixed == (300.0, 200.0)
    # The legacy trainer does so in the graph itself.
    assert infer_images(evidence(resize(trainer()))).fixed == (300.0, 200.0)
    function.node_def[-1].input[1] = "gone:output:0"
    with pytest.raises(Unrecognised, match="Dataset_map"):
        infer_images(evidence(made))


@pytest.mark.parametrize(
    "paddings, background", [([[0, 0], [1, 0]], True), ([[0, 0], [0, 1]], False), (None, False)]
)
def test_the_background_is_what_the_loss_pads(paddings, background):
    made = trainer()
    if paddings:
        made.value("Loss/Pad/paddings", paddings, "int32")
        made.node("Loss/Pad", "Pad", "image", "Loss/Pad/paddings")
    assert training.has_background(evidence(made)) == background


def test_the_box_coder_is_what_codes_are_multiplied_with():
    made = trainer()
    for number, scale in enumerate((10, 9, 5, 4)):
        suffix = f"_{number}" if number else ""
        made.value(f"Loss/Encode/mul{suffix}/y", scale)
        made.node(f"Loss/Encode/mul{suffix}", "Mul", "image", f"Loss/Encode/mul{suffix}/y")
    with pytest.raises(Unrecognised):
        training.infer_coder(evidence(made))
    made.node("Loss/Encode/Log", "Log", "image").node("Loss/Encode/Log_1", "Log", "image")
    (coder,) = training.infer_coder(evidence(made))
    assert [(field.name, field.value) for field in coder.value] == [
        ("y_scale", 10.0),
        ("x_scale", 9.0),
        ("height_scale", 5.0),
        ("width_scale", 4.0),
    ]


@pytest.mark.parametrize("op, converter", [("Add", "SIGMOID"), (training._SOFTMAX[0], "SOFTMAX")])
def test_what_only_detections_show_is_assumed(op, converter):
    made = trainer().node("Loss/Loss_1/loss", op, "image")
    fields = training.post_processing(evidence(made), 0.0, 0.6, 8)
    assert all(field.assumed for field in fields) and fields[1].value == converter
    most = {field.name: field.value for field in fields[0].value}
    assert most["max_detections_per_class"] == most["max_total_detections"] == 8
