"""README.md's commands are run; its tables, and those that left it, are held against the code.

Its commands that need the stock API are run in tests/stock/test_readme_training.py.
"""

import argparse
import os
import re

import pages
import pytest
import readme

from graphfix.cli import command_line
from graphfix.detectors.families import FAMILIES
from graphfix.errors import RequestError, SourceError, VerificationError
from graphfix.process import endings
from graphfix.report.report import load

# Set-up is what the tests of the environments and of the image are about.
RECIPE = re.compile(r"pip install|python3\.7 -m venv|\. tf1/bin/activate|graphfix doctor --env")


def is_recipe(commands):
    return all(RECIPE.match(line) for line in commands.splitlines())


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """[(commands, expected, stdout)] of all blocks that need no stock API, and their directory."""
    directory = tmp_path_factory.mktemp("readme")

    def convert(source, out, *flags):
        assert command_line.main(["convert", source, "--output_directory", out] + list(flags)) == 0

    environment = pages.make_sources(directory, convert)
    out = [
        (commands, expected, readme.run(commands, directory, environment))
        for commands, expected in readme.blocks()
        if not (readme.needs_stock(commands) or is_recipe(commands) or pages.elsewhere(commands))
    ]
    return out, directory


def test_every_block_is_run_somewhere():
    here, elsewhere = [], []
    for commands, _ in readme.blocks():
        if not readme.needs_stock(commands):
            (elsewhere if is_recipe(commands) or pages.elsewhere(commands) else here).append(
                commands
            )
    assert len(here) == 2 and len(elsewhere) == 4
    assert len(readme.blocks()) == 9


@pytest.mark.slow
def test_the_output_is_what_it_says(ran):
    assert [expected in printed for _, expected, printed in ran[0]] == [True, True]
    assert [bool(expected) for _, expected, _ in ran[0]] == [True, False]


@pytest.mark.slow
def test_the_example_does_what_it_says(ran):
    report = load(str(ran[1] / "converted"))
    assert [(one.name, one.sources) for one in report.plan.classes] == [
        ("person", (1,)),
        ("van", (8, 6)),
        ("forklift", ()),
    ]


def test_the_recipe_is_that_of_the_document():
    (recipe,) = (one for one, _ in readme.blocks() if is_recipe(one))
    section = pages.text("install.md").split("\n## CPython 3.7\n")[1].split("\n## ")[0]
    documented = [line for _, body, _ in pages.BLOCK.findall(section) for line in body.splitlines()]
    assert recipe.splitlines() == documented


def test_doctor_knows_the_five_messages(capsys):
    messages = [row[0].strip("`") for row in table(readme.text(), "## It does not train")]
    assert len(messages) == 5
    for message in messages:
        capsys.readouterr()
        assert command_line.main(["doctor", "--explain", message]) == 0
        assert message.split(" ")[0].split("'")[0] in capsys.readouterr().out


def test_what_it_says_carried_classes_are_worth():
    """The figures of docs/transfer.md, of two classes kept and two new."""
    part = pages.text("transfer.md").split("\n## 2 kept and 2 new\n")[1].split("\n## ")[0]
    rows = {row[0]: row[1:] for row in table(part, "Kept classes at step 0")}
    kept, steps = (
        [float(rows[name][column].split(" ")[0]) for name in ("graphfix", "stock load_all")]
        for column in (0, 1)
    )
    said = " ".join(readme.text().split())
    assert f"the kept ones are at mAP {kept[0]:.2f}, and at {kept[1]:.2f} from the stock" in said
    assert f"all four reach 0.5 after {steps[0]:g} steps instead of {steps[1]:g}" in said


def verbs(parser=None, before=""):
    """The parser of every verb, by its words: "anchors fit" is one."""
    out = {}
    for action in (parser or command_line.parser())._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                out.update(verbs(one, before + name + " ") or {before + name: one})
    return out


def table(text, title):
    """The cells of the table under a title, its head left out."""
    part = text.split(title, 1)[1]
    rows = re.search(r"\n\|.*?\n(?=\n|\Z)", part, re.S).group().strip().splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_the_verbs_are_those_there_are():
    assert [
        re.match(r"`graphfix ([a-z ]+) ", row[0]).group(1)
        for row in table(readme.text(), "## Verbs")
    ] == list(verbs())


@pytest.mark.slow
def test_the_files_are_those_written(ran):
    rows = table(pages.text("written.md"), "# What is written")
    documented = {name for row in rows for name in re.findall(r"`([\w.-]+)`", row[0])}
    written = set(load(str(ran[1] / "converted")).artifacts)
    # These come of `verify --images`, and of a source that has such a graph.
    assert documented == written | {"pictures", "tflite_graph.pb"}


def test_the_families_are_those_there_are():
    rows = table(pages.text("sources.md"), "## Detector families")
    assert [row[0] for row in rows] == [one.name for one in FAMILIES]


def test_the_exit_codes_are_those_there_are():
    rows = table(pages.text("written.md"), "Exit codes:")
    codes = {int(code) for row in rows for code in row[0].split(", ")}
    assert codes >= {0, 1, 2, 129, 130, 141, 143} | {
        one.exit_code for one in (RequestError, SourceError, VerificationError)
    }
    assert {int(code) for code in re.findall(r"\b\d+\b", endings.__doc__)} >= codes - {0}


def test_it_is_short():
    """It was three thousand words once, and nobody read them."""
    assert len(readme.text().split()) < 1000
    assert os.path.getsize(os.path.join(readme.REPOSITORY, "docs", "demo.png")) < 300e3


def test_the_badges_are_true():
    badges = dict(re.findall(r"!\[(\w+): ([^\]]+)\]\(docs/badge_\w+\.svg\)", readme.text()))
    assert sorted(badges) == ["Python", "TensorFlow", "licence"]
    for name, words in badges.items():
        with open(os.path.join(readme.REPOSITORY, "docs", f"badge_{name.lower()}.svg")) as file:
            assert f"<title>{name}: {words}</title>" in file.read()
    with open(os.path.join(readme.REPOSITORY, "setup.py")) as file:
        setup = file.read()
    first, last = badges["Python"].split(" to ")
    minors = re.search(r"range\((\d+), (\d+)\)", setup)
    assert (first, last) == (f"3.{minors.group(1)}", f"3.{int(minors.group(2)) - 1}")
    assert f"tensorflow=={badges['TensorFlow']}.*" in setup
    assert badges["licence"] == "Apache-2.0" and "Apache Software License" in setup
