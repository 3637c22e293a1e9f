"""frozen/: the trained detector's graph for other classes, and graphs that are not understood.

stock/test_frozen.py runs the results beside the stock exporter's own.
"""

import dataclasses
import os

import builders
import numpy as np
import pytest
import repository
import thorough
from trained_detector import FROZEN, SUPPRESSION, open_graph

import graphfix as package
from graphfix.conversion.graphs import rewritten_graphs
from graphfix.errors import SourceError
from graphfix.formats import dtypes
from graphfix.formats.graphdef import constants, files
from graphfix.graph_rewrite.rewrite import rewrite
from graphfix.modeldir.openers import open_source
from graphfix.planning.edits import Stretch, Widen, apply_edits

DETECTOR = repository.DETECTOR
LABELS = ["--source_label_map_path", os.path.join(DETECTOR, "shapes_label_map.pbtxt")]
OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")


def convert(graphfix, out, *flags, source=DETECTOR):
    done = graphfix("convert", source, *LABELS, "--output_directory", out, *flags)
    assert done.code == 0, done.err
    path = os.path.join(str(out), "frozen_inference_graph.pb")
    return files.open_graph(files.read_graph_def(path), path), done


def test_a_frozen_source_keeps_its_graph_when_it_is_rewritten():
    source = open_source(FROZEN)
    before = files.to_bytes(source.graph.graph_def)
    options = package.ConvertOptions(num_classes=1, map=["1=star"], source_label_map_path=LABELS[1])
    plan = package.plan(source, options)
    outgoing = apply_edits(plan.edits, plan.additions, source.store)
    first, second = (rewritten_graphs(source, plan, None, outgoing) for _ in range(2))
    assert first == second and list(first[1]) == ["frozen_inference_graph.pb"]
    assert files.to_bytes(source.graph.graph_def) == before != first[1][os.path.basename(FROZEN)]


@pytest.mark.parametrize(
    "count, flags",
    thorough.sampled(
        [
            (1, ["--map", "1=star"]),
            (3, ["--map", "1=ring", "--map", "2=star"]),
            (8, ["--map", "1=8", "--map", "8=1"] + [f"--map={n}={n}" for n in range(2, 8)]),
            (12, [f"--map={n}={n}" for n in range(1, 9)]),
        ],
        2,
    ),
)
def test_one_branch_for_each_class(graphfix, tmp_path, count, flags):
    graph, _ = convert(graphfix, tmp_path / "out", "--num_classes", str(count), *flags)
    suppressions = [
        name for name, node in graph.nodes.items() if node.op.startswith("NonMaxSuppression")
    ]
    assert len(suppressions) == count
    joint = graph.nodes[SUPPRESSION + "Concatenate/concat"]
    assert (joint.op, len(joint.input)) == (
        ("Identity", 1) if count == 1 else ("ConcatV2", count + 1)
    )
    # Head constants are the checkpoint's.
    after = builders.read_checkpoint(str(tmp_path / "out" / "model.ckpt"))
    for name, value in after.items():
        if name in graph.nodes:
            assert constants.value_of(graph.nodes[name]).tobytes() == value.tobytes(), name


def test_everything_hangs_together_and_nothing_is_left_over(graphfix, tmp_path):
    graph, _ = convert(graphfix, tmp_path / "out", "--num_classes", "3", "--map", "1=ring")
    before = files.read_graph_def(FROZEN)
    sinks = {name for name, found in graph.consumers().items() if not found}
    assert set(OUTPUTS) <= sinks <= {node.name for node in before.node}
    assert len(graph.ordered()) == len(graph.nodes) == len(graph.ancestors(sinks))
    assert graph.nodes["image_tensor"].op == "Placeholder"


@pytest.mark.slow
def test_the_same_request_gives_the_same_bytes(graphfix, tmp_path):
    data = []
    for name in ("one", "two"):
        convert(graphfix, tmp_path / name, "--num_classes", "10", "--map", "1=ring")
        data.append((tmp_path / name / "frozen_inference_graph.pb").read_bytes())
    assert data[0] == data[1]


