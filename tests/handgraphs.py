"""Graphs made by hand, node by node."""

import numpy as np

from graphfix import dtypes
from graphfix.graphdef import constants
from graphfix.graphdef.graph import Graph
from graphfix.schema import message_class


class Made:
    """A GraphDef that grows by one node at a time."""

    def __init__(self):
        self.message = message_class("graphfix.graph.GraphDef")()

    def node(self, name, op, *inputs):
        self.message.node.add(name=name, op=op, input=inputs)
        return self

    def constant(self, name, shape, dtype="float32"):
        """A constant full of ones."""
        return self.value(name, np.ones(shape), dtype)

    def value(self, name, value, dtype="float32"):
        node = self.message.node.add(name=name, op="Const")
        kind = dtypes.BY_NAME[dtype]
        constants.set_value(node, np.asarray(value, kind.numpy), kind)
        return self

    def graph(self):
        return Graph(self.message)
