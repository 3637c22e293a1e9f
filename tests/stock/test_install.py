"""`pip install` of the source distribution, on the oldest Pythons and the newest.

In tests/stock because it takes a minute, not because it needs TensorFlow: that it needs none is
what it shows.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest
import repository
import thorough

TOP = repository.TOP
ELSEWHERE = shutil.ignore_patterns(".git", "__pycache__", ".*_cache", "build", "dist", "*.egg-info")
# What README tells to do with a source distribution takes these.
NEEDED = ("LICENSE", "Makefile", "Dockerfile", "tests/environments/needs.txt", "docs/batch.md")
# The other CPythons, each with the pip that it brings.
OTHERS = ["3.7", "3.8", "3.9", "3.10", "3.11", "3.12"]
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
    copy = tmp_path_factory.mktemp("source") / "copy"
    shutil.copytree(TOP, str(copy), ignore=ELSEWHERE)
    run(sys.executable, "setup.py", "--quiet", "sdist", cwd=copy)
    (made,) = (copy / "dist").iterdir()
    return made, files_under(copy / "graphfix")


@pytest.mark.parametrize("series", thorough.cases(["3.6", "newest"], OTHERS))
def test_the_command_works_without_tensorflow(series, bare_python, sdist, tmp_path):
    archive, files = sdist
    run(bare_python(series), "-m", "venv", "env", cwd=tmp_path)
    binaries = tmp_path / "env" / "bin"
    pip = (binaries / "python", "-m", "pip", "install", "--quiet")
    # On no CPython does it take a compiler.
    run(*pip, "--only-binary", "crc32c,numpy,protobuf,markupsafe", archive, cwd=tmp_path)

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
    assert os.path.exists(str(tmp_path / "env" / "share" / "doc" / "graphfix" / "batch.md"))


def test_the_archive_has_the_licence_and_makes_tensorflow_an_extra(sdist, tmp_path):
    shutil.unpack_archive(str(sdist[0]), str(tmp_path))
    (top,) = tmp_path.iterdir()
    assert [name for name in NEEDED if not (top / name).exists()] == []
    assert (top / "testdata" / "shapes_detector" / "pipeline.config").exists()
    (path,) = tmp_path.glob("*/graphfix.egg-info/requires.txt")
    section, wanting = "", []
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif line.startswith("tensorflow"):
            wanting.append((section, line))
    assert [line for _, line in wanting] == ["tensorflow==1.15.*"]
    assert wanting[0][0].startswith("[tf")


def recipe(series):
    """The commands of docs/install.md for a CPython, in a virtual environment that is there."""
    with open(os.path.join(TOP, "docs", "install.md"), encoding="utf-8") as file:
        (found,) = re.findall(rf"^## CPython {series}\n(.*?)^## ", file.read(), re.M | re.S)
    _, commands = re.findall(r"```\n(.*?)```", found, re.S)
    return commands.splitlines()


@thorough.only
@pytest.mark.parametrize("series", ["3.6", "3.7"])
def test_the_recipes_of_the_document(series, bare_python, sdist, tmp_path):
    """Each command as it stands there, `pip install .` in a source distribution."""
    shutil.unpack_archive(str(sdist[0]), str(tmp_path))
    (top,) = tmp_path.iterdir()
    run(bare_python(series), "-m", "venv", "env", cwd=tmp_path)
    commands = recipe(series)
    assert commands[-1] == "graphfix doctor --environment"
    shell = f"set -e; PATH={tmp_path}/env/bin:$PATH; "
    said = run("sh", "-c", shell + "\n".join(commands), cwd=top)
    assert "This Python can train with the stock API." in said
    converted = "graphfix convert testdata/shapes_detector --num_classes 3 --output_directory out"
    said = run("sh", "-c", f"{shell}{converted}; graphfix verify out --stock", cwd=top)
    assert said.count("restored 199 of 199") == 2


@thorough.only
def test_tensorflow_may_be_installed_after_graphfix(bare_python, sdist, tmp_path):
    run(bare_python("3.7"), "-m", "venv", "env", cwd=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", sdist[0], cwd=tmp_path)
    run(python, "-m", "pip", "install", "--quiet", "tensorflow==1.15.5", cwd=tmp_path)
    said = run(python, "-c", "import tensorflow as tf; print(tf.__version__)", cwd=tmp_path)
    assert said.endswith("1.15.5\n")


@thorough.only
def test_an_old_pip_gets_a_clear_word_about_tensorflow(bare_python, sdist, tmp_path):
    shutil.unpack_archive(str(sdist[0]), str(tmp_path))
    (top,) = tmp_path.iterdir()
    run(bare_python("3.6"), "-m", "venv", "env", cwd=tmp_path)
    with pytest.raises(AssertionError, match="older than 19 and does not see"):
        run(tmp_path / "env" / "bin" / "python", "-m", "pip", "install", ".[tf]", cwd=top)
