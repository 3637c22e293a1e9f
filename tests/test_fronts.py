"""How messages name options, where they are given on the command line, in a recipe or in Python."""

import ast
import inspect
import os
import re

import pytest
import repository

import graphfix
from graphfix.errors import Problem, RequestError
from graphfix.findings import Finding
from graphfix.fronts import Front, asked_by, spelled
from graphfix.options import OPTIONS

PACKAGE = os.path.join(repository.TOP, "graphfix")


@pytest.mark.parametrize(
    "text, recipe, python",
    [
        ("--map 'a --map b': has", "map: 'a --map b': has", "map='a --map b': has"),
        ("see --freeze, or x", "see freeze:, or x", "see freeze=, or x"),
        ("graphfix plan --json, or x", "graphfix plan --json, or x", "graphfix plan --json, or x"),
        ("--weights ema", "weights: ema", "weights='ema'"),
        ("--weights emanates", "weights: emanates", "weights= emanates"),
        ("--num_classes 3;", "num_classes: 3;", "num_classes=3;"),
        ("--map 1=old for", "map: 1=old for", "map='1=old' for"),
        ("--target_api YYYY-MM", "target_api: YYYY-MM", "target_api='YYYY-MM'"),
        ("--target_api 2019-07,", "target_api: 2019-07,", "target_api='2019-07',"),
        ("the trainer's --train_dir", "the trainer's --train_dir", "the trainer's --train_dir"),
        (
            "'--model_dir' of model_main",
            "'--model_dir' of model_main",
            "'--model_dir' of model_main",
        ),
        ("a--map --map-x ----", "a--map --map-x ----", "a--map --map-x ----"),
        ("--stock_python", "stock_python:", "python="),
        ("make it with --update", "make it with update:", "make it with update_golden()"),
    ],
)
def test_names_are_spelled_as_the_front_writes_them(text, recipe, python):
    assert spelled(text, Front.FLAGS) == text
    assert spelled(text, Front.RECIPE) == recipe
    assert spelled(text, Front.PYTHON) == python
    assert spelled(python, Front.PYTHON) == python


def test_whatever_is_shown_is_spelled():
    error = RequestError("--map", "is wrong", "see --freeze none")
    finding = Finding("CODE", "info", "it", "is so", "see --freeze none")
    for front, name, value in (
        (Front.PYTHON, "map=", "freeze='none'"),
        (Front.RECIPE, "map:", "freeze: none"),
        (Front.FLAGS, "--map", "--freeze none"),
    ):
        with asked_by(front):
            for text in (str(error), str(error.problems[0]), repr(error.problems[0])):
                assert f"{name}: is wrong; see {value}" in text
            assert value in str(finding) and value in repr(finding)
    assert "freeze='none'" in str(finding)


def test_errors_keep_the_front_of_who_asked():
    """The command line's are flags, within Python, too; and Python's again afterwards."""
    with pytest.raises(ValueError), asked_by(Front.FLAGS):
        raise ValueError
    assert str(Problem("--map", "is wrong", "mend it")) == "map=: is wrong; mend it"


def messages():
    """All texts of the package that are not documentation, but those of the command line."""
    for top, _, names in os.walk(PACKAGE):
        for name in sorted(names):
            path = os.path.join(top, name)
            if not name.endswith(".py") or os.path.relpath(path, PACKAGE).startswith("cli"):
                continue
            with open(path, encoding="utf-8") as file:
                tree = ast.parse(file.read())
            documentation = {
                id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
            }
            inner = {
                id(part)
                for node in ast.walk(tree)
                if isinstance(node, ast.JoinedStr)
                for part in node.values
            }
            for node in ast.walk(tree):
                if id(node) in documentation or id(node) in inner:
                    continue
                if isinstance(node, ast.JoinedStr):
                    yield (
                        os.path.relpath(path, PACKAGE),
                        "".join(
                            part.value if isinstance(part, ast.Constant) else "VALUE"
                            for part in node.values
                        ),
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield os.path.relpath(path, PACKAGE), node.value


ARGUMENTS = {
    name
    for public in graphfix.__all__
    if inspect.isfunction(getattr(graphfix, public))
    for name in inspect.signature(getattr(graphfix, public)).parameters
} | set(OPTIONS)
# Programs that a message, or a page, has the user start as they are.
COMMANDS = {"report/next_steps.py", "doctor/manual.py", "fronts.py"}


def test_every_option_that_a_message_names_is_one_in_python():
    found = 0
    for path, text in messages():
        if path in COMMANDS or "--" not in text:
            continue
        python = spelled(text, Front.PYTHON)
        for name in re.findall(r"\b([a-z_]+)=(?!\w)", python) if python != text else ():
            assert name in ARGUMENTS or f"{name}=" in text, f"{path}: {text}"
            found += 1
    assert found > 30


def test_no_message_has_the_flags_of_a_trainer_renamed():
    """`model_dir` is model_main's, too: what the trainer is started with stays its flag."""
    for path, text in messages():
        if re.search(r"(start it|trainer) with .*--", text):
            assert "--" in spelled(text, Front.PYTHON), f"{path}: {text}"
