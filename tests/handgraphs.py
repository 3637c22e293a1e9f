"""Graphs made by hand, node by node."""

import numpy as np

from graphfix.formats import dtypes
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import Graph
from graphfix.formats.schema import message_class


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


class Tiles(Made):
    """A graph with anchors, a feature map at a time, as the API's `tile_anchors` lays them."""

    def tile(self, scope, scales, ratios, base, stride, offset, cells):
        names = iter("abcdefghijklmnopqrstuvwxyz")

        def named(part=""):
            return scope + part + next(names)

        ratio, root, scale, _size = (named() for _ in range(4))
        self.value(ratio, ratios).node(root, "Sqrt", ratio).value(scale, scales)
        for axis, op in enumerate(("RealDiv", "Mul")):
            side, length = named(), named()
            self.value(length, base[axis]).node(side, op, scale, root)
            self.node(named(), "Mul", side, length)
        for axis in range(2):
            first, limit, step, run, number = (named() for _ in range(5))
            self.value(first, 0, "int32").value(limit, cells[axis], "int32").value(step, 1, "int32")
            self.node(run, "Range", first, limit, step).node(number, "Cast", run)
            far, by, begin = named(), scope + f"stride{axis}", scope + f"offset{axis}"
            self.value(by, stride[axis]).value(begin, offset[axis])
            self.node(far, "Mul", number, by).node(scope + f"centre{axis}", "AddV2", far, begin)
        return self
