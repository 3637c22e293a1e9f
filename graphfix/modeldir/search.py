"""Which model a path means: the rules by which a checkpoint or a frozen graph is found."""

import glob
import os
from typing import Optional

from graphfix.errors import RequestError, SourceError
from graphfix.formats.archive import SUFFIXES
from graphfix.formats.graphdef import files
from graphfix.modeldir.names import CHECKPOINT, CONFIG, FROZEN

_INDEX = ".index"


def find_config(path: str) -> str:
    """The pipeline.config that a path means, which may be its directory's."""
    return os.path.join(path, CONFIG) if os.path.isdir(path) else path


def find_archive(path: str) -> Optional[str]:
    """The tar archive that a path means, None where it means something else."""
    return path if os.path.isfile(path) and path.endswith(SUFFIXES) else None


def find_frozen(path: str) -> Optional[str]:
    """The frozen graph or SavedModel that a path means, None where it means a checkpoint."""
    if path.endswith(".pb") and os.path.isfile(path):
        return (
            os.path.dirname(path) or "." if os.path.basename(path) == files.SAVED_MODEL_PB else path
        )
    if not os.path.isdir(path) or glob.glob(os.path.join(glob.escape(path), "*" + _INDEX)):
        return None
    frozen = os.path.join(path, FROZEN)
    if os.path.isfile(frozen):
        return frozen
    return path if files.is_saved_model(path) else None


def find_prefix(path: str) -> str:
    """The checkpoint prefix that a directory, a prefix or one of a checkpoint's files means."""
    if path.endswith(_INDEX):
        return path[: -len(_INDEX)]
    if ".data-" in os.path.basename(path):
        return path[: path.rindex(".data-")]
    if not os.path.isdir(path):
        return path
    found = sorted(glob.glob(os.path.join(glob.escape(path), "*" + _INDEX)))
    preferred = os.path.join(path, CHECKPOINT + _INDEX)
    if preferred in found:
        return preferred[: -len(_INDEX)]
    if len(found) == 1:
        return found[0][: -len(_INDEX)]
    if not found:
        raise SourceError(
            path,
            "has no checkpoint (no *.index file)",
            "name a model directory, or a checkpoint's prefix",
        )
    raise RequestError(
        path,
        f"has {len(found)} checkpoints: {', '.join(os.path.basename(one) for one in found)}",
        "name the prefix of the one you mean",
    )
