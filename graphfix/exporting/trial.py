"""verify --stock of what export wrote: the target's own runtime judges it."""

import json
import os
from typing import Any, Dict, Tuple

from graphfix.choices import Target
from graphfix.errors import Problem, RequestError, SourceError
from graphfix.exporting import pictures
from graphfix.exporting.targets import TARGETS, Trial
from graphfix.formats.regular_files import read_file
from graphfix.modeldir.names import EXPORT_JSON
from graphfix.process.console import quoted
from graphfix.verification.stock_trial import StockTrial

_LIMIT = 64 << 20


def is_export(directory: str) -> bool:
    return os.path.isfile(os.path.join(directory, EXPORT_JSON))


def not_run(directory: str, target: str) -> Tuple[str, ...]:
    """What verify does not find out about an export, and the command that does, if any."""
    row = TARGETS[Target(target)]
    if getattr(row.load(), "tried", None) is None:
        return (f"what it computes is not checked: nothing here runs {row.title}",)
    words = "what it computes"
    more = ""
    if row.trains:
        words, more = words + " and how it trains", " --steps 50"
    return (
        f"{words} is not checked; {row.title} and TensorFlow tell:",
        f"graphfix verify {quoted(directory)} --stock --stock_python PYTHON "
        f"--tf1_python PYTHON{more}",
    )


def tried(directory: str, trial: Trial) -> StockTrial:
    """What the target's runtime makes of an exported directory.

    Raises:
      GraphfixError: it cannot be asked.
    """
    path = os.path.join(directory, EXPORT_JSON)
    exported = _read(path)
    target = TARGETS[Target(exported["target"])]
    judge = getattr(target.load(), "tried", None)
    if judge is None:
        raise RequestError(
            "--stock", f"has no judge for {exported['target']}", "leave it out: files are checked"
        )
    given: Dict[str, Any] = {}
    if not target.trains:
        given.update(steps=trial.steps, train_record=trial.train_record)
    if target.runtime is None:
        given["images"] = trial.images
    raise_if_given(exported["target"], given)
    pictures.check(trial.images)
    return judge(directory, exported, trial)


def raise_if_given(target: str, values: Dict[str, Any]) -> None:
    """Refuses options that a target does not take, by name.

    Raises:
      RequestError: some are given.
    """
    problems = [
        Problem(f"--{name}", f"means nothing to what was exported to {target}", "leave it out")
        for name, given in values.items()
        if given
    ]
    if problems:
        raise RequestError.collected(problems)


def _read(path: str) -> Dict[str, Any]:
    try:
        found = json.loads(read_file(path, limit=_LIMIT).decode("utf-8"))
        Target(found["target"])
        if isinstance(found["source"], str) and isinstance(found["options"], dict):
            return found
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise SourceError(path, "is not what graphfix export wrote", "export again")
