"""The value of a Const node: TensorProto and NumPy array, both ways.

A TensorProto (TensorFlow 1.15, core/framework/tensor.proto) has its elements either as raw
little-endian bytes in `tensor_content`, or in a list of its type's own, where a list shorter than
the shape goes on with its last element.
"""

from typing import Any, Iterator, Optional

import numpy as np

from graphfix.formats import extents
from graphfix.formats.checksum import crc32c
from graphfix.formats.dtypes import BY_NUMBER, DType
from graphfix.formats.extents import Span
from graphfix.formats.graphdef import skeleton
from graphfix.formats.graphdef.fields import fields
from graphfix.formats.graphdef.nodes import message_of
from graphfix.formats.schema import message_class
from graphfix.formats.tensors import TensorMeta, TensorView

CONTENT = "tensor_content"
# The list a type's elements lie in, for types with a NumPy counterpart; bfloat16 as bit patterns.
_LISTS = {
    "float32": "float_val",
    "float64": "double_val",
    "int32": "int_val",
    "uint8": "int_val",
    "int16": "int_val",
    "int8": "int_val",
    "uint16": "int_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "float16": "half_val",
    "bfloat16": "half_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "qint8": "int_val",
    "quint8": "int_val",
    "qint32": "int_val",
    "qint16": "int_val",
    "quint16": "int_val",
}
_FEW = 64  # elements of a vector that are not worth being counted
# The most elements that a list's last element is repeated to: beyond, a few bytes would unfold
# into gigabytes.
_MOST_REPEATED = 1 << 24


def is_constant(node) -> bool:
    if node.op != "Const":
        return False
    # Asking a map for what it lacks would put it there.
    attributes = message_of(node).attr
    return "value" in attributes and attributes["value"].WhichOneof("value") == "tensor"


def is_marked(node) -> bool:
    """Whether a node is a Const whose value alone is elsewhere (`skeleton`), and is all there."""
    if not is_constant(node):
        return False
    data = message_of(node).SerializeToString()
    try:
        return (
            skeleton.count_markers(data) == 1
            and stored(node) is not None
            and field_of(node, meta_of(node)) == CONTENT
        )
    except ValueError:
        return False


def stored(node) -> Optional[Span]:
    """Where the value of a Const node lies in a file, None where the node has it."""
    return skeleton.marked(_tensor(node).tensor_content)


def chunks(node) -> Iterator[Any]:
    """The bytes of a Const node's value, as `value_of` has them.

    Raises:
      ValueError: as `value_of`.
      SourceError: the file that they lie in cannot be read.
    """
    span = stored(node)
    if span is not None and field_of(node, meta_of(node)) == CONTENT:
        yield from extents.chunks(span)
    else:
        yield value_of(node).tobytes()


def _tensor(node) -> Any:
    return message_of(node).attr["value"].tensor


def meta_of(node) -> TensorMeta:
    """Type and shape of a Const node.

    Raises:
      ValueError: it has no known type or no definite shape.
    """
    proto = _tensor(node)
    dtype = BY_NUMBER.get(proto.dtype)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if dtype is None or proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError(f"constant '{node.name}' has no known type and shape")
    return TensorMeta(node.name, dtype, shape)


def unfolded(node) -> int:
    """How many bytes the value of a Const node takes beyond those that stand in the file, because
    its last element is repeated."""
    proto = _tensor(node)
    dims = proto.tensor_shape.dim
    if not dims or (len(dims) == 1 and dims[0].size < _FEW) or proto.tensor_content:
        return 0  # as nearly all are
    try:
        meta = meta_of(node)
    except ValueError:
        return 0
    values = _LISTS.get(meta.dtype.name)
    if values is None or meta.size > _MOST_REPEATED:
        return 0  # such a value is refused when it is asked for
    return max(0, meta.size - len(getattr(proto, values))) * max(1, meta.dtype.itemsize)