@pytest.mark.slow
def test_from_the_frozen_graph_alone_comes_the_same(graphfix, tmp_path):
    flags = ["--num_classes", "3", "--map", "1=ring"]
    convert(graphfix, tmp_path / "one", *flags)
    convert(graphfix, tmp_path / "two", *flags, source=FROZEN)
    for name in ("frozen_inference_graph.pb", "model.ckpt.data-00000-of-00001"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.slow
def test_growing_and_shrinking_back_gives_the_constants_back(graphfix, tmp_path):
    grown = [f"--map={number}={number}" for number in range(1, 9)]
    convert(graphfix, tmp_path / "more", "--num_classes", "11", *grown)
    done = graphfix(
        "convert",
        tmp_path / "more",
        "--num_classes",
        "8",
        *grown,
        "--output_directory",
        tmp_path / "back",
    )
    assert done.code == 0
    back = files.open_graph(
        files.read_graph_def(str(tmp_path / "back" / "frozen_inference_graph.pb")), "back"
    )
    for node in files.read_graph_def(FROZEN).node:
        if node.op == "Const" and constants.meta_of(node).dtype != dtypes.STRING:
            found = back.nodes[node.name]
            assert constants.value_of(found).tobytes() == constants.value_of(node).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("count", thorough.sampled([1, 3], 2))
def test_two_classes_are_some_too(graphfix, tmp_path, count):
    """A branch joins two tensors of its own, as the joints of two classes do."""
    convert(graphfix, tmp_path / "two", "--num_classes", "2", "--map", "1=ring", "--map", "2=star")
    done = graphfix(
        "convert",
        tmp_path / "two",
        "--num_classes",
        str(count),
        "--map",
        "1=2",
        "--output_directory",
        tmp_path / "out",
    )
    assert done.code == 0 and "FROZEN_GRAPH" not in done.err
    path = str(tmp_path / "out" / "frozen_inference_graph.pb")
    graph = files.open_graph(files.read_graph_def(path), path)
    assert sum(node.op.startswith("NonMax") for node in graph.nodes.values()) == count


@pytest.fixture
def of_one_class(graph, trained_model):
    """The trained detector's graph for one class, and the model it is of."""
    rewrite(graph, trained_model, 1, (), subject=FROZEN)
    return files.open_graph(graph.to_graph_def(), FROZEN), dataclasses.replace(
        trained_model, classes=1
    )


def test_a_graph_of_one_class_grows(of_one_class):
    graph, model = of_one_class
    rewrite(graph, model, 8, (), subject=FROZEN)
    graph, before = files.open_graph(graph.to_graph_def(), FROZEN), open_graph()
    for op in ("NonMaxSuppressionV3", "ConcatV2", "Slice", "ZerosLike"):
        assert sum(node.op == op for node in graph.nodes.values()) == sum(
            node.op == op for node in before.nodes.values()
        ), op
    numbers = sorted(
        float(constants.value_of(source))
        for node in graph.nodes.values()
        if node.op == "AddV2" and node.name.startswith(SUPPRESSION)
        for source in graph.inputs(node)
        if source.op == "Const" and "ZerosLike" in [one.op for one in graph.inputs(node)]
    )
    assert numbers == list(range(8))


def class_is_another(graph):
    constant(graph, SUPPRESSION + "add_1/y", lambda value: value.fill(1))


def class_is_not_told(graph):
    graph.nodes[SUPPRESSION + "zeros_like"].op = "OnesLike"


@pytest.mark.parametrize(
    "change, words",
    thorough.sampled(
        [
            (class_is_another, "the number of its class is not 0"),
            (class_is_not_told, "0 numbers look like that of the only class"),
        ],
        2,
    ),
)
def test_a_graph_of_one_class_that_is_not_understood(of_one_class, change, words):
    graph, model = of_one_class
    change(graph)
    with pytest.raises(SourceError, match=words):
        rewrite(graph, model, 2, (), subject=FROZEN)


def constant(graph, name, change):
    node = graph.nodes[name]
    value = np.array(constants.value_of(node))
    change(value)
    constants.set_value(node, value, dtypes.BY_NUMBER[node.attr["dtype"].type])


def other_op(name, op):
    def mutate(graph):
        graph.nodes[name].op = op

    return name, mutate


def other_number(name, place, value):
    def mutate(graph):
        def change(array):
            array.reshape(-1)[place] = value

        constant(graph, name, change)

    return name, mutate


WHILE = "Postprocessor/BatchMultiClassNonMaxSuppression/map/while/"


@pytest.mark.parametrize(
    "node, mutate",
    [
        other_op("Postprocessor/convert_scores", "Mystery"),
        other_op("BoxPredictor_3/Reshape_1", "Softplus"),
        other_op(SUPPRESSION + "Slice_3", "Mystery"),
        other_op("concat_1", "AddN"),
        # Places that hold a class count, with another number in them.
        (WHILE + "Reshape_1", other_number(WHILE + "Reshape_1/shape", 1, 7)[1]),
        (
            WHILE + "PadOrClipBoxList/sub_17",
            other_number(WHILE + "PadOrClipBoxList/sub_17/x", 0, 8)[1],
        ),
        # A class that is taken out twice, another never.
        (SUPPRESSION + "Slice", other_number(SUPPRESSION + "Slice_4/begin", 1, 5)[1]),
        # A branch that differs from the others in more than its class.
        (
            SUPPRESSION + "non_max_suppression_with_scores_5/iou_threshold",
            other_number(SUPPRESSION + "non_max_suppression_with_scores_5/iou_threshold", 0, 0.5)[
                1
            ],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_understood_is_refused_by_name(graph, trained_model, node, mutate):
    mutate(graph)
    with pytest.raises(SourceError) as caught:
        rewrite(graph, trained_model, 3, (), subject=FROZEN)
    (problem,) = caught.value.problems
    assert problem.subject == FROZEN and f"'{node}'" in problem.message


def test_bounds_follow_what_they_hold(graph, trained_model):
    """The plan's edits of quantization ranges are carried out as on the checkpoint."""
    outputs, weights = "Preprocessor/mul/x", "Preprocessor/sub/y"
    kernel = "BoxPredictor_0/ClassPredictor/weights"
    old = {name: constants.value_of(graph.nodes[name]) for name in (outputs, weights, kernel)}
    assert old[weights] > old[kernel].min()
    rewrite(
        graph,
        trained_model,
        8,
        (Stretch(outputs, ((2.0, 1.0), (3.0, -1.0)), "max"), Widen(weights, kernel, "min")),
        subject=FROZEN,
    )
    new = {name: constants.value_of(graph.nodes[name]) for name in old}
    assert new[outputs] == old[outputs] * np.float32(2) + 1 > old[outputs] * 3 - 1
    assert new[weights] == old[kernel].min() and new[weights].dtype == np.float32


def test_the_unchanged_graph_is_understood(graph, trained_model):
    """So that the cases above are refused for what was changed in them."""
    rewrite(graph, trained_model, 3, (), subject=FROZEN)
    assert sum(node.op.startswith("NonMax") for node in graph.nodes.values()) == 3


@pytest.mark.slow
def test_beside_a_checkpoint_an_odd_graph_is_a_finding(graphfix, graph, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in os.listdir(DETECTOR):
        (source / name).write_bytes(open(os.path.join(DETECTOR, name), "rb").read())
    graph.nodes["Postprocessor/convert_scores"].op = "Mystery"
    (source / "frozen_inference_graph.pb").write_bytes(files.to_bytes(graph.to_graph_def()))
    done = graphfix(
        "convert",
        source,
        *LABELS,
        "--num_classes",
        "3",
        "--map",
        "1=ring",
        "--output_directory",
        tmp_path / "out",
    )
    assert done.code == 0
    assert "FROZEN_GRAPH" in done.err and "Postprocessor/convert_scores" in done.err
    assert not (tmp_path / "out" / "frozen_inference_graph.pb").exists()
