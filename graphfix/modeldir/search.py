"""Which model a path means: the rules by which a checkpoint or a frozen graph is found.

Any file of a model means the model: each of a checkpoint's (`.index`, `.meta`, `.data-...`), the
`checkpoint` file, which names the latest of a directory, and a `pipeline.config`.  A directory with
several checkpoints means model.ckpt or the one that its `checkpoint` file names.
"""

import glob
import os
import re
from typing import List, Optional, Tuple, Union

from graphfix.errors import RequestError, SourceError
from graphfix.findings import INFO, Finding
from graphfix.formats import regular_files
from graphfix.formats.archive import is_archive
from graphfix.formats.graphdef import kinds
from graphfix.modeldir.checkpoint_state import read_state
from graphfix.modeldir.names import (
    CHECKPOINT,
    CHECKPOINT_STATE,
    CONFIG,
    FROZEN,
    SAVED_MODEL_DIRECTORY,
)

_INDEX = ".index"
_CHECKPOINTS = re.compile(r"(\.index|\.meta|\.data-\d{5}-of-\d{5})\Z")
_CONFIG = ".config"
_NUMBERS = re.compile(r"([0-9]+)")
# A serialized GraphDef begins with its first node.
_NODE = b"\x0a"


def model_of(path: str) -> Tuple[str, Optional[str]]:
    """What a path means as a model: the directory of a config, and that config; else itself."""
    if path.endswith(_CONFIG) and os.path.isfile(path):
        return os.path.dirname(path) or ".", path
    return path, None


def is_other_file(path: str) -> bool:
    """Whether a path leads to a file that is none of a checkpoint's by its name."""
    checkpoint = _CHECKPOINTS.search(path) or os.path.basename(path) == CHECKPOINT_STATE
    return not checkpoint and os.path.isfile(path) and not os.path.exists(path + _INDEX)


def find_config(path: str) -> str:
    """The pipeline.config that a path means, which may be its directory's."""
    return os.path.join(path, CONFIG) if os.path.isdir(path) else path


def find_archive(path: str) -> Optional[str]:
    """The archive that a path means, None where it means something else."""
    return path if not _CHECKPOINTS.search(path) and is_archive(path) else None


def find_frozen(path: str) -> Optional[str]:
    """The frozen graph or SavedModel that a path means, None where it means a checkpoint."""
    if os.path.isfile(path):
        if os.path.basename(path) in kinds.SAVED_MODEL_FILES:
            return os.path.dirname(path) or "."
        return path if path.endswith(".pb") or _is_graph(path) else None
    if not os.path.isdir(path) or indexes(path):
        return None
    frozen = os.path.join(path, FROZEN)
    if os.path.isfile(frozen):
        return frozen
    for directory in (path, os.path.join(path, SAVED_MODEL_DIRECTORY)):
        if kinds.is_saved_model(directory):
            return directory
    return None


def _is_graph(path: str) -> bool:
    """Whether a file of another name begins as a frozen graph does, and is no checkpoint's."""
    if not is_other_file(path):
        return False
    try:
        return regular_files.read(path, 1) == _NODE or kinds.is_text(path)
    except OSError:
        return False


def prefix_of(path: str) -> str:
    """A path without the ending of a checkpoint's file."""
    return _CHECKPOINTS.sub("", path)


def find_prefix(path: str) -> str:
    """The checkpoint prefix that a directory, a prefix or one of a checkpoint's files means."""
    if _CHECKPOINTS.search(path):
        return prefix_of(path)
    if os.path.basename(path) == CHECKPOINT_STATE and os.path.isfile(path):
        return _named_by(path)
    if not os.path.isdir(path):
        return path
    names = indexes(path)
    if CHECKPOINT in names or len(names) == 1:
        return os.path.join(path, CHECKPOINT if CHECKPOINT in names else names[0])
    if not names:
        raise SourceError(
            path,
            "has no checkpoint (no *.index file)" + _below(path),
            "name a model directory, or a checkpoint's prefix",
        )
    named = _latest(path)
    if named in names:
        return os.path.join(path, str(named))
    raise RequestError(
        path,
        f"has {len(names)} checkpoints: {', '.join(one + _INDEX for one in names)}",
        "name the prefix of the one you mean",
    )


def choice(path: str) -> Tuple[Finding, ...]:
    """What there is to know of a directory with several checkpoints, of which one was taken."""
    names = indexes(path) if os.path.isdir(path) else []
    if len(names) < 2 or CHECKPOINT in names:
        return ()
    return (
        Finding(
            "CHECKPOINT_CHOSEN",
            INFO,
            path,
            f"has {len(names)} checkpoints: taken is {_latest(path)}, which its "
            f"'{CHECKPOINT_STATE}' file names as the latest",
            "name the prefix of another to take that",
        ),
    )


def indexes(directory: str) -> List[str]:
    """The names of the checkpoints in a directory, step 900 before step 1000."""
    found = glob.glob(os.path.join(glob.escape(directory), "*" + _INDEX))
    names = [os.path.basename(one)[: -len(_INDEX)] for one in found]
    return sorted(names, key=lambda one: [_or_number(part) for part in _NUMBERS.split(one)])


def _or_number(part: str) -> Union[int, str]:
    return int(part) if part.isdigit() else part


def _latest(directory: str) -> Optional[str]:
    """The name of the checkpoint in a directory that its `checkpoint` file names, if any."""
    state = os.path.join(directory, CHECKPOINT_STATE)
    if not os.path.isfile(state):
        return None
    try:
        named = read_state(state)
    except SourceError:
        return None
    return os.path.basename(named) if named else None


def _named_by(state: str) -> str:
    """The checkpoint that a `checkpoint` file names, which may have been moved together with it."""
    named = read_state(state)
    if named is None:
        raise SourceError(
            state,
            "names no checkpoint (model_checkpoint_path)",
            "name the prefix of the checkpoint you mean",
        )
    beside = os.path.join(os.path.dirname(state), os.path.basename(named))
    for one in (named, beside):
        if os.path.exists(one + _INDEX):
            return one
    raise SourceError(
        state,
        f"names the checkpoint {named}, which does not exist",
        "name the prefix of a checkpoint that is there, or the directory",
    )


def _below(directory: str) -> str:
    """Words for the directories next below that hold a model."""
    names = sorted(os.listdir(directory))
    found = [
        name
        for name in names
        if os.path.isdir(os.path.join(directory, name))
        and (
            indexes(os.path.join(directory, name))
            or os.path.isfile(os.path.join(directory, name, FROZEN))
        )
    ]
    if not found:
        return ""
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return f", but there is a model in {', '.join(found[:3])}{more}"
