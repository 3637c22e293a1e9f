"""`import graphfix`: what it has, what it costs, and that nothing else is needed."""

import ast
import inspect
import os
import subprocess
import sys
import typing

import pytest
import repository

import graphfix

SOURCE = os.path.join(repository.TOP, "graphfix", "__init__.py")


def python(program, **environment):
    return subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=repository.TOP, **environment),
        universal_newlines=True,
        check=True,
    ).stdout


def for_type_checkers():
    """{public name: (module, its name there)} as the block under TYPE_CHECKING imports them."""
    with open(SOURCE, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in block.body
        for alias in node.names
    }


def test_type_checkers_see_the_same_names():
    assert for_type_checkers() == graphfix._PUBLIC
    assert graphfix.__all__ == sorted(graphfix._PUBLIC)


@pytest.mark.parametrize("name", graphfix.__all__)
def test_every_name_is_there_and_documented(name):
    value = getattr(graphfix, name)
    assert value is getattr(graphfix, name)
    assert inspect.getdoc(value)
    assert name in dir(graphfix)


@pytest.mark.parametrize(
    "name", [name for name in graphfix.__all__ if inspect.isfunction(getattr(graphfix, name))]
)
def test_functions_document_every_argument(name):
    function = getattr(graphfix, name)
    text = inspect.getdoc(function)
    parameters = inspect.signature(function).parameters
    if name != "diff":
        assert "Args:" in text
        for parameter in parameters:
            assert f"\n  {parameter}: " in text, f"{name} does not say what {parameter} is"
    assert "Raises:" in text or name == "explain"
    assert all(one.annotation is not one.empty for one in parameters.values())


def test_there_are_no_other_names():
    with pytest.raises(AttributeError, match="no attribute 'target'"):
        _ = graphfix.target


def test_importing_it_loads_next_to_nothing():
    """Fewer modules of the standard library than a command line, no NumPy, none of the package."""
    program = (
        "import sys; before = set(sys.modules); import graphfix; "
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = set(python(program).split())
    assert loaded <= {"graphfix", "importlib", "importlib._bootstrap", "types", "typing"} | {
        name for name in loaded if name.split(".")[0] in _TYPING
    }


# What `typing` imports itself.
_TYPING = set(
    python(
        "import sys; before = set(sys.modules); import typing, types, importlib; "
        "print(*sorted(set(sys.modules) - before))"
    ).split()
)


def test_options_need_no_numpy():
    program = (
        "import sys, graphfix; graphfix.ConvertOptions(freeze='none'); "
        "print('numpy' in sys.modules)"
    )
    assert python(program) == "False\n"


def test_the_package_is_typed():
    assert os.path.exists(os.path.join(os.path.dirname(SOURCE), "py.typed"))
    assert typing.get_type_hints(graphfix.ConvertOptions)["seed"] is int


def test_errors_are_spelled_in_python(tmp_path):
    with pytest.raises(graphfix.SourceError) as caught:
        graphfix.open_model(tmp_path / "nothing")
    assert caught.value.problems[0].subject.endswith("nothing")
    with pytest.raises(graphfix.RequestError, match="model_dir=: is given beside <Memory"):
        graphfix.convert("nothing", graphfix.Memory(), model_dir="x")


@pytest.mark.parametrize("value", [3, b"x", ["a"], object()])
@pytest.mark.parametrize(
    "name, call",
    [
        ("source", lambda value: graphfix.open_model(value)),
        ("source", lambda value: graphfix.inspect(value)),
        ("source", lambda value: graphfix.thaw(value, graphfix.Memory())),
        ("directory", lambda value: graphfix.verify(value)),
        ("one", lambda value: graphfix.diff(value, "x")),
        ("config", lambda value: graphfix.diagnose(value)),
        ("recipe", lambda value: graphfix.convert_batch(value, "x")),
        ("text", lambda value: graphfix.explain(value)),
        ("plan", lambda value: graphfix.convert("x", graphfix.Memory(), plan=value)),
        ("options", lambda value: graphfix.convert("x", graphfix.Memory(), value)),
        ("output_directory", lambda value: graphfix.convert("x", value)),
    ],
)
def test_what_is_of_another_type_is_refused_by_name(name, call, value):
    with pytest.raises(graphfix.RequestError, match=f"^{name}=: is "):
        call(value)


def test_sample_is_a_number_from_zero_on():
    with pytest.raises(graphfix.RequestError, match="sample=: is -1"):
        graphfix.diagnose("x", sample=-1)


def test_results_have_a_short_repr():
    model = graphfix.open_model(repository.DETECTOR)
    options = graphfix.ConvertOptions(num_classes=1, target_api="2019-07")
    memory = graphfix.Memory()
    report = graphfix.convert(model, memory, options)
    for value in (model, report.plan, report, memory):
        assert len(repr(value)) < 300
