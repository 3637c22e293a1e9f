"""diff: what differs is named by class and level, with its size; what does not, is the same."""

import json
import os
import shutil

import builders
import numpy as np
import pytest
import readme
import thorough

from graphfix.cli import command_line

HEAD = "BoxPredictor_2/ClassPredictor/weights"


def changed_model(directory, change, **more):
    tensors = builders.values(4)
    change(tensors)
    return builders.write_model(directory, tensors=tensors, **more)


def louder(tensors):
    # Anchor 4 of level 2, class 3 (after the background and two others).
    tensors[HEAD][0, 0, 7, 4 * 5 + 3] += 0.25
    tensors["FeatureExtractor/MobilenetV1/Conv2d_0/weights"][0, 0, 0, 1] *= 2


def test_the_same(graphfix, model, tmp_path):
    for one, two in (
        (model, model),
        (os.path.join(model, "model.ckpt"), model),
        (os.path.join(model, "pipeline.config"), model),
        (os.path.join(model, "label_map.pbtxt"), model),
    ):
        done = graphfix("diff", one, two)
        assert (done.code, done.err) == (0, "") and done.out.endswith("; same\n"), done


def test_a_class_is_named(graphfix, model, tmp_path):
    other = changed_model(tmp_path / "other", louder)
    done = graphfix("diff", model, other)
    assert (done.code, done.err) == (1, "")
    lines = done.out.splitlines()
    assert lines[0].startswith(
        "class 3 'traffic light': weights of level 2 differ: 1 of 192, max 0.25 (relative "
    )
    assert lines[1].startswith(
        "tensor FeatureExtractor/MobilenetV1/Conv2d_0/weights: differs: 1 of 54, max "
    )
    assert lines[2].startswith(
        "tensors, config, label map, files compared; 198 of 200 tensors equal"
    )
    data = json.loads(graphfix("diff", model, other, "--json").out)
    assert not data["same"] and data["tensors_equal"] == 198
    found = data["differences"][0]
    assert found["numbers"]["max_abs"] == pytest.approx(0.25, rel=1e-6)
    assert found["tensor"] == HEAD


def test_classes_are_paired_by_name(graphfix, model, tmp_path):
    labels = builders.write(tmp_path, "labels", builders.label_map(["person", "zebra", "cat"]))
    out = tmp_path / "out"
    graphfix(
        "convert",
        model,
        "--label_map_path",
        labels,
        "--output_directory",
        out,
        "--trainer",
        "model_main",
    )
    done = graphfix("diff", model, out)
    assert done.code == 1
    assert "class 2 'dog': weights of level 2 are only in A" in done.out
    assert "class 2 'zebra': weights of level 2 are only in B" in done.out
    assert not [
        line
        for line in done.out.splitlines()
        if "person" in line or "cat'" in line
        if not line.startswith("label map")
    ]
    assert "label map: class 1: 'cat' -> 'person'" in done.out
    assert "config model.ssd.num_classes: 4 -> 3" in done.out


def test_other_names_types_and_shapes(graphfix, model, tmp_path):
    def change(tensors):
        tensors["new"] = np.zeros(3, np.float32)
        del tensors["global_step"]
        tensors["BoxPredictor_0/BoxEncodingPredictor/biases"] = np.zeros(12, np.float64)

    other = changed_model(tmp_path / "other", change)
    out = graphfix("diff", os.path.join(model, "model.ckpt"), os.path.join(other, "model.ckpt")).out
    assert "tensor new: only in B" in out
    assert "tensor global_step: only in A" in out
    assert "BoxEncodingPredictor/biases: is float32 [12] -> float64 [12]" in out


