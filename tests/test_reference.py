"""docs/api.md and docs/options.md are what the code says, and their examples run."""

import doctest
import os
import re
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


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_that_documents_name_are_there(name):
    """But for those that a recipe has somebody make, whose names are in capitals."""
    with open(os.path.join(repository.TOP, name), encoding="utf-8") as file:
        named = set(
            re.findall(r"`((?:graphfix|tests|testdata|docs|protos)/[\w./-]+)`", file.read())
        )
    assert named
    there = [one for one in named if not re.search(r"[A-Z]{3}", one)]
    assert [one for one in there if not os.path.exists(os.path.join(repository.TOP, one))] == []
