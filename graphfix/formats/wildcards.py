"""Finds the files that a path with *, ? and [...] means, within a bound on what is looked at.

The rules are those of Python's `glob` without `**`: a wildcard stands for no slash, and for no
leading dot.  But `glob` looks at as much of the machine as a pattern like /*/*/*/*/*/* asks for,
and before Python 3.9 takes time without end for a*b*c*d*e*f.
"""

import fnmatch
import glob
import os
import re
from typing import Any, Callable, List, Optional

from graphfix.errors import SourceError

# A directory of a million pictures is none that anybody names records in.
MOST_ENTRIES = 500000
_LONGEST = 1 << 16


class Budget:
    """How many directory entries may still be looked at, by one pattern or by several."""

    def __init__(self, entries: int = MOST_ENTRIES):
        self.entries = self.left = entries

    def spend(self, pattern: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise SourceError(
                pattern,
                (
                    f"stands for too much: to find it, more than {self.entries} files and "
                    "directories would have to be looked at"
                ),
                "name the directories instead of writing * for them",
            )


def find(pattern: str, budget: Budget) -> List[str]:
    """The paths that fit a pattern, sorted; it may also be a plain path.

    Raises:
      SourceError: naming the pattern, where the budget is too small for it.
    """
    if len(pattern) > _LONGEST:
        return []
    if not glob.has_magic(pattern):
        folder, name = os.path.split(pattern)
        return [pattern] if (_there(pattern) if name else os.path.isdir(folder)) else []
    names: List[str] = []
    folder = pattern
    while glob.has_magic(folder):
        folder, name = os.path.split(folder)
        names.append(name)
    found = [folder]
    for name in reversed(names):
        found = _step(found, name, pattern, budget)
    return sorted(found)


def _step(folders: List[str], name: str, pattern: str, budget: Budget) -> List[str]:
    """What fits one name within folders."""
    found = []
    if not glob.has_magic(name):
        for folder in folders:
            budget.spend(pattern)
            path = os.path.join(folder, name)
            if _there(path) if name else os.path.isdir(folder):
                found.append(path)
        return found
    fits = matcher(name)
    for folder in folders:
        try:
            with os.scandir(folder or os.curdir) as entries:
                for entry in entries:
                    budget.spend(pattern)
                    if (name[0] == "." or entry.name[0] != ".") and fits(entry.name):
                        found.append(os.path.join(folder, entry.name))
        except (OSError, ValueError):
            continue
    return found


def _there(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a NUL in it, before Python 3.8
        return False


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a file's name fits a pattern, as `fnmatch.fnmatchcase` says it, in linear time for
    each of the pattern's letters."""
    tokens: List[Optional[Callable[[str], Any]]] = []  # None: any letters
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        end = at + 1
        if letter == "*":
            tokens.append(None)
        elif letter == "?":
            tokens.append(lambda one: True)
        else:
            if letter == "[":
                # ] does not close a set that it is the first letter of.
                start = at + 2 if pattern[at + 1 : at + 2] == "!" else at + 1
                close = pattern.find("]", start + 1)
                end = close + 1 if close >= 0 else end
            tokens.append(_set(pattern[at:end]) if end > at + 1 else letter.__eq__)
        at = end
    return lambda name: _fits(tokens, name)


def _set(text: str) -> Callable[[str], Any]:
    try:
        return re.compile(fnmatch.translate(text)).match
    except re.error:  # [z-a], before Python 3.9
        return lambda one: False


def _never(_: str) -> bool:
    return False


def _fits(tokens: List[Optional[Callable[[str], Any]]], name: str) -> bool:
    """Goes along both; where they part, the last * takes one letter more."""
    at = token = 0
    star = mark = -1
    while at < len(name):
        fits = tokens[token] if token < len(tokens) else _never
        if fits is None:
            star, mark = token, at
            token += 1
        elif fits(name[at]):
            token += 1
            at += 1
        elif star >= 0:
            mark += 1
            token, at = star + 1, mark
        else:
            return False
    return all(one is None for one in tokens[token:])
