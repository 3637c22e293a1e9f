"""A detector in a .tflite file: its tensors and operations, its classes, and what lies behind it.

The last operation of an SSD is TFLite_Detection_PostProcess (graph_rewrite/tflite.py describes it);
the file may have a zip archive behind it, with lists of labels and other sidecars, as TensorFlow
Lite's metadata does.
"""

import hashlib
import io
import zipfile
from typing import Any, Dict, List, NamedTuple, NoReturn, Optional, Tuple

import numpy as np

from graphfix.errors import SourceError
from graphfix.formats import regular_files
from graphfix.formats.flatbuffers import flexbuffer, reader, schema
from graphfix.formats.flatbuffers.reader import Damaged, Newer, Table
from graphfix.graph_rewrite.tflite import OPERATION
from graphfix.options import MAX_CLASSES

DETECT = "detect.tflite"
_EDGE_TPU = b"edgetpu-custom-op"
_LIMIT = 1 << 30
_MOST_SIDECARS = 16 << 20
_AGAIN = "download or copy the file again"
_CUSTOM = 32
# BuiltinOperator's numbers, of those that heads are followed through.
OPERATIONS = {
    0: "ADD",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    14: "LOGISTIC",
    18: "MUL",
    19: "RELU",
    20: "RELU_N1_TO_1",
    21: "RELU6",
    22: "RESHAPE",
    25: "SOFTMAX",
    28: "TANH",
    39: "TRANSPOSE",
    41: "SUB",
    42: "DIV",
    43: "SQUEEZE",
    45: "STRIDED_SLICE",
    53: "CAST",
    55: "MAXIMUM",
    57: "MINIMUM",
    70: "EXPAND_DIMS",
    114: "QUANTIZE",
    117: "HARD_SWISH",
    124: "DENSIFY",
}
# TensorType's numbers.
TYPES = {
    0: np.dtype("<f4"),
    1: np.dtype("<f2"),
    2: np.dtype("<i4"),
    3: np.dtype("u1"),
    4: np.dtype("<i8"),
    7: np.dtype("<i2"),
    9: np.dtype("i1"),
    10: np.dtype("<f8"),
}


class Operation(NamedTuple):
    """An operation: its number in the graph, its name, its table, the tensors it reads (-1: none)
    and makes."""

    number: int
    name: str
    table: Table
    inputs: Tuple[int, ...]
    outputs: Tuple[int, ...]


class LiteModel(NamedTuple):
    """A detector; `detection` is its operation of detection, `options` that one's numbers.

    `scores` is the tensor of scores, `channels` how many there are for each anchor, `classes` the
    number of classes: one less where the first channel is the background.
    """

    path: str
    root: Table
    graph: Table
    operations: Tuple[Operation, ...]
    detection: Operation
    options: Dict[str, Any]
    scores: int
    channels: int
    classes: int
    sidecars: Tuple[Tuple[zipfile.ZipInfo, bytes], ...]
    size: int
    digest: str

    @property
    def tensors(self) -> List[Table]:
        return self.graph.fields["Tensors"]

    @property
    def buffers(self) -> List[Table]:
        return self.root.fields["Buffers"]

    @property
    def background(self) -> int:
        """1 where the first channel is the background's, else 0."""
        return self.channels - self.classes

    def name(self, tensor: int) -> str:
        return self.tensors[tensor].get("Name", b"").decode("utf-8", "replace") or f"#{tensor}"

    def shape(self, tensor: int) -> Tuple[int, ...]:
        return tuple(int(one) for one in self.tensors[tensor].get("Shape", ()))

    def data(self, tensor: int) -> Optional[np.ndarray]:
        """The bytes of a constant, None for what an operation computes."""
        found = self.buffers[self.tensors[tensor].get("Buffer", 0)].get("Data")
        return found if found is not None and len(found) else None

    def values(self, tensor: int) -> np.ndarray:
        """A constant's values.

        Raises:
          SourceError: they are not as its shape says, or of a type whose channels are not taken.
        """
        table, data = self.tensors[tensor], self.data(tensor)
        dtype = TYPES.get(table.get("Type", 0))
        if dtype is None or table.get("Sparsity") is not None:
            raise SourceError(
                self.path,
                f"has {self.name(tensor)} in a packed or sparse form, of which channels are not "
                "taken",
                "convert the model without that",
            )
        shape = self.shape(tensor)
        size = dtype.itemsize
        for one in shape:
            size *= one
        if data is None or min(shape, default=1) < 0 or size != len(data):
            raise damaged(self.path, f"is damaged: {self.name(tensor)} is not of its shape")
        return np.frombuffer(data.tobytes(), dtype).reshape(shape)


def damaged(path: str, what: str) -> SourceError:
    return SourceError(path, what, _AGAIN)