def field_of(node, meta: TensorMeta) -> str:
    """The field of a Const node's TensorProto that its value is read from; `meta` is its own.

    Raises:
      ValueError: it has no array, or other bytes than its shape takes.
    """
    proto = _tensor(node)
    if meta.dtype.name not in _LISTS:
        raise ValueError(f"constant '{node.name}' is of type {meta.dtype}, which has no array form")
    span = skeleton.marked(proto.tensor_content)
    length = span.length if span else len(proto.tensor_content)
    if length:
        if length != meta.nbytes:
            raise ValueError(
                f"constant '{node.name}' has {length} bytes where its shape takes {meta.nbytes}"
            )
        return CONTENT
    field = _LISTS[meta.dtype.name]
    count = len(getattr(proto, field))
    if count > meta.size or count < meta.size > _MOST_REPEATED:
        raise ValueError(
            f"constant '{node.name}' has {count} elements where its shape takes {meta.size}"
        )
    return field


def value_of(node) -> np.ndarray:
    """The array of a Const node (bfloat16: uint16 bit patterns).

    Raises:
      ValueError: it has no array, or other bytes than its shape takes.
    """
    meta = meta_of(node)
    field = field_of(node, meta)
    proto = _tensor(node)
    numpy_type = meta.dtype.numpy or np.dtype("<u2")
    if field == CONTENT:
        span = skeleton.marked(proto.tensor_content)
        data = extents.read(span) if span else proto.tensor_content
        return np.frombuffer(data, numpy_type).reshape(meta.shape)
    out = _listed(proto, field)
    out = out.astype("<u2").view("<f2") if meta.dtype.name == "float16" else out.astype(numpy_type)
    if len(out) < meta.size:
        # An empty list stands for zeros.
        last = out[-1] if len(out) else numpy_type.type(0)
        out = np.concatenate([out, np.full(meta.size - len(out), last, numpy_type)])
    return out.reshape(meta.shape)


def is_tensor(node, view: TensorView) -> bool:
    """Whether a Const node's value is a tensor, bit by bit.  That of a checkpoint is not read for
    it: its index has its checksum."""
    try:
        meta = meta_of(node)
        if (meta.dtype, meta.shape) != (view.meta.dtype, view.meta.shape):
            return False
        if view.extent is None:
            data = np.ascontiguousarray(view.load()).tobytes()
            return crc_of(node) == crc32c(data) and b"".join(map(bytes, chunks(node))) == data
        if stored(node) == view.extent[:3]:
            return True  # it is that of this very node
        return meta.nbytes == view.extent.length and crc_of(node) == view.extent.crc32c
    except ValueError:
        return False


def crc_of(node) -> int:
    """The CRC-32C of a Const node's value.

    Raises ValueError, SourceError: as `chunks`.
    """
    crc = 0
    for chunk in chunks(node):
        crc = crc32c(chunk, crc)
    return crc


def _listed(proto, field: str) -> np.ndarray:
    """The elements of a list, each bit as it is; integers are narrowed by whoever asks."""
    if field == "float_val":
        # Python's numbers would make quiet NaNs of signalling ones.
        data = proto.SerializeToString()
        number = proto.DESCRIPTOR.fields_by_name[field].number
        return np.frombuffer(
            b"".join(
                data[first:last]
                for one, _, first, last in fields(data, 0, len(data))
                if one == number
            ),
            "<f4",
        )
    return np.asarray(
        getattr(proto, field),
        {"double_val": np.float64, "bool_val": np.bool_, "uint64_val": np.uint64}.get(
            field, np.int64
        ),
    )


def set_value(node, value: np.ndarray, dtype: DType) -> None:
    """Makes an array the value of a Const node, as raw bytes."""
    array = np.asarray(value, dtype.numpy or np.dtype("<u2"))
    proto = message_class("graphfix.graph.TensorProto")(
        dtype=dtype.number, tensor_content=np.ascontiguousarray(array).tobytes()
    )
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    node.attr["value"].tensor.CopyFrom(proto)
    node.attr["dtype"].type = dtype.number
    # The shape that inference noted down is of the old value.
    node.attr.pop("_output_shapes", None)
