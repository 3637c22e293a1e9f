"""Wildcards mean what Python's glob and fnmatch mean by them, within a bound."""

import fnmatch
import glob
import random

import pytest
import thorough

from graphfix.errors import SourceError
from graphfix.formats import wildcards

NAMES = [
    "a",
    "b",
    "ab",
    "a.record",
    "x-00000-of-00002",
    "x-00001-of-00002",
    ".hidden",
    "[a]",
    "a*",
    "\u00fc",
    "a]b",
]
PIECES = [
    "*",
    "?",
    "a",
    "b",
    ".",
    "[ab]",
    "[!a]",
    "[a-x]",
    "[]a]",
    "[!]a]",
    "[",
    "]",
    "x-",
    "-of-",
    "0",
    "**",
    "[*]",
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    top = tmp_path_factory.mktemp("tree")
    made = random.Random("tree")
    for one in NAMES:
        for two in made.sample(NAMES, 4):
            (top / one / two).mkdir(parents=True, exist_ok=True)
            for three in made.sample(NAMES, 3):
                (top / one / two / three).write_text("")
    (top / "loop").symlink_to(top)
    (top / "lost").symlink_to(top / "nowhere")
    return str(top)


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [150, thorough.slow(thorough.rounds(500, 1500))])
def test_it_finds_what_glob_finds(tree, monkeypatch, rounds):
    monkeypatch.chdir(tree)
    made = random.Random("wildcards")
    found = 0
    for _ in range(rounds):
        text = "/".join(
            "".join(made.choice(PIECES) for _ in range(made.randrange(1, 4)))
            for _ in range(made.randrange(1, 4))
        ) + made.choice(["", "", "", "/"])
        text = made.choice(["", "", "./", "../*/", tree + "/", "loop/", "a//"]) + text
        wanted = sorted(glob.glob(text))
        assert wildcards.find(text, wildcards.Budget()) == wanted, text
        found += len(wanted)
    assert found > rounds / 2


def test_it_matches_as_fnmatch_does():
    made = random.Random("names")
    for _ in range(2000):
        text = "".join(made.choice(PIECES) for _ in range(made.randrange(1, 8)))
        name = "".join(made.choice("abx-0.[]*") for _ in range(made.randrange(10)))
        assert wildcards.matcher(text)(name) == fnmatch.fnmatchcase(name, text), (text, name)


def test_many_stars_take_no_time():
    assert not wildcards.matcher("*a" * 60 + "!")("a" * 255)
    assert wildcards.matcher("*a" * 60)("a" * 255)


def test_odd_patterns():
    for text in ("", "a\0b*", "*/a\0b", "a" * 100000 + "*", "*/" * 30000):
        assert wildcards.find(text, wildcards.Budget()) == []


def test_a_budget_is_for_all(tree):
    with pytest.raises(SourceError, match="more than 50 files and directories"):
        wildcards.find(tree + "/*/*/*/*/*/*/*", wildcards.Budget(50))
    budget = wildcards.Budget(50)
    with pytest.raises(SourceError):
        for _ in range(10):
            wildcards.find(tree + "/*", budget)
    assert wildcards.find(tree + "/a", wildcards.Budget(0)) == [tree + "/a"]