def open_lite(path: str) -> LiteModel:
    """Opens a detector.

    Raises:
      SourceError: the file is damaged, is compiled for the Edge TPU, or is no detector that is
        understood.
    """
    data = regular_files.read_file(path, limit=_LIMIT)
    regular_files.refuse_pointer(path, data[:512])
    if not data:
        raise damaged(path, "is empty")
    try:
        root, end = reader.read(data, schema.tflite())
        return _checked(path, data, root, end)
    except Newer as error:
        raise SourceError(path, str(error), "convert it with an older TensorFlow") from None
    except Damaged as error:
        what = f"is not a valid TensorFlow Lite model: it {error}"
        raise damaged(path, what) from None


def _checked(path: str, data: bytes, root: Table, end: int) -> LiteModel:
    graphs, buffers = root.get("Subgraphs") or [], root.get("Buffers") or []
    codes = [_operation_name(one) for one in root.get("OperatorCodes") or []]
    if _EDGE_TPU.decode() in codes:
        raise SourceError(
            path,
            "is compiled for the Edge TPU, and has no weights that can be read",
            "give the .tflite that it was compiled from, and run edgetpu_compiler on the result",
        )
    if any(one.get("Offset", 0) > 1 or one.get("Size", 0) > 1 for one in buffers):
        raise SourceError(
            path, "has weights outside of its tables", "give a file of less than 2 GB"
        )
    found = []
    for graph in graphs:
        operations = _operations(graph, codes, len(buffers))
        found += [(graph, operations, one) for one in operations if one.name == OPERATION]
    if len(found) != 1:
        _no_detector(path, f"has {len(found) or 'no'} operations {OPERATION}")
    graph, operations, detection = found[0]
    if len(detection.inputs) != 3 or min(detection.inputs) < 0:
        _no_detector(path, f"has an {OPERATION} without boxes, scores and anchors")
    shape = [int(one) for one in graph.fields["Tensors"][detection.inputs[1]].get("Shape", ())]
    options = flexbuffer.numbers(_option_bytes(detection))
    classes = options["num_classes"].value if "num_classes" in options else None
    if len(shape) != 3 or not isinstance(classes, int) or shape[2] - classes not in (0, 1):
        _no_detector(path, f"has scores of the shape {shape} for {classes} classes")
    if not 1 <= classes <= MAX_CLASSES:
        _no_detector(path, f"has {classes} classes")
    return LiteModel(
        path,
        root,
        graph,
        operations,
        detection,
        {name: one.value for name, one in options.items()},
        detection.inputs[1],
        shape[2],
        classes,
        _sidecars(path, data, end),
        len(data),
        hashlib.sha256(data).hexdigest(),
    )


def _option_bytes(detection: Operation) -> bytes:
    return bytes(detection.table.get("CustomOptions", np.zeros(0, np.uint8)).tobytes())


def _no_detector(path: str, what: str) -> NoReturn:
    raise SourceError(
        path,
        f"{what}: it is not a detector as export_tflite_ssd_graph.py and its like make them",
        "give a detector with its post-processing, or convert the checkpoint that it was made of",
    )


def _operation_name(code: Table) -> str:
    # Numbers from 127 on have a field of their own; what is older knows only the first.
    number = max(code.get("DeprecatedBuiltinCode", 0), code.get("BuiltinCode", 0))
    if number == _CUSTOM:
        return code.get("CustomCode", b"").decode("utf-8", "replace")
    return OPERATIONS.get(number, f"operation {number}")


def _operations(graph: Table, codes: List[str], buffers: int) -> Tuple[Operation, ...]:
    tensors = graph.get("Tensors") or []
    out = []
    for number, table in enumerate(graph.get("Operators") or []):
        code = table.get("OpcodeIndex", 0)
        inputs, outputs = (
            tuple(int(one) for one in table.get(name, ())) for name in ("Inputs", "Outputs")
        )
        if code >= len(codes) or not all(-1 <= one < len(tensors) for one in inputs + outputs):
            raise Damaged(f"is damaged: operation {number} refers to what is not there")
        out.append(Operation(number, codes[code], table, inputs, outputs))
    if any(one.get("Buffer", 0) >= buffers for one in tensors):
        raise Damaged("is damaged: a tensor refers to a buffer that is not there")
    return tuple(out)


def _sidecars(path: str, data: bytes, end: int) -> Tuple[Tuple[zipfile.ZipInfo, bytes], ...]:
    """The files of the archive behind the model, if there is one."""
    if len(data) <= end or not zipfile.is_zipfile(io.BytesIO(data)):
        return ()
    found = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if sum(one.file_size for one in infos) > _MOST_SIDECARS:
                raise SourceError(
                    path,
                    f"has an archive of more than {_MOST_SIDECARS >> 20} MB behind it",
                    "take it off",
                )
            for info in infos:
                with archive.open(info) as file:
                    found.append((info, file.read(_MOST_SIDECARS)))
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise Damaged(f"has a damaged archive behind it: {error}") from None
    return tuple(found)
