"""verify --stock of what export wrote: the target's own runtime judges it."""

import json
import os
from typing import Any, Dict

from graphfix.choices import Target
from graphfix.errors import RequestError, SourceError
from graphfix.exporting.targets import TARGETS, Trial
from graphfix.formats.regular_files import read_file
from graphfix.modeldir.names import EXPORT_JSON
from graphfix.verification.stock_trial import StockTrial

_LIMIT = 64 << 20


def is_export(directory: str) -> bool:
    return os.path.isfile(os.path.join(directory, EXPORT_JSON))


def tried(directory: str, trial: Trial) -> StockTrial:
    """What the target's runtime makes of an exported directory.

    Raises:
      GraphfixError: it cannot be asked.
    """
    path = os.path.join(directory, EXPORT_JSON)
    exported = _read(path)
    judge = getattr(TARGETS[Target(exported["target"])].load(), "tried", None)
    if judge is None:
        raise RequestError(
            "--stock", f"has no judge for {exported['target']}", "leave it out: files are checked"
        )
    return judge(directory, exported, trial)


def _read(path: str) -> Dict[str, Any]:
    try:
        found = json.loads(read_file(path, limit=_LIMIT).decode("utf-8"))
        Target(found["target"])
        if isinstance(found["source"], str) and isinstance(found["options"], dict):
            return found
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise SourceError(path, "is not what graphfix export wrote", "export again")
