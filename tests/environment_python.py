"""The Pythons of tests/environments, for what needs more than its own."""

import functools
import os
import subprocess
import sys

import pytest
import repository

MAKE = os.path.join(repository.TESTS, "environments", "make.py")
_NOT_HERE = 3


class NotHere(Exception):
    """The environment can't be had on this machine."""


@functools.lru_cache(maxsize=None)
def python_of(*arguments):
    """The path that make.py prints.

    Raises:
      NotHere: with make.py's words.
    """
    done = subprocess.run(
        [sys.executable, MAKE] + list(arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    if done.returncode == _NOT_HERE:
        raise NotHere(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def python_or_skip(*arguments):
    """The same, for a test, which is skipped where the environment can't be had."""
    try:
        return python_of(*arguments)
    except NotHere as error:
        pytest.skip(str(error))
