"""The files of a directory that are no part of its own: each as what is compared of it.

* The state file (`checkpoint`) counts as the paths and times it says; relative paths are relative
  to its directory, as TensorFlow has them.  One that is no state file counts by its bytes.
* A graph beside a checkpoint (`.meta`) counts as the message it is, and so does a checkpoint other
  than the model's own (such as a SavedModel's variables), by its tensors: how either is written
  does not count.  One that is damaged counts by its bytes.
* Every other file counts by its bytes.  A link to a file counts as the file, a link to a directory
  as where it leads; pipes and devices count as such, and are not read.
* The records that graphfix writes beside a model (`RECORDS`) do not count: they tell paths, and
  what was done; `verify` holds them against the rest.
"""

import errno
import hashlib
import os
import re
from typing import Any, Container, Dict, Iterator, List, Tuple

from google.protobuf.message import DecodeError

from graphfix.comparison.configs import is_repeated
from graphfix.comparison.graphs import DIGEST, meta_graph_digest
from graphfix.comparison.states import SHORT
from graphfix.errors import SourceError
from graphfix.formats import regular_files
from graphfix.formats.checkpoint import reader, stored_bytes
from graphfix.formats.schema import message_class
from graphfix.formats.textproto import Document, bind
from graphfix.modeldir.names import CHECKPOINT_STATE, MANIFEST, PLAN_JSON, REPORT_HTML, REPORT_JSON

RECORDS = (PLAN_JSON, REPORT_JSON, REPORT_HTML, MANIFEST)
_SHARD = re.compile(r"(.*)\.data-\d{5}-of-\d{5}\Z", re.S)
# What is read of a file that has to be looked at whole.
_MOST = 64 << 20


def other_files(
    directory: str, known: Container[str], ignored: Container[str]
) -> Dict[str, Tuple[str, ...]]:
    """{path within the directory: what it is}, in one way or two: two files are the same where
    they agree in the same one.  `known` are paths within that are compared otherwise, `ignored` are
    real paths that do not count.

    Raises:
      SourceError: a file cannot be read.
    """
    found = {
        name: path
        for name, path in _walk(directory)
        if name not in known and name not in RECORDS and os.path.realpath(path) not in ignored
    }
    shards: Dict[str, List[str]] = {}
    for name in found:
        shards.setdefault(shard_of(name), []).append(name)
    out: Dict[str, Tuple[str, ...]] = {}
    for name in sorted(name for name in found if name.endswith(".index")):
        own = shards.get(name[: -len(".index")], [])
        told = _checkpoint(found[name][: -len(".index")]) if own else ""
        if told:
            out[name] = (told,)
            for one in own + [name]:
                del found[one]
    out.update((name, _file(name, path)) for name, path in found.items())
    return out


def _walk(directory: str) -> Iterator[Tuple[str, str]]:
    """(path within, path) of everything but directories."""
    pending = [""]
    while pending:
        within = pending.pop()
        try:
            names = os.listdir(os.path.join(directory, within))
        except OSError as error:
            raise regular_files.unreadable(os.path.join(directory, within), error) from None
        for name in names:
            inner = os.path.join(within, name)
            path = os.path.join(directory, inner)
            if os.path.isdir(path) and not os.path.islink(path):
                pending.append(inner)
            else:
                yield inner, path


def shard_of(name: str) -> str:
    """The prefix of the checkpoint that a file is a shard of."""
    found = _SHARD.match(name)
    return found.group(1) if found else ""


def _checkpoint(prefix: str) -> str:
    """A checkpoint's tensors; "" where it cannot be read."""
    found = hashlib.sha256()
    try:
        for name, view in sorted(reader.open_bundle(prefix).items()):
            found.update(
                repr(
                    (name, view.meta.dtype.name, view.meta.shape, stored_bytes.digest(view))
                ).encode()
            )
    except SourceError:
        return ""
    return "checkpoint, " + _short(found)


def _file(name: str, path: str) -> Tuple[str, ...]:
    try:
        if os.path.isdir(path) or not os.path.exists(path):
            return (f"a link to {os.readlink(path)!a}",)
        with regular_files.open_file(path) as file:
            if os.path.basename(name) == CHECKPOINT_STATE or name.endswith(".meta"):
                data = file.read(_MOST)
                told = (
                    _state(data, path)
                    if os.path.basename(name) == CHECKPOINT_STATE
                    else _meta(data)
                )
                if told and len(data) < _MOST:
                    return told
                file.seek(0)
            digest = hashlib.sha256()
            for chunk in iter(lambda: file.read(1 << 20), b""):
                digest.update(chunk)
            return (f"{file.tell()} bytes, {_short(digest)}",)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return (str(error.strerror),)  # what else it is than a regular file
        raise regular_files.unreadable(path, error) from None


def _short(digest: Any) -> str:
    return DIGEST + digest.hexdigest()[:SHORT]


def _meta(data: bytes) -> Tuple[str, ...]:
    try:
        return ("graph, " + meta_graph_digest(data),)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return ()


def _state(data: bytes, path: str) -> Tuple[str, ...]:
    try:
        document = Document.parse(data, subject=path)
    except SourceError:
        return ()
    message, problems = bind(document, message_class("graphfix.tensorflow.CheckpointState"))
    if problems:
        return ()
    directory = os.path.dirname(os.path.abspath(path))
    return tuple(
        ", ".join(
            f"{field.name} {[tell(one) for one in (value if is_repeated(field) else [value])]}"
            for field, value in message.ListFields()
        )
        for tell in (lambda value: _relative(value, directory), str)
    )


def _relative(value: Any, directory: str) -> str:
    """A path as one in the state file's directory, where it is."""
    if not isinstance(value, str):
        return str(value)
    path, start = os.path.join(directory, value), os.path.join(directory, "")
    return "<directory>/" + path[len(start) :] if path.startswith(start) else path
