"""How messages name options, where they are given on the command line, in a recipe or in Python."""

import ast
import functools
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
        ("--stock_python", "stock_python:", "stock_python="),
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


@functools.lru_cache(maxsize=None)
def messages():
    """(file, text) of all texts of the package that name an option and are no documentation, but
    those of the command line."""
    found = []
    for top, _, names in os.walk(PACKAGE):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(top, name), PACKAGE)
            if not name.endswith(".py") or path.startswith("cli"):
                continue
            with open(os.path.join(top, name), encoding="utf-8") as file:
                text = file.read()
            if re.search(r"--[a-z]", text):
                found += [(path, one) for one in texts(ast.parse(text)) if "--" in one]
    return found


def texts(node):
    if isinstance(node, ast.Expr) and text_of(node.value) is not None:
        return
    if isinstance(node, ast.JoinedStr):
        yield "".join(text_of(one) or "VALUE" for one in node.values)
    elif text_of(node) is not None:
        yield text_of(node)
    else:
        for inner in ast.iter_child_nodes(node):
            yield from texts(inner)


def text_of(node):
    """A literal's text, None of anything else; CPython 3.7 has a node of its own for them."""
    value = getattr(node, "s" if type(node).__name__ == "Str" else "value", None)
    return value if isinstance(value, str) else None


ARGUMENTS = {
    name
    for public in graphfix.__all__
    if inspect.isfunction(getattr(graphfix, public))
    for name in inspect.signature(getattr(graphfix, public)).parameters
} | set(OPTIONS)
# Programs that a message, or a page, has the user start as they are.
COMMANDS = {
    "doctor/manual.py",
    "doctor/python_environment.py",
    "fronts.py",
    "process/console.py",
    "report/next_steps.py",
    "report/stages.py",
    "report/tensorrt.py",
    "stock_api/stock_environment.py",
}


def test_every_option_that_a_message_names_is_one_in_python():
    found = 0
    for path, text in messages():
        if path in COMMANDS:
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