@pytest.mark.slow
def test_frozen_graphs(graphfix, tmp_path):
    from graphfix.formats.graphdef import constants, files

    graph_def = files.read_graph_def(os.path.join(readme.DETECTOR, "frozen_inference_graph.pb"))
    head = "BoxPredictor_1/ClassPredictor/biases"
    relu = next(node.name for node in graph_def.node if node.op == "Relu6")
    gone = graph_def.node[-1].name
    for node in list(graph_def.node):
        if node.name == head:
            value = constants.value_of(node).copy()
            value[2] += 1
            constants.set_value(node, value, constants.meta_of(node).dtype)
        if node.name == relu:
            node.op = "Relu"
    del graph_def.node[-1]
    shutil.copy(os.path.join(readme.DETECTOR, "pipeline.config"), str(tmp_path))
    path = builders.write(tmp_path, "frozen_inference_graph.pb", files.to_bytes(graph_def))
    one = os.path.join(readme.DETECTOR, "frozen_inference_graph.pb")
    done = graphfix("diff", one, path)
    assert done.code == 1
    assert f"node {relu}: Relu6 -> Relu\n" in done.out
    assert f"node {gone}: " in done.out and "only in A" in done.out
    assert "frozen graph: class 2: biases of level 1 differ: 1 of 6, max 1 " in done.out
    assert graphfix("diff", one, one).code == 0
    done = graphfix("diff", one, os.path.join(readme.DETECTOR, "model.ckpt"))
    assert (done.code, done.err) == (0, "") and "199 of 199 tensors equal; same" in done.out


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The golden file of the trained detector."""
    path = str(tmp_path_factory.mktemp("golden") / "golden.json")
    assert command_line.main(["check", readme.DETECTOR, "--golden", path, "--update"]) == 0
    return path


def without_values(graph_def):
    for node in graph_def.node:
        if node.op == "Const":
            del node.attr["value"]


def with_zeros(graph_def):
    for node in graph_def.node:
        if node.name == "BoxPredictor_1/ClassPredictor/biases":
            node.attr["value"].tensor.tensor_content = b""


def with_function(graph_def):
    graph_def.library.function.add().signature.name = "scale"


@pytest.mark.slow
@pytest.mark.parametrize(
    "change, said",
    thorough.sampled(
        [
            (without_values, "constant BoxPredictor_1/ClassPredictor/biases: only in A\n"),
            (with_zeros, "biases"),
            (with_function, "frozen graph: function 'scale': only in B\n"),
            (
                lambda graph_def: setattr(graph_def.versions, "producer", 21),
                "frozen graph: versions: none -> producer 21, min_consumer 0, bad_consumers []\n",
            ),
            (
                lambda graph_def: setattr(graph_def.versions, "min_consumer", 22),
                ", min_consumer 22, ",
            ),
            (lambda graph_def: graph_def.versions.bad_consumers.append(9), "bad_consumers [9]\n"),
            (
                lambda graph_def: setattr(graph_def.node[-1].attr["_x"], "i", 1),
                " has other inputs or attributes\n",
            ),
            (
                lambda graph_def: setattr(graph_def.node[-1], "device", "/gpu:0"),
                " has other inputs or attributes\n",
            ),
            (
                lambda graph_def: graph_def.node.add(name="more", op="NoOp"),
                "node more: NoOp only in B\n",
            ),
        ],
        9,
    ),
    ids=lambda one: getattr(one, "__name__", None),
)
def test_what_a_graph_says_besides(graphfix, recorded, tmp_path, change, said):
    """In a file, in a directory, and against a golden file."""
    from graphfix.formats.graphdef import files

    shutil.copytree(readme.DETECTOR, str(tmp_path / "two"))
    path = str(tmp_path / "two" / "frozen_inference_graph.pb")
    graph_def = files.read_graph_def(path)
    change(graph_def)
    with open(path, "wb") as file:
        file.write(graph_def.SerializeToString())
    for words in (
        ("diff", os.path.join(readme.DETECTOR, os.path.basename(path)), path),
        ("diff", readme.DETECTOR, tmp_path / "two"),
        ("check", tmp_path / "two", "--golden", recorded),
    ):
        done = graphfix(*words, "--json")
        told = (
            "\n".join(
                f"{one['subject']}: {one['message']}" for one in json.loads(done.out)["differences"]
            )
            + "\n"
        )
        if words[0] == "check":
            told = told.replace("the golden file", "A").replace("the output", "B")
        assert done.code == 1 and said in told, told


def test_an_archive_without_a_model(graphfix, model, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "y").write_bytes(b"y")
    archive = shutil.make_archive(str(tmp_path / "z"), "zip", str(tmp_path / "x"))
    done = graphfix("diff", archive, model)
    assert done.code == 3 and done.err.startswith(f"graphfix: {archive}: has no checkpoint")


def test_an_archive(graphfix, model, tmp_path):
    archive = shutil.make_archive(
        str(tmp_path / "it"), "gztar", os.path.dirname(model), os.path.basename(model)
    )
    assert graphfix("diff", archive, model).code == 0


def test_bad_input(graphfix, model, tmp_path):
    done = graphfix(
        "diff", os.path.join(model, "pipeline.config"), os.path.join(model, "label_map.pbtxt")
    )
    assert done.code == 3 and "nothing in common" in done.err
    done = graphfix("diff", model, tmp_path / "nowhere")
    assert done.code == 3 and "nowhere" in done.err
    other = changed_model(tmp_path / "other", louder)
    data = os.path.join(other, "model.ckpt.data-00000-of-00001")
    with open(data, "r+b") as file:
        file.write(b"damage")
    done = graphfix("diff", model, other)
    assert done.code == 3 and done.out == "" and "is damaged" in done.err


@pytest.mark.slow
def test_saved_models(graphfix, tmp_path):
    from graphfix.formats.graphdef import files
    from graphfix.formats.schema import message_class

    saved = message_class("graphfix.graph.SavedModel")()
    saved.meta_graphs.add().graph_def.CopyFrom(
        files.read_graph_def(os.path.join(readme.DETECTOR, "frozen_inference_graph.pb"))
    )
    meta = saved.meta_graphs[0]
    meta.signature_def["serving_default"].inputs["inputs"].name = "image_tensor:0"
    alone = [str(tmp_path / name) for name in ("one", "two")]
    beside = [str(tmp_path / name) for name in ("three", "four")]
    for place in alone + [os.path.join(one, "saved_model") for one in beside]:
        os.makedirs(place)
        builders.write(place, "saved_model.pb", files.to_bytes(saved))
        meta.signature_def["serving_default"].inputs["inputs"].name = "other:0"
        meta.graph_def.node[0].op = "PlaceholderV2"
    for name in ("model.ckpt.index", "model.ckpt.data-00000-of-00001", "pipeline.config"):
        for place in beside:
            shutil.copy(os.path.join(readme.DETECTOR, name), place)
    done = graphfix("diff", *alone)
    assert done.code == 1 and done.out.count("\n") == 3
    assert "frozen graph: signature 'serving_default': differs" in done.out
    assert f"node {meta.graph_def.node[0].name}: " in done.out
    assert graphfix("diff", *beside).code == 0
    shutil.rmtree(os.path.join(beside[1], "saved_model"))
    assert "frozen graph: only in A" in graphfix("diff", *beside).out
