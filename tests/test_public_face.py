"""`import graphfix`: what it has, what it costs, and that nothing else is needed."""

import ast
import enum
import inspect
import os
import pickle
import subprocess
import sys
import typing

import pytest
import repository

import graphfix

FROZEN = os.path.join(repository.DETECTOR, "frozen_inference_graph.pb")
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
    """{public name: module} as the block under TYPE_CHECKING imports them."""
    with open(SOURCE, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    return {alias.asname or alias.name: node.module for node in block.body for alias in node.names}


def test_type_checkers_see_the_same_names():
    assert for_type_checkers() == graphfix._PUBLIC
    assert graphfix.__all__ == sorted(graphfix._PUBLIC)


@pytest.mark.parametrize("name", graphfix.__all__)
def test_every_name_is_there_and_documented(name):
    """Under the name that it has itself, which is what messages call it."""
    value = getattr(graphfix, name)
    assert value.__name__ == name
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


def test_a_batch_starts_its_workers_without_numpy():
    program = (
        "import sys, graphfix.cli.batch, graphfix.batch.batch, graphfix.batch.recipe; "
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


@pytest.mark.slow
def test_results_have_a_short_repr(tmp_path):
    model = graphfix.open_model(repository.DETECTOR)
    options = graphfix.ConvertOptions(num_classes=1, target_api="2019-07")
    memory, out = graphfix.Memory(), str(tmp_path / "out")
    report = graphfix.convert(model, memory, options)
    config = os.path.join(repository.DETECTOR, "pipeline.config")
    golden, anchors = tmp_path / "golden.json", tmp_path / "anchors"
    anchors.write_text("ssd_anchor_generator { num_layers: 6 min_scale: 0.3 max_scale: 0.9 }")
    graphfix.convert(model, out, options)
    values = [
        model,
        model.model,
        model.store,
        model.config,
        report.plan,
        report,
        memory,
        graphfix.Directory("x"),
        graphfix.inspect(model),
        graphfix.verify(out),
        graphfix.update_golden(out, golden),
        graphfix.check(out, golden),
        graphfix.diff(repository.DETECTOR, out),
        graphfix.diagnose(config),
        graphfix.explain("First step cannot be zero."),
        graphfix.thaw(FROZEN, graphfix.Memory()),
        graphfix.Exported("tf2", "x", "SSD", (), 0, (), "done", (), (), {}, {}),
        graphfix.apply_anchors(config, anchors, tmp_path / "new"),
        report.findings[0],
        graphfix.Problem("x", "is wrong", "mend it"),
        graphfix.Environment("python", ()),
        graphfix.StockTrial((), [{}] * 100, ()),
        graphfix.RecordSheets(("out/index.html: 3 pictures",), {}),
    ]
    for value in values:
        assert len(repr(value)) < 300 and "\n" not in repr(value), repr(value)
        assert " object at 0x" not in repr(value)
        names = {name for name in graphfix.__all__ if type(value) is getattr(graphfix, name)}
        assert not names or any(name in repr(value) for name in names), repr(value)
    shown = {type(value) for value in values}
    for name in graphfix.__all__:
        kind = getattr(graphfix, name)
        if inspect.isclass(kind) and not issubclass(kind, (Exception, enum.Enum)):
            assert kind in shown or name == "ConvertOptions", name


def test_errors_can_be_pickled():
    """As multiprocessing does."""
    for kind in (graphfix.RequestError, graphfix.SourceError, graphfix.VerificationError):
        error = pickle.loads(pickle.dumps(kind.collected([graphfix.Problem("a", "b", "c")] * 2)))
        assert type(error) is kind and len(error.problems) == 2 and str(error).count("a: b; c") == 2
