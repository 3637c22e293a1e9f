"""Message classes of the schemas in protos/, compiled, in a descriptor pool of their own.

The default pool is shared by everything in a process, and TensorFlow and the stock API register
theirs there; a pool of its own, and package names of its own, keep this one out of their way.

protos/build.py wrote one NAME.binpb for each NAME.proto: a serialized FileDescriptorSet.  It is
read when the first message of its package is asked for, so that reading a checkpoint does not
pay for the pipeline's 170 messages.
"""

import contextlib
import functools
import os
import warnings
from typing import Any, Callable, Iterator, List, Set

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

# The package of each schema and the file it is in.
FILES = {
    "graphfix.example": "example.binpb",
    "graphfix.graph": "graph.binpb",
    "graphfix.labels": "string_int_label_map.binpb",
    "graphfix.pipeline": "pipeline.binpb",
    "graphfix.tensorflow": "tensorflow.binpb",
    "graphfix.trackable": "trackable.binpb",
}

_POOL = descriptor_pool.DescriptorPool()
# protobuf 4.22 to 4.24 reads a field through its message's class, and crashes if nothing refers to
# that.
_KEPT: List[Any] = []  # every class
_LOADED: Set[str] = set()  # names of files; several schemas may import one
# Before protobuf 4.22 a factory makes classes and keeps them: one for as long as the process lives.
_FACTORY = message_factory.MessageFactory(_POOL)


@functools.lru_cache(maxsize=None)
def message_class(full_name: str) -> Any:
    """The class of a message such as "graphfix.pipeline.TrainEvalPipelineConfig".

    Raises KeyError for a name that no schema has.
    """
    _load(".".join(full_name.split(".")[:2]))
    return _class_of(_POOL.FindMessageTypeByName(full_name))


def defined(file_descriptor: Any, full_name: str) -> Any:
    """The class of a message of a schema that code makes, as a FileDescriptorProto."""
    _add(file_descriptor)
    return _class_of(_POOL.FindMessageTypeByName(full_name))


def parse(kind: Any, data: bytes) -> Any:
    """The message of a class that the bytes are.

    Raises:
      DecodeError: they are none.  Protobuf's C++ form (before 4.21) itself takes the first part of
        some: it stops at a zero byte, and with a warning at the end of a group that never began.
      UnicodeDecodeError, RecursionError: likewise, from its pure Python form.
    """
    with parser() as parse_one:
        return parse_one(kind, data)


@contextlib.contextmanager
def parser() -> Iterator[Callable[[Any, bytes], Any]]:
    """Lends `parse` to whoever parses thousands: to look for warnings takes longer than to parse a
    small message."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")

        def parse_one(kind: Any, data: bytes) -> Any:
            del said[:]
            message = kind()
            read = message.MergeFromString(data)
            # Protobuf's own; a file that is collected just now, say, would warn, too.
            if read != len(data) or any(issubclass(one.category, RuntimeWarning) for one in said):
                raise DecodeError(f"{read} of {len(data)} bytes are a message")
            return message

        yield parse_one


def _class_of(descriptor) -> Any:
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return _FACTORY.GetPrototype(descriptor)


@functools.lru_cache(maxsize=None)
def _load(package: str) -> None:
    path = os.path.join(os.path.dirname(__file__), FILES[package])
    with open(path, "rb") as file:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    for file_descriptor in files.file:  # imports come before what imports them
        _add(file_descriptor)


def _add(file_descriptor: Any) -> None:
    if file_descriptor.name not in _LOADED:
        _LOADED.add(file_descriptor.name)
        _POOL.AddSerializedFile(file_descriptor.SerializeToString())
        in_pool = _POOL.FindFileByName(file_descriptor.name)
        for descriptor in in_pool.message_types_by_name.values():
            _keep(descriptor)


def _keep(descriptor) -> None:
    _KEPT.append(_class_of(descriptor))
    for inner in descriptor.nested_types:
        _keep(inner)
