"""`pip install` of the source distribution, on the oldest Pythons and the newest.

In tests/stock because it takes a minute, not because it needs TensorFlow: that it needs none is
what it shows.
"""

import os
import shutil
import subprocess
import sys

import pytest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DETECTOR = os.path.join(TOP, "testdata", "shapes_detector")


def run(*command, cwd):
    """Output of a command that sees nothing of the checkout."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([str(part) for part in command], cwd=str(cwd), env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True)
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


def convert(python, cwd, output):
    """The checkpoint's two files after a conversion with fresh rows, by `python -m graphfix`."""
    run(python, "-m", "graphfix", "convert", DETECTOR, "--num_classes", "3", "--seed", "5",
        "--output_directory", output, cwd=cwd)
    return {name: content for name, content in files_under(output).items()
            if name.startswith("model.ckpt")}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """A source distribution, and the package's files that went into it.

    Made from a copy, so that the checkout stays clean.
    """
    copy = tmp_path_factory.mktemp("copy")
    for name in ("graphfix", "protos"):
        shutil.copytree(os.path.join(TOP, name), str(copy / name),
                        ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "MANIFEST.in", "README.md", "CHANGELOG.md"):
        if os.path.exists(os.path.join(TOP, name)):
            shutil.copy(os.path.join(TOP, name), str(copy / name))
    run(sys.executable, "setup.py", "--quiet", "sdist", cwd=copy)
    made, = (copy / "dist").iterdir()
    return made, files_under(copy / "graphfix")


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """What the checkout, under this Python, converts the detector to."""
    return convert(sys.executable, TOP, tmp_path_factory.mktemp("here") / "out")


@pytest.mark.parametrize("series", ["3.6", "3.7", "3.8", "newest"])
def test_the_command_works_without_tensorflow(series, bare_python, sdist, converted, tmp_path):
    archive, files = sdist
    run(bare_python(series), "-m", "venv", "env", cwd=tmp_path)
    binaries = tmp_path / "env" / "bin"
    run(binaries / "python", "-m", "pip", "install", "--quiet", archive, cwd=tmp_path)

    assert "convert" in run(binaries / "graphfix", "--help", cwd=tmp_path)
    assert "ssd_mobilenet_v1" in run(binaries / "graphfix", "inspect", DETECTOR, cwd=tmp_path)
    assert converted and \
        convert(binaries / "python", tmp_path, tmp_path / "out") == converted

    package, tensorflow = run(
        binaries / "python", "-c", "import graphfix, importlib.util as util; "
        "print(graphfix.__path__[0]); print(util.find_spec('tensorflow'))",
        cwd=tmp_path).split()
    assert tensorflow == "None"
    assert files and files_under(package) == files


def test_tensorflow_is_an_extra_only(sdist, tmp_path):
    shutil.unpack_archive(str(sdist[0]), str(tmp_path))
    path, = tmp_path.glob("*/graphfix.egg-info/requires.txt")
    section, wanting = "", []
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif line.startswith("tensorflow"):
            wanting.append((section, line))
    assert [line for _, line in wanting] == ["tensorflow==1.15.*"]
    assert wanting[0][0].startswith("[tf")
