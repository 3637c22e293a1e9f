"""The order the package is built in: a module imports only from floors below its own.

Also here: TensorFlow is stock/'s alone, the command line starts without it, no module is so long
that it should be two, and the tests of a module are where its name says.
"""

import ast
import os
import subprocess
import sys

import pytest
import repository

TOP = repository.TOP
PACKAGE = os.path.join(TOP, "graphfix")
MAX_LINES = 350
MAX_TEST_LINES = 400
# Folders of tests/ that no folder of the package corresponds to.
TEST_FOLDERS = {
    "": "what is true of the repository, not of one package",
    "benchmarks": "tests of benchmarks/",
    "fuzz": "any bytes at all, through every reader",
    "stock": "the stock API judges whole conversions; runs in its Python",
}

# The package itself: what `import graphfix` has.
PUBLIC = "graphfix"

# From the ground up.  A unit is a module or a package of graphfix; units of one row do not import
# each other, modules of one package may.
FLOORS = (
    # 0: vocabulary
    ("choices", "places"),
    ("fronts",),
    ("errors", "findings"),
    ("values",),
    ("options",),
    # 1: this process; bytes and records, which know no detector
    ("process",),
    ("formats",),
    # 2: meaning
    ("pipeline_config",),
    ("detectors",),
    ("graph_import",),
    ("modeldir",),
    # 3: what the stock API does with it
    ("restore", "datasets"),
    ("stock_api",),
    # 4: decisions, and carrying them out on tensors and graphs
    ("planning", "anchor_fitting"),
    ("graph_rewrite",),
    # 5: views and judges
    ("report", "comparison", "doctor"),
    ("record_sheets", "verification"),
    ("torch",),
    # 6: whole jobs
    ("conversion",),
    ("exporting",),
    ("batch",),
    # 7: the public face: the functions, and the package that has them all
    ("api",),
    (PUBLIC,),
    # 8: the command line
    ("cli",),
    ("__main__",),
)
# The modules of torch/ that write a detector, and need no PyTorch.
TORCH_FREE = {"torch", "names", "layout", "refusals", "files", "writing"}
FLOOR = {unit: number for number, units in enumerate(FLOORS) for unit in units}
# The modules of stock/ that the rest may import; the others run in the stock API's own Python.
STOCK_FACE = {"agreement", "api_revision", "runner", "target_api"}


def modules():
    """(dotted name, path) of every module of the package."""
    for folder, _, files in os.walk(PACKAGE):
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                parts = os.path.relpath(path, TOP)[: -len(".py")].split(os.sep)
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def imports(path):
    """Dotted names of all that a file imports, wherever in it; `from a import b` is a.b."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def unit(name):
    """The unit of a dotted name of the package: its second part, or the package itself."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else PUBLIC


def test_every_unit_has_its_floor():
    units = {unit(name) for name in MODULES}
    assert units == set(FLOOR), "place it in FLOORS, or remove what is gone"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_come_from_below(name):
    for imported in imports(MODULES[name]):
        if imported.split(".")[0] != "graphfix" or imported == "graphfix.__version__":
            continue
        if unit(imported) != unit(name):
            for one in (name, imported):
                assert unit(one) in FLOOR, f"{one} has no place in FLOORS"
            assert FLOOR[unit(imported)] < FLOOR[unit(name)], f"{name} imports {imported}"
            if unit(imported) == "stock_api":
                assert imported.split(".")[2] in STOCK_FACE, f"{name} imports {imported}"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_tensorflow_is_for_stock(name):
    if unit(name + ".") == "stock_api":
        return
    for imported in imports(MODULES[name]):
        assert imported.split(".")[0] not in ("tensorflow", "tf_slim", "object_detection", "slim")


def needs_torch(name):
    return unit(name + ".") == "torch" and name.split(".")[-1] not in TORCH_FREE


