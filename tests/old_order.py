"""The trained detector of testdata as of before 2017-11: its anchors, and so its heads' channels,
in the order of that time."""

import re

import numpy as np
import trained_detector

from graphfix.formats.graphdef import constants

# Which of today's anchors each of the old ones is, on all maps but the first.
OLD = (0, 5, 1, 2, 3, 4)
# And the other way round.
NOW = (0, 2, 3, 4, 5, 1)
_SCOPE = "MultipleGridAnchorGenerator/"


def permuted(value, order, width):
    """Channels of anchors of some width, in another order."""
    apart = value.reshape(value.shape[:-1] + (len(order), width))
    return apart[..., list(order), :].reshape(value.shape)


def heads(names):
    """(name, channels of an anchor) of what of the names belongs to a head of maps 1 to 5."""
    for name in names:
        found = re.match(r"BoxPredictor_[1-5]/(Box|Class)\w+Predictor/(weights|biases)", name)
        found = found or re.match(r"BoxPredictor_[1-5]/(Class)Predictor/(weights|biases)", name)
        if found:
            yield name, 4 if found.group(1) == "Box" else None


def open_graph():
    """Its frozen graph in the old order."""
    graph = trained_detector.open_graph()
    consumers = graph.consumers()

    def change(name, order, width):
        node = graph.nodes[name]
        value = permuted(constants.value_of(node), order, width)
        constants.set_value(node, np.ascontiguousarray(value), constants.meta_of(node).dtype)

    for node in list(graph.nodes.values()):
        if node.op == "Sqrt" and node.name.startswith(_SCOPE):
            ratios = graph.nodes[node.input[0]]
            if constants.meta_of(ratios).size == len(OLD):
                change(ratios.name, OLD, 1)
                for reader, position in consumers[node.name]:
                    change(reader.input[1 - position], OLD, 1)
    variables = [name for name, node in graph.nodes.items() if node.op == "Const"]
    for name, width in list(heads(variables)):
        value = constants.value_of(graph.nodes[name])
        change(name, OLD, width or value.shape[-1] // len(OLD))
    return graph
