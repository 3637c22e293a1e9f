"""Other anchors in a frozen graph; stock/test_frozen.py runs the results beside the exporter's."""

import os

import numpy as np
import pytest
import repository
import thorough

from graphfix.formats import dtypes
from graphfix.formats.graphdef import constants, files
from graphfix.formats.graphdef.evaluate import evaluate

DETECTOR = repository.DETECTOR
FROZEN = "frozen_inference_graph.pb"
# Cells of the six feature maps, by the comment in the detector's config.
CELLS = (10, 5, 3, 2, 1, 1)
CHANGED = (
    "ssd_anchor_generator { num_layers: 6 min_scale: 0.3 max_scale: 0.9 "
    "aspect_ratios: [1.0, 2.0, 0.5, 3.0, 0.3333%s] %s}"
)
TENSOR = "Concatenate/concat/anchors"


def convert(graphfix, tmp_path, anchors, source=DETECTOR):
    (tmp_path / "anchors.pbtxt").write_text(anchors)
    done = graphfix(
        "convert",
        source,
        "--anchors",
        tmp_path / "anchors.pbtxt",
        "--source_label_map_path",
        os.path.join(DETECTOR, "shapes_label_map.pbtxt"),
        "--output_directory",
        tmp_path / "out",
        "--verbose",
    )
    assert done.code == 0, done.err
    return done


def opened(path):
    return files.open_graph(files.read_graph_def(str(path)), str(path))


def by_hand(scales, aspects, lowest):
    """Anchors of the six maps: centres of cells, sizes from scales and aspect ratios."""
    out = []
    for cells, scale, following in zip(CELLS, scales, scales[1:] + [1.0]):
        shapes = [(scale, ratio) for ratio in aspects] + [((scale * following) ** 0.5, 1.0)]
        if cells == 10 and lowest:
            shapes = [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        for row in range(cells):
            for column in range(cells):
                for size, ratio in shapes:
                    half = np.array([size / ratio**0.5, size * ratio**0.5]) / 2
                    middle = np.array([row + 0.5, column + 0.5]) / cells
                    out.append(np.concatenate([middle - half, middle + half]))
    return np.array(out)


@pytest.mark.parametrize(
    "more, settings, lowest",
    thorough.sampled(
        [
            ([], "", True),
            ([1.5, 0.7], "", True),
            ([1.5], "reduce_boxes_in_lowest_layer: false", False),
        ],
        3,
    ),
)
def test_the_graph_has_the_new_anchors(graphfix, tmp_path, more, settings, lowest):
    done = convert(graphfix, tmp_path, CHANGED % ("".join(f", {one:g}" for one in more), settings))
    assert "ANCHORS_CONSTANT" in done.err and "FROZEN_GRAPH" not in done.err
    graph = opened(tmp_path / "out" / FROZEN)
    scales = [0.3 + 0.12 * step for step in range(6)]
    wanted = by_hand(scales, [1.0, 2.0, 0.5, 3.0, 0.3333] + more, lowest)
    found = constants.value_of(graph.nodes[TENSOR])
    assert found.dtype == np.float32 and found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-6
    assert not any(name.startswith("MultipleGridAnchorGenerator") for name in graph.nodes)
    heads = [
        node for name, node in graph.nodes.items() if name.endswith("/BoxEncodingPredictor/biases")
    ]
    assert sum(
        constants.meta_of(node).shape[0] // 4 * cells * cells for node, cells in zip(heads, CELLS)
    ) == len(wanted)


def test_the_anchors_computed_before_are_the_configs():
    found = evaluate(opened(os.path.join(DETECTOR, FROZEN)), "Concatenate/concat")
    wanted = by_hand([0.2 + 0.15 * step for step in range(6)], [1.0, 2.0, 0.5, 3.0, 0.3333], True)
    assert found.shape == (540, 4) and np.abs(found - wanted).max() < 1e-6


def scaled(graph):
    """Anchors that are not the config's."""
    node = graph.nodes["MultipleGridAnchorGenerator/mul/x"]
    constants.set_value(node, np.float32(0.6), dtypes.FLOAT32)


def dynamic(graph):
    """Anchors that follow what is fed."""
    name = "MultipleGridAnchorGenerator/mul/x"
    (node,) = [node for node in graph.graph_def.node if node.name == name]
    node.op = "Placeholder"


def spelled_out(graph):
    """A head whose Reshape says how many boxes there are, as until 2018."""
    pack = graph.nodes["BoxPredictor_0/Reshape_1/shape"]
    node = graph.nodes[pack.input[1]]
    constants.set_value(node, np.int32(300), dtypes.BY_NAME["int32"])


def read_twice(graph):
    """Something else that reads a step of the anchors' computation."""
    graph.graph_def.node.add(name="other", op="Neg", input=["MultipleGridAnchorGenerator/mul"])


def source_with(tmp_path, change):
    directory = tmp_path / "source"
    directory.mkdir()
    for name in os.listdir(DETECTOR):
        with open(os.path.join(DETECTOR, name), "rb") as file:
            (directory / name).write_bytes(file.read())
    graph = opened(directory / FROZEN)
    change(graph)
    (directory / FROZEN).write_bytes(files.to_bytes(graph.graph_def))
    return directory


@pytest.mark.parametrize(
    "change, words",
    thorough.sampled(
        [
            (scaled, "not the anchors of the config"),
            (dynamic, "0 tensors that look like its anchors"),
            (spelled_out, "it spells out how many boxes"),
            (read_twice, "it computes the old anchors"),
        ],
        2,
    ),
)
def test_a_graph_that_cannot_follow_is_a_finding(graphfix, tmp_path, change, words):
    done = convert(graphfix, tmp_path, CHANGED % (", 1.5", ""), source_with(tmp_path, change))
    assert "FROZEN_GRAPH: " + FROZEN in done.err and words in done.err
    assert not (tmp_path / "out" / FROZEN).exists()


@pytest.mark.slow
def test_as_many_anchors_need_no_other_shapes(graphfix, tmp_path):
    convert(graphfix, tmp_path, CHANGED % ("", ""), source_with(tmp_path, spelled_out))
    assert (tmp_path / "out" / FROZEN).exists()
