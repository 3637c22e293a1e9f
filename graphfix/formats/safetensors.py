"""safetensors: named tensors in one file, without code.

    8 bytes      little-endian length of the header
    header       JSON: {"name": {"dtype": "F32", "shape": [...], "data_offsets": [begin, end]},
                 ...}, and "__metadata__", texts by name; padded with blanks to a multiple of 8
    data         the tensors' bytes, little-endian, row-major, without gaps; offsets count from here

Source: the format's description in huggingface/safetensors (README.md, "Format").  Readers refuse
headers of over 100 MB, gaps and overlaps.
"""

import json
import os
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Mapping, Tuple

import numpy as np

from graphfix.errors import SourceError
from graphfix.formats import dtypes
from graphfix.formats.dtypes import DType
from graphfix.formats.regular_files import check_pointer, open_file, unreadable
from graphfix.formats.tensors import TensorMeta, TensorStore, TensorView

_METADATA = "__metadata__"
_MOST_HEADER = 100 << 20
_NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
_TYPES = {short: dtypes.BY_NAME[name] for name, short in _NAMES.items()}
_REMEDY = "export the detector again"


def write(file: BinaryIO, store: TensorStore, metadata: Mapping[str, str]) -> None:
    """Writes a store, whose tensors are of types that have a name here, one after the other.

    Raises:
      SourceError: a tensor's source is damaged.
    """
    header: Dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    offset = 0
    for name, view in store.items():
        end = offset + view.meta.nbytes
        header[name] = {
            "dtype": _NAMES[view.meta.dtype.name],
            "shape": list(view.meta.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for view in store.values():
        data = np.ascontiguousarray(view.load()).tobytes()
        assert len(data) == view.meta.nbytes, view.meta
        file.write(data)


def read(path: str) -> Tuple[TensorStore, Dict[str, str]]:
    """The tensors of a file, read when they are loaded, and its metadata.

    Raises:
      SourceError: it cannot be read, or is not of this format.
    """
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            check_pointer(path, size)
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, _MOST_HEADER):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_once)
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
        metadata = header.pop(_METADATA, {})
        views = list(_views(path, header, 8 + length, size))
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, RecursionError) as error:
        raise SourceError(path, f"is no safetensors file: {error}", _REMEDY) from None
    return TensorStore(views), metadata if isinstance(metadata, dict) else {}


def _once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("its header has a name twice")
    return found


def _views(path: str, header: Dict[str, Any], start: int, size: int) -> Iterator[TensorView]:
    end = 0
    for name, (dtype, shape, begin, after) in sorted(
        ((name, _entry(name, one)) for name, one in header.items()), key=lambda item: item[1][2:]
    ):
        meta = TensorMeta(name, dtype, shape)
        if begin != end or after - begin != meta.nbytes or start + after > size:
            raise ValueError(f"the bytes of {name!r} are not where its header says")
        end = after
        yield TensorView(meta, _loader(path, meta, start + begin))
    if start + end != size:
        raise ValueError(f"{size - start - end} bytes follow its last tensor")


def _entry(name: str, one: Any) -> Tuple[DType, Tuple[int, ...], int, int]:
    try:
        dtype, shape, (begin, end) = one["dtype"], one["shape"], one["data_offsets"]
        numbers = [*shape, begin, end]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"the entry of {name!r} lacks dtype, shape or data_offsets") from None
    if not isinstance(dtype, str) or dtype not in _TYPES:
        raise ValueError(f"{name!r} is of type {dtype!r}")
    if not all(type(number) is int and 0 <= number < 1 << 48 for number in numbers):
        raise ValueError(f"{name!r} has a size that is no number of bytes")
    return _TYPES[dtype], tuple(shape), begin, end


def _loader(path: str, meta: TensorMeta, offset: int) -> Callable[[], np.ndarray]:
    def load() -> np.ndarray:
        kind = meta.dtype.numpy or np.dtype("<u2")  # bfloat16 travels as its bits
        with open_file(path) as file:
            file.seek(offset)
            data = file.read(meta.nbytes)
        if len(data) != meta.nbytes:
            raise SourceError(path, f"ends within {meta.name}", _REMEDY)
        return np.frombuffer(data, kind).reshape(meta.shape)

    return load
