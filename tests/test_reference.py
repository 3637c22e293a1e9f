"""docs/api.md and docs/options.md are what the code says, and their examples run."""

import doctest
import os
import subprocess
import sys

import pytest
import repository

import graphfix
from graphfix import options
from graphfix.api import comparisons, conversions, training


def test_the_reference_is_not_stale():
    done = subprocess.run(
        [sys.executable, os.path.join(repository.TOP, "docs", "generate.py"), "--check"],
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", [comparisons, conversions, training, options])
def test_examples_run(module, monkeypatch):
    monkeypatch.chdir(repository.TOP)
    found = doctest.testmod(module, extraglobs={"graphfix": graphfix})
    assert found.attempted and not found.failed
