"""Takes classes of a .tflite detector: channels of its heads, and every shape that has them.

Indices of tensors stay as they are; a constant that something else reads, too, is copied.  What is
made of one old class has its very bytes.  The mean of several is one of numbers, rounded to the
integers of a quantized model; where channels have scales of their own, to those of the coarsest.
"""

from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from graphfix.errors import RequestError
from graphfix.exporting.tflite.heads import Places
from graphfix.exporting.tflite.model import LiteModel, damaged
from graphfix.formats.flatbuffers import flexbuffer
from graphfix.formats.flatbuffers.reader import Table

_LONGEST = (1 << 31) - 1

# For each new channel, the old ones that it is the mean of.
Rows = Sequence[Tuple[int, ...]]


def take_classes(model: LiteModel, places: Places, rows: Rows) -> None:
    """Changes the tables of a model.

    Raises:
      SourceError: a constant is damaged.
      RequestError: there are more classes than the model's options can hold.
    """
    _Surgery(model, places, rows).run()


class _Surgery:
    def __init__(self, model: LiteModel, places: Places, rows: Rows):
        self.model, self.places, self.rows = model, places, rows
        # What the file shares becomes each one's own.
        for name in ("Tensors", "Operators"):
            model.graph.fields[name] = [_copy(one) for one in model.graph.fields[name]]
        model.root.fields["Buffers"] = [_copy(one) for one in model.buffers]
        self.operators: List[Table] = model.graph.fields["Operators"]

    def run(self) -> None:
        model, places = self.model, self.places
        old = {one: model.shape(one)[-1] for one in places.computed}
        for operation in places.reshapes:
            self.reshape_options(operation.number, old[operation.outputs[0]])
        for tensor in sorted(places.shapes):
            values = model.values(tensor)
            if values.size and values.flat[-1] != -1:
                changed = values.copy()
                changed.flat[-1] = self.length(int(values.flat[-1]))
                self.replace(tensor, changed)
        for tensor, axis in sorted(places.weights.items()):
            if model.data(tensor) is None:
                self.reshape(tensor, axis)
            else:
                self.gather(tensor, axis)
        for tensor in sorted(places.computed):
            self.reshape(tensor, -1)
        self.options()

    def length(self, old: int) -> int:
        new = old // self.model.channels * len(self.rows)
        if old % self.model.channels or new > _LONGEST:
            raise damaged(self.model.path, "is damaged: a shape does not hold its classes")
        return new

    def reshape(self, tensor: int, axis: int) -> None:
        table = self.model.tensors[tensor]
        for name in ("Shape", "ShapeSignature"):
            shape = np.array(table.get(name, ()), np.int32)
            if len(shape) and shape[axis] > 0:
                shape[axis] = self.length(int(shape[axis]))
                table.fields[name] = shape

    def reshape_options(self, number: int, old: int) -> None:
        options = self.operators[number].get("BuiltinOptions")
        shape = np.array(options.get("NewShape", ()) if options else (), np.int32)
        if len(shape) and shape[-1] == old:
            shape[-1] = self.length(old)
            changed = self.operators[number].fields["BuiltinOptions"] = _copy(options)
            changed.fields["NewShape"] = shape

    def gather(self, tensor: int, axis: int) -> None:
        values = np.moveaxis(self.model.values(tensor), axis, 0)
        length, channels = len(values), self.model.channels
        taken = [
            np.asarray(row, np.int64) + anchor * channels
            for anchor in range(length // channels)
            for row in self.rows
        ]
        known = self.model.tensors[tensor].get("Quantization")
        quantization = _Quantization(known, axis, length)
        if not quantization.fits:
            raise damaged(
                self.model.path, f"is damaged: {self.model.name(tensor)} has other scales"
            )
        changed = np.stack([quantization.mean(values[one], one) for one in taken])
        self.replace(tensor, np.moveaxis(changed, 0, axis), quantization.taken(taken))

    def replace(
        self, tensor: int, values: np.ndarray, quantization: Optional[Table] = None
    ) -> None:
        """Gives a constant other values; a copy of it, where others read it."""
        model = self.model
        own = self.places.readers[tensor]
        others = any(
            tensor in one.inputs and one.number not in own for one in model.operations
        ) or tensor in model.graph.get("Outputs", ())
        table = model.tensors[tensor]
        if others:
            table = _copy(table)
            model.tensors.append(table)
            for number in own:
                inputs = np.array(self.operators[number].fields["Inputs"])
                inputs[inputs == tensor] = len(model.tensors) - 1
                self.operators[number].fields["Inputs"] = inputs
        data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        if self.users(table.get("Buffer", 0)) == 1:
            model.buffers[table.fields["Buffer"]].fields["Data"] = data
        else:
            table.fields["Buffer"] = len(model.buffers)
            model.buffers.append(Table("Buffer", {"Data": data}))
        for name in ("Shape", "ShapeSignature"):
            if name in table.fields:
                table.fields[name] = np.asarray(values.shape, np.int32)
        if quantization is not None:
            table.fields["Quantization"] = quantization

    def users(self, buffer: int) -> int:
        """How many tensors and entries of metadata have a buffer."""
        root = self.model.root
        tables = [one for graph in root.fields["Subgraphs"] for one in graph.get("Tensors") or []]
        tables += root.get("Metadata") or []
        return sum(one.get("Buffer", 0) == buffer for one in tables)

    def options(self) -> None:
        model = self.model
        table = self.operators[model.detection.number]
        number = len(self.rows) - model.background
        changed = flexbuffer.with_number(
            table.fields["CustomOptions"].tobytes(), "num_classes", number
        )
        if changed is None:
            raise RequestError(
                "--classes",
                f"has {number} classes, more than the options of the source's detection can hold",
                "give fewer",
            )
        table.fields["CustomOptions"] = np.frombuffer(changed, np.uint8)


class _Quantization:
    """A constant's scales and zero points, which may be one for each channel."""

    def __init__(self, table: Optional[Table], axis: int, length: int):
        self.table = table
        scales = np.asarray(table.get("Scale", ()) if table else (), np.float32)
        self.own = len(scales) > 1 and table is not None
        self.fits = not self.own or (
            len(scales) == length
            and table is not None
            and table.get("QuantizedDimension", 0) == axis
        )
        self.scales = scales

    def mean(self, values: np.ndarray, places: np.ndarray) -> np.ndarray:
        if len(places) == 1:
            return values[0]
        if values.dtype.kind == "f":
            total = np.zeros(values.shape[1:], np.float64)
            for one in values:
                total += one
            return (total / len(values)).astype(values.dtype)
        zero, shares = self.zero(places), np.ones(len(places))
        if self.own:
            scales = self.scales[places].astype(np.float64)
            shares = scales / scales.max()
        shifted = values.astype(np.float64) - zero.reshape((-1,) + (1,) * (values.ndim - 1))
        mean = np.rint(np.tensordot(shares, shifted, 1) / len(places)) + zero[np.argmax(shares)]
        limits = np.iinfo(values.dtype)
        return np.clip(mean, limits.min, limits.max).astype(values.dtype)

    def zero(self, places: np.ndarray) -> np.ndarray:
        zero = np.asarray(self.table.get("ZeroPoint", ()) if self.table else (), np.float64)
        if len(zero) == len(self.scales) and self.own:
            return zero[places]
        return np.full(len(places), zero[0] if len(zero) else 0.0)

    def taken(self, taken: Sequence[np.ndarray]) -> Optional[Table]:
        """The table for new channels, None where it stays."""
        if not self.own or self.table is None:
            return None
        # The coarsest scale holds the mean of all; one old channel keeps its own.
        chosen = np.asarray([one[np.argmax(self.scales[one])] for one in taken])
        table = _copy(self.table)
        for name in ("Scale", "ZeroPoint", "Min", "Max"):
            values: Any = table.get(name)
            if values is not None and len(values) == len(self.scales):
                table.fields[name] = values[chosen]
        return table


def _copy(table: Table) -> Table:
    return Table(table.type, dict(table.fields))
