"""How an option is written where it is given: `--freeze`, a recipe's `freeze:`, Python's `freeze=`.

The code and what is stored (report.json, a plan) name options as flags.  Whatever shows a message
writes them as the front in use does, with `shown`: errors and findings do so by themselves.  The
front is Python's, unless the command line or a recipe has asked.
"""

import contextlib
import enum
import functools
import re
from typing import Iterator, Pattern

from graphfix.choices import VALUES


class Front(enum.Enum):
    """Where options are given; the value is how an option's name is written there."""

    FLAGS = "--{}"
    RECIPE = "{}:"
    PYTHON = "{}="


# What Python calls something else than the command line.
_IN_PYTHON = {"json": "to_json()", "stock": "try_with_stock_api()", "update": "update_golden()"}
# Flags of the stock trainers alone.
_NOT_OURS = ("num_clones", "train_dir")
_in_use = Front.PYTHON


def spelled(text: str, front: Front) -> str:
    """A message in which options are written as flags, with their names as a front writes them.

    Example:
      >>> spelled("--map 'a=b': has no '='; see --freeze none", Front.PYTHON)
      "map='a=b': has no '='; see freeze='none'"
    """
    if front is Front.FLAGS:
        return text

    def replaced(match: "re.Match[str]") -> str:
        name, value = match.group("name", "value")
        if match.group("kept"):
            return match.group(0)
        python = front is Front.PYTHON
        name = (python and _IN_PYTHON.get(name)) or front.value.format(name)
        if value is None:
            return name
        if not python:
            return f"{name} {value}"
        return name + (value if value.isdigit() or value[0] == "'" else f"'{value}'")

    return _option().sub(replaced, text)


@functools.lru_cache(maxsize=None)
def _option() -> "Pattern[str]":
    """An option, with its value if it has one.  Compiled when it is first needed, which is never on
    the command line.

    A user's own words in quotes stay as they are, and a command that a message quotes (`graphfix
    plan --json`).
    """
    return re.compile(
        r"(?P<kept>(?<!\w)'[^']*'|graphfix [a-z]+(?: [^;,]*)?)"
        rf"|(?<![\w-])--(?P<name>(?!(?:{'|'.join(_NOT_OURS)})\b)[a-z]+\d*(?:_[a-z]+)*)(?![\w-])"
        rf"(?: (?P<value>'[^']*'|\d[\w=-]*|[A-Z][A-Z-]+\b|(?:{'|'.join(VALUES)})(?![\w-])))?"
    )


def shown(text: str) -> str:
    """A message in which options are written as flags, for whoever asked."""
    return spelled(text, _in_use)


@contextlib.contextmanager
def asked_by(front: Front) -> Iterator[None]:
    """Has messages name options as a front does."""
    global _in_use
    before, _in_use = _in_use, front
    try:
        yield
    finally:
        _in_use = before