@pytest.mark.parametrize("name", sorted(MODULES))
def test_pytorch_is_for_its_package(name):
    if needs_torch(name):
        return
    for imported in imports(MODULES[name]):
        assert imported.split(".")[0] not in ("torch", "torchvision", "safetensors")


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_is_too_long(name):
    with open(MODULES[name], encoding="utf-8") as file:
        assert sum(1 for _ in file) <= MAX_LINES


def found_tests():
    """(folder in tests/, name) of every test module."""
    for folder, _, files in os.walk(repository.TESTS):
        for name in files:
            if name.startswith("test_") and name.endswith(".py"):
                yield os.path.relpath(folder, repository.TESTS), name[: -len(".py")]


TEST_MODULES = sorted((folder.strip("."), name) for folder, name in found_tests())


def test_tests_stand_where_what_they_test_does():
    """Those of graphfix/a/b.py in tests/a/, as test_b.py or test_b_SOMETHING.py."""
    astray = []
    for folder, name in TEST_MODULES:
        if folder in TEST_FOLDERS:
            continue
        package = folder.replace(os.sep, ".")
        modules = [
            one.split(".")[-1] for one in MODULES if one.rpartition(".")[0] == f"graphfix.{package}"
        ]
        if not any(f"{name}_".startswith(f"test_{module}_") for module in modules):
            astray.append(os.path.join(folder, name))
    assert not astray


def test_test_modules_have_names_of_their_own():
    """No folder of tests is a package, so that pytest imports them all under their bare names."""
    names = [name for folder, name in TEST_MODULES if folder != "stock"]
    assert sorted(set(names)) == sorted(names)


def test_what_tests_share_has_names_of_its_own():
    """What lies in tests/stock would hide what the tests there import from above."""
    above, stock = (
        {name for name in os.listdir(where) if name.endswith(".py")}
        for where in (repository.TESTS, os.path.join(repository.TESTS, "stock"))
    )
    assert above & stock == {"conftest.py"}


def test_no_test_module_is_too_long():
    long = {}
    for folder, name in TEST_MODULES:
        with open(os.path.join(repository.TESTS, folder, name + ".py"), encoding="utf-8") as file:
            count = sum(1 for _ in file)
        if count > MAX_TEST_LINES:
            long[name] = count
    assert not long


def test_the_checks_see_what_they_look_for(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "import a.b\nfrom c.d import e, f as g\ndef h():\n    if 1:\n        import i\n"
    )
    assert list(imports(str(path))) == ["a.b", "c.d.e", "c.d.f", "i"]


@pytest.fixture
def without_tensorflow(tmp_path):
    """Runs Python where importing TensorFlow or the stock API ends the process with code 97."""
    for name in ("tensorflow", "object_detection", "torch"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("import os\nos._exit(97)\n")

    def run(*arguments):
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(tmp_path), TOP]))
        done = subprocess.run(
            [sys.executable] + list(arguments),
            stdout=subprocess.PIPE,
            env=environment,
            universal_newlines=True,
        )
        return done.returncode, done.stdout

    return run


def test_the_trap_works(without_tensorflow):
    assert without_tensorflow("-c", "import tensorflow")[0] == 97
    assert without_tensorflow("-c", "from object_detection import x")[0] == 97


def test_importing_needs_no_tensorflow(without_tensorflow):
    names = [
        name
        for name in sorted(MODULES)
        if name != "graphfix.__main__"
        and not needs_torch(name)
        and (unit(name + ".") != "stock_api" or name.split(".")[-1] in STOCK_FACE | {"stock_api"})
    ]
    assert "graphfix.cli.command_line" in names and "graphfix.stock_api.runner" in names
    program = "\n".join("import " + name for name in names) + "\nprint('done')"
    assert without_tensorflow("-c", program) == (0, "done\n")


def test_the_command_line_needs_no_tensorflow(without_tensorflow, model):
    code, out = without_tensorflow("-m", "graphfix", "--help")
    assert code == 0 and "inspect" in out
    code, out = without_tensorflow("-m", "graphfix", "inspect", str(model))
    assert code == 0 and "classes" in out
