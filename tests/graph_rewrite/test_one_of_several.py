"""The nodes that choose a class, computed: boxes of the best class, masks of the detected one."""

import handgraphs
import numpy as np
import pytest

from graphfix.formats.graphdef.evaluate import evaluate
from graphfix.graph_rewrite.axis_types import ANY, CHANNEL, CLASS, NotUnderstood
from graphfix.graph_rewrite.one_of_several import choose

RANDOM = np.random.RandomState(5)
BOXES = ((ANY,), (3,), (CLASS,), (4,))
MASKS = ((ANY,), (CLASS,), (2,), (5,))


def test_boxes_of_the_best_class():
    boxes = RANDOM.uniform(size=(2, 3, 4, 4)).astype(np.float32)
    logits = RANDOM.uniform(size=(2, 3, 5)).astype(np.float32)
    made = handgraphs.Made().value("boxes", boxes).value("head", logits)
    made.value("to", [2, 3, 5], "int32").node("biased", "BiasAdd", "head", "head")
    graph = made.node("logits", "Reshape", "biased", "to").node("it", "Squeeze", "boxes").graph()
    states = {("logits", 0): (*BOXES[:2], (CHANNEL,)), ("other", 0): BOXES}
    graph.nodes["other"] = graph.nodes["boxes"]
    choose(graph, graph.nodes["it"], BOXES, states, 4)
    graph.nodes["logits"].input[0] = "head"  # whose value is known
    best = logits[:, :, 1:].argmax(2)
    wanted = np.take_along_axis(boxes, best[:, :, None, None], 2)[:, :, 0]
    assert evaluate(graph, "it").tobytes() == wanted.tobytes()


def test_masks_of_the_detected_class():
    masks = RANDOM.uniform(size=(6, 4, 2, 5)).astype(np.float32)
    numbers = np.array([[0, 3, 1], [2, 2, 0]], np.float32)
    made = handgraphs.Made().value("masks", masks).value("numbers", numbers).value("one", 1.0)
    made.node("added", "Add", "numbers", "one").node("detection_classes", "Identity", "added")
    made.value("to", [2, 3, 2, 5], "int32")
    graph = made.node("it", "Reshape", "masks", "to").graph()
    choose(graph, graph.nodes["it"], MASKS, {}, 4)
    wanted = masks[np.arange(6), numbers.reshape(-1).astype(int)].reshape(2, 3, 2, 5)
    assert evaluate(graph, "it").tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    "op, axes", [("Squeeze", BOXES), ("Squeeze", MASKS), ("Reshape", MASKS), ("Reshape", BOXES)]
)
def test_what_says_no_class_is_not_chosen_from(op, axes):
    graph = handgraphs.Made().constant("boxes", (1,)).node("it", op, "boxes").graph()
    with pytest.raises(NotUnderstood, match="axis of the only class"):
        choose(graph, graph.nodes["it"], axes, {}, 2)
