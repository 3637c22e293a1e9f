"""Graphs of other exporters - TensorFlow 1.4 to 1.15, several revisions of the API - rewritten for
other numbers of classes are node for node those that the same exporter writes for these numbers.

testdata/record_frozen.py recorded them; stock/test_old_tensorflow.py runs whole ones.
"""

import itertools

import pytest
import recorded_graphs
import thorough

from graphfix.choices import NewRows, Weights
from graphfix.formats.graphdef import constants, files
from graphfix.graph_rewrite.rewrite import rewrite
from graphfix.planning.classes import SurgeryRequest, TargetClass
from graphfix.planning.heads import gather_head

CASES = [
    (name, old, new)
    for name in recorded_graphs.names()
    for old, new in itertools.permutations((1, 2, 3), 2)
]
# Boxes of the best class: of one class the exporter has none to choose, and of the one that is
# left graphfix goes on to choose the best.
CHOSEN = ("raw_detection_boxes",)


def edits(model, classes):
    wanted = tuple(
        TargetClass(one, "", "", (one,) if one <= model.classes else ())
        for one in range(1, classes + 1)
    )
    request = SurgeryRequest(
        wanted, tuple(range(1, model.classes + 1)), NewRows.ZERO, 0, Weights.RAW, "any", "2019-07"
    )
    return [
        (name, head, request) for head in model.heads if head.class_axis for name in head.tensors
    ]


@pytest.mark.parametrize("name, old, new", thorough.sampled(CASES, 5))
def test_rewritten_graphs_are_the_exporters_own(name, old, new):
    models = recorded_graphs.models(name)
    model, graph = models[old]
    outputs = [one for one, found in graph.consumers().items() if not found]
    made = [
        gather_head(tensor, tensor, head, request, constants.meta_of(graph.nodes[tensor]))
        for tensor, head, request in edits(model, new)
    ]
    rewrite(graph, model, new, [one for one in made if one], subject=name)
    other = models[new][1]
    assert [one for one, found in graph.consumers().items() if not found] == outputs
    compared = [one for one in outputs if 1 not in (old, new) or one not in CHOSEN]
    written = files.open_graph(graph.to_graph_def(), name)
    assert compared and recorded_graphs.difference(written, other, compared) is None
