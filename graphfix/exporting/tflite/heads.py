"""Where a .tflite detector's classes are: from the scores back to the layers that compute them.

The last axis of the scores has a channel for each class.  An operation's input has the classes as
its output has them: the fastest of the parts of its last axis, the length of which is a multiple of
the number of channels (a layer of A anchors has A times as many channels).  What is reached is
constants to take channels of, each with its axis, and shapes with such a length at their end.  An
operation that is not known to keep classes apart is refused by its name; so is a reader of such a
tensor that is not on the way.
"""

from typing import Dict, List, NamedTuple, NoReturn, Optional, Set

from graphfix.errors import SourceError
from graphfix.exporting.tflite.model import LiteModel, Operation

_ALIKE = {
    "LOGISTIC",
    "QUANTIZE",
    "DEQUANTIZE",
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "TANH",
    "CAST",
    "HARD_SWISH",
    "SQUEEZE",
    "EXPAND_DIMS",
}
_TWO = {"ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM"}
_LAYERS = {"CONV_2D", "FULLY_CONNECTED"}
_GIVE_UP = "convert the checkpoint that it was made of, and export that"


class Places(NamedTuple):
    """The tensors whose last axis has classes, the constants to take channels of with their axis,
    and the constants that are shapes with such an axis; the operations that read each constant so.

    `softmax` is what a softmax makes scores of, which then depend on all classes; None without one.
    """

    computed: Set[int]
    weights: Dict[int, int]
    shapes: Set[int]
    readers: Dict[int, Set[int]]
    reshapes: List[Operation]
    softmax: Optional[int]


def find_places(model: LiteModel) -> Places:
    """Follows the scores back.

    Raises:
      SourceError: naming the operation that is not understood.
    """
    walk = _Walk(model)
    walk.run()
    return walk.places


class _Walk:
    def __init__(self, model: LiteModel):
        self.model = model
        self.places = Places(set(), {}, set(), {}, [], None)
        self.made_by = {
            tensor: one for one in model.operations for tensor in one.outputs if tensor >= 0
        }
        self.passed: Set[int] = set()
        self.todo = [model.scores]

    def run(self) -> None:
        model, computed = self.model, self.places.computed
        while self.todo:
            tensor = self.todo.pop()
            if tensor in computed:
                continue
            computed.add(tensor)
            operation = self.made_by.get(tensor)
            if operation is None:
                raise SourceError(
                    model.path,
                    f"has scores that come of {model.name(tensor)}, which nothing computes",
                    _GIVE_UP,
                )
            self.classes_last(operation, tensor)
            self.passed.add(operation.number)
            self.step(operation, tensor)
        unpacked = {one for one in self.places.weights if model.data(one) is None}
        for one in model.operations:
            reads = (computed | unpacked).intersection(one.inputs)
            allowed = one.number in self.passed or one.number == model.detection.number
            if reads and not allowed:
                self.refuse(one, f"reads {model.name(min(reads))}, which has a channel a class")

    def step(self, one: Operation, tensor: int) -> None:
        name = one.name
        self.need(one, one.outputs == (tensor,) and bool(one.inputs) and one.inputs[0] >= 0)
        if name in _LAYERS:
            self.layer(one)
        elif name == "DEPTHWISE_CONV_2D":
            self.refuse(one, "computes the scores, channel by channel")
        elif name in _TWO:
            self.need(one, len(one.inputs) == 2 and one.inputs[1] >= 0)
            for other in one.inputs:
                self.operand(one, other, tensor)
        elif name == "CONCATENATION":
            for other in one.inputs:
                self.need(one, other >= 0)
                self.follow(one, other)
        elif name == "RESHAPE":
            self.reshape(one)
        elif name == "SOFTMAX":
            self.need(one, self.model.shape(tensor)[-1] == self.model.channels)
            self.places = self.places._replace(softmax=one.inputs[0])
            self.follow(one, one.inputs[0])
        elif name == "TRANSPOSE":
            self.need(one, len(one.inputs) == 2 and self.model.data(one.inputs[1]) is not None)
            order = self.model.values(one.inputs[1]).reshape(-1)
            self.need(one, len(order) > 0 and order[-1] == len(order) - 1)
            self.follow(one, one.inputs[0])
        elif name in _ALIKE:
            self.follow(one, one.inputs[0])
        else:
            self.refuse(one, "is between heads and scores, and not known to keep classes apart")

    def layer(self, one: Operation) -> None:
        self.need(one, 2 <= len(one.inputs) <= 3 and one.inputs[1] >= 0)
        channels = self.model.shape(one.outputs[0])[-1]
        for tensor, axes in zip(one.inputs[1:], ((2, 4), (1,))):
            if tensor < 0:
                continue
            shape = self.model.shape(tensor)
            self.need(one, len(shape) in axes and shape[0] == channels)
            self.constant(one, tensor, 0)

    def operand(self, one: Operation, other: int, tensor: int) -> None:
        if self.model.data(other) is None:
            self.need(one, self.model.shape(other) == self.model.shape(tensor))
            self.follow(one, other)
            return
        shape = self.model.shape(other)
        # One number for all channels stays as it is.
        if shape and shape[-1] != 1:
            self.need(one, shape[-1] == self.model.shape(tensor)[-1])
            self.constant(one, other, len(shape) - 1)
        elif shape and self.model.shape(tensor)[-1] == 1:
            self.constant(one, other, len(shape) - 1)

    def reshape(self, one: Operation) -> None:
        self.places.reshapes.append(one)
        if len(one.inputs) > 1 and one.inputs[1] >= 0:
            self.need(one, self.model.data(one.inputs[1]) is not None)
            self.places.shapes.add(one.inputs[1])
            self.places.readers.setdefault(one.inputs[1], set()).add(one.number)
        self.follow(one, one.inputs[0])

    def constant(self, one: Operation, tensor: int, axis: int) -> None:
        """Takes channels of a constant, or of the one that it is unpacked from."""
        weights = self.places.weights
        self.places.readers.setdefault(tensor, set()).add(one.number)
        self.need(one, weights.setdefault(tensor, axis) == axis)
        if self.model.data(tensor) is not None:
            return
        maker = self.made_by.get(tensor)
        if maker is None or maker.name != "DEQUANTIZE" or len(maker.inputs) != 1:
            self.refuse(one, f"has weights that are computed, {self.model.name(tensor)}")
        (packed,) = maker.inputs
        self.need(maker, packed >= 0 and self.model.data(packed) is not None)
        self.need(maker, self.model.shape(packed) == self.model.shape(tensor))
        self.passed.add(maker.number)
        self.constant(maker, packed, axis)

    def follow(self, one: Operation, tensor: int) -> None:
        if self.model.data(tensor) is not None:
            self.refuse(one, f"takes scores of a constant, {self.model.name(tensor)}")
        self.classes_last(one, tensor)
        self.todo.append(tensor)

    def classes_last(self, one: Operation, tensor: int) -> None:
        shape = self.model.shape(tensor)
        self.need(one, bool(shape) and shape[-1] > 0 and shape[-1] % self.model.channels == 0)

    def need(self, one: Operation, fine: bool) -> None:
        if not fine:
            self.refuse(one, "computes the scores in a way that is not understood")

    def refuse(self, one: Operation, why: str) -> NoReturn:
        name = self.model.name(one.outputs[0]) if one.outputs and one.outputs[0] >= 0 else ""
        raise SourceError(
            self.model.path, f"has an operation that {why}: {one.name} {name}", _GIVE_UP
        )
