"""README.md's commands are run, and its tables are held against the code.

Those that need the stock API are run in tests/stock/test_readme_training.py.
"""

import argparse
import os
import re
import shutil

import pytest
import readme

from graphfix.cli import command_line
from graphfix.detectors.families import FAMILIES
from graphfix.errors import RequestError, SourceError, VerificationError
from graphfix.process import endings
from graphfix.report.report import load

# Set-up is what the tests of the environments and of the image are about.
ELSEWHERE = re.compile(r"make (demo|test)|pip install (\.|'\.\[tf\]')|docker (build|run) .*")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """[(commands, expected, stdout)] of all blocks that need no stock API, and their directory."""
    directory = tmp_path_factory.mktemp("readme")

    def convert(source, out, *flags):
        assert command_line.main(["convert", source, "--output_directory", out] + list(flags)) == 0

    environment = readme.place(directory, convert)
    (directory / "records").mkdir()
    shutil.copy(
        os.path.join(readme.REPOSITORY, "testdata", "shapes", "train.record"),
        str(directory / "records"),
    )
    out = []
    for commands, expected in readme.blocks():
        if not readme.needs_stock(commands) and not all(
            ELSEWHERE.match(line) for line in commands.splitlines()
        ):
            out.append((commands, expected, readme.run(commands, directory, environment)))
    return out, directory


@pytest.mark.slow
def test_every_block_is_run_somewhere(ran):
    left = [
        commands
        for commands, _ in readme.blocks()
        if commands not in [one for one, _, _ in ran[0]] and not readme.needs_stock(commands)
    ]
    assert len(ran[0]) == 6 and len(left) == 4
    for commands in left:
        assert all(ELSEWHERE.fullmatch(line) for line in commands.splitlines()), commands


@pytest.mark.slow
def test_the_output_is_what_it_says(ran):
    shown = 0
    for _, expected, printed in ran[0]:
        # The model that is played has smaller images.
        assert expected in printed.replace("160 × 160", "300 × 300")
        shown += bool(expected)
    assert shown == 4


@pytest.mark.slow
def test_the_example_does_what_it_says(ran):
    report = load(str(ran[1] / "converted"))
    assert [(one.name, one.sources) for one in report.plan.classes] == [
        ("person", (1,)),
        ("van", (8, 6)),
        ("forklift", ()),
    ]


def verbs(parser=None, before=""):
    """The parser of every verb, by its words: "anchors fit" is one."""
    out = {}
    for action in (parser or command_line.parser())._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                out.update(verbs(one, before + name + " ") or {before + name: one})
    return out


def table(title):
    """First and second cells of the table under a heading, header left out."""
    part = readme.text().split(title, 1)[1]
    rows = re.search(r"\n\|.*?\n\n", part, re.S).group().strip().splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_the_verbs_are_those_there_are():
    assert [
        re.match(r"`graphfix ([a-z ]+) ", row[0]).group(1) for row in table("## Verbs")
    ] == list(verbs())


# Those that argparse and absl give every parser.
HELP = ("--help", "--helpshort", "--helpfull")


def test_the_flags_are_those_there_are():
    documented = set()
    for names, of, *_ in table("SOURCE is a model's directory"):
        for verb in verbs() if of == "all" else of.split(", "):
            documented.update((verb, flag) for flag in re.findall(r"--\w+", names))
    assert documented == {
        (verb, flag)
        for verb, parser in verbs().items()
        for action in parser._actions
        for flag in action.option_strings
        if flag.startswith("--") and flag not in HELP
    }


@pytest.mark.slow
def test_the_files_are_those_written(ran):
    documented = {
        name for row in table("## What is written") for name in re.findall(r"`([\w.-]+)`", row[0])
    }
    written = set(load(str(ran[1] / "converted")).artifacts)
    # These come of `verify --images`, and of a source that has such a graph.
    assert documented == written | {"pictures", "tflite_graph.pb"}


def test_the_families_are_those_there_are():
    assert [row[0] for row in table("## Detector families")] == [one.name for one in FAMILIES]


def test_the_exit_codes_are_those_there_are():
    codes = {int(code) for row in table("Exit codes:") for code in row[0].split(", ")}
    assert codes >= {0, 1, 2, 129, 130, 141, 143} | {
        one.exit_code for one in (RequestError, SourceError, VerificationError)
    }
    assert {int(code) for code in re.findall(r"\b\d+\b", endings.__doc__)} >= codes - {0}
