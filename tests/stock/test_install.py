"""`pip install` of the source distribution, on the oldest Pythons and the newest.

In tests/stock because it takes a minute, not because it needs TensorFlow: that it needs none is
what it shows.
"""

import os
import shutil
import subprocess
import sys

import pytest
import repository
import thorough

TOP = repository.TOP
PACKAGING = ("setup.py", "pyproject.toml", "MANIFEST.in", "LICENSE")
DETECTOR = os.path.join(TOP, "testdata", "shapes_detector")


def run(*command, cwd):
    """Output of a command that sees nothing of the checkout."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=str(cwd),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def files_under(top):
    """{path relative to `top`: content} of all but bytecode."""
    found = {}
    for folder, folders, names in os.walk(str(top)):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, str(top))] = file.read()
    return found


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """A source distribution, and the package's files that went into it.

    Made from a copy, so that the checkout stays clean.
    """
    copy = tmp_path_factory.mktemp("copy")
    for name in ("graphfix", "protos"):
        shutil.copytree(
            os.path.join(TOP, name), str(copy / name), ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in os.listdir(TOP):
        if name in PACKAGING or name.endswith(".md"):
            shutil.copy(os.path.join(TOP, name), str(copy / name))
    run(sys.executable, "setup.py", "--quiet", "sdist", cwd=copy)
    (made,) = (copy / "dist").iterdir()
    return made, files_under(copy / "graphfix")


@pytest.mark.parametrize("series", thorough.cases(["3.6", "newest"], ["3.7", "3.8"]))
def test_the_command_works_without_tensorflow(series, bare_python, sdist, tmp_path):
    archive, files = sdist
    run(bare_python(series), "-m", "venv", "env", cwd=tmp_path)
    binaries = tmp_path / "env" / "bin"
    run(binaries / "python", "-m", "pip", "install", "--quiet", archive, cwd=tmp_path)

    assert "convert" in run(binaries / "graphfix", "--help", cwd=tmp_path)
    assert "ssd_mobilenet_v1" in run(binaries / "graphfix", "inspect", DETECTOR, cwd=tmp_path)

    package, tensorflow = run(
        binaries / "python",
        "-c",
        "import graphfix, importlib.util as util; "
        "print(graphfix.__path__[0]); print(util.find_spec('tensorflow'))",
        cwd=tmp_path,
    ).split()
    assert tensorflow == "None"
    shown = run(binaries / "python", "-m", "pip", "show", "--files", "graphfix", cwd=tmp_path)
    assert "License: Apache-2.0" in shown and "py.typed" in shown
    assert files and files_under(package) == files


def test_the_archive_has_the_licence_and_makes_tensorflow_an_extra(sdist, tmp_path):
    shutil.unpack_archive(str(sdist[0]), str(tmp_path))
    assert list(tmp_path.glob("*/LICENSE"))
    (path,) = tmp_path.glob("*/graphfix.egg-info/requires.txt")
    section, wanting = "", []
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif line.startswith("tensorflow"):
            wanting.append((section, line))
    assert [line for _, line in wanting] == ["tensorflow==1.15.*"]
    assert wanting[0][0].startswith("[tf")
