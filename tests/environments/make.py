#!/usr/bin/env python3
"""Builds the pinned virtual environments that graphfix is tested in, and reuses them.

    make.py NAME...          builds what is missing; prints the path of each one's python
    make.py --there NAME     prints the path of one that is built, or exits with status 3
    make.py --python 3.8     prints the path of a CPython 3.8 that can make environments, or exits
                             with status 3; `--python newest` takes the newest there is

Status 3 also is that of an environment that cannot be had on this machine (NOT_EVERYWHERE).

ENVIRONMENTS below lists the names.  The files beside this one pin every package, so pip never
resolves anything (--no-deps): the stock API's distributions ask for packages that would replace
TensorFlow.  graphfix itself is not installed; the tests import it from the checkout.

Environments live outside the checkout, in $GRAPHFIX_ENVIRONMENTS or else in
${XDG_CACHE_HOME:-~/.cache}/graphfix/environments, as NAME-DIGEST: the digest is over the pins and
the series of CPython, so a changed pin makes a new one.  `complete` in an environment is written
last; without it the environment is a ruin of an interrupted build, and is built anew.

A Python is looked for on PATH and among pyenv's; where there is none, uv fetches one.

Standard library only; runs on CPython 3.6 and newer.  stdout has the paths, stderr the rest.
"""

import contextlib
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
NEWEST = ("3.14", "3.13", "3.12", "3.11", "3.10", "3.9")

# Name: (series of CPython, the best first; files of pins).  A file called api-* is installed one
# line after the other, since a later distribution overwrites files of an earlier one; any other
# in one go.
STOCK = ("pip-3.7.txt", "stock.txt", "needs.txt")
ENVIRONMENTS = {
    "fast": (NEWEST, ("fast.txt",)),
    "lint": (NEWEST[:-1], ("lint.txt",)),  # mypy needs 3.10
    "stock-2019-04": (("3.7",), STOCK + ("api-2019-04.txt",)),
    "stock-2019-07": (("3.7",), STOCK + ("api-2019-07.txt",)),
    "stock-2021": (("3.7",), STOCK + ("api-2021.txt",)),
    "tf2": (("3.10",), ("tf2.txt", "api-tf2.txt")),
    "onnx": (("3.10",), ("onnx.txt",)),
    "litert": (("3.13", "3.12"), ("litert.txt",)),
    "tflite-support": (("3.10",), ("tflite-support.txt",)),
    "openvino": (("3.11",), ("openvino.txt",)),
    "openvino-2024": (("3.11",), ("openvino-2024.txt",)),
    "opencv-4": (NEWEST[:-2], ("opencv-4.txt",)),  # NumPy needs 3.11
    "opencv-5": (NEWEST[:-2], ("opencv-5.txt",)),
    "beam": (("3.13",), ("beam.txt",)),  # Apache Beam, and with it the newest Pillow
    "docker": (("3.6",), ("pip-3.6.txt", "image.txt")),
    "torch": (("3.11",), ("torch.txt",)),
    "torchvision": (("3.11",), ("torchvision.txt",)),  # 5.5 GB
    "docs": (NEWEST[:-2], ("docs.txt",)),  # as the pins were tried
}
# The first that come with the API of 2019-01; the API of 2019-04 asks for what they lack.
for _version, _api in (
    ("1.4", "2019-01"),
    ("1.8", "2019-01"),
    ("1.10", "2019-01"),
    ("1.12", "2019-01"),
    ("1.13", "2019-04"),
    ("1.14", "2019-04"),
):
    ENVIRONMENTS["tensorflow-" + _version] = (
        ("3.6",),
        ("pip-3.6.txt", "old.txt", f"tensorflow-{_version}.txt", f"api-{_api}.txt"),
    )
# Those of which a package is not to be had everywhere: status 3, as where a Python is not.
NOT_EVERYWHERE = ("torch", "torchvision")
MISSING = "No matching distribution found"

# The last releases of uv know no CPython 3.7; this one knows 3.7 to 3.13 (and no 3.6).
UV = "0.6.17"
UV_NEWEST = "3.13"

PROBE = "import platform, ssl; print(platform.python_implementation(), platform.python_version())"


class Failure(Exception):
    """What went wrong, in words for the person who ran this; `status` is the exit status."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


def main(arguments):
    try:
        if len(arguments) == 2 and arguments[0] == "--python":
            series = NEWEST if arguments[1] == "newest" else (arguments[1],)
            found = next((path for one in series for path in pythons(one)), None)
            print(
                found
                or fail(f"no CPython {arguments[1]} with ssl and pip is on PATH or under pyenv", 3)
            )
        elif len(arguments) == 2 and arguments[0] == "--there" and arguments[1] in ENVIRONMENTS:
            print(built(arguments[1]) or fail(f"{arguments[1]} is not built", 3))
        elif arguments and all(name in ENVIRONMENTS for name in arguments):
            for name in arguments:
                print(environment(name), flush=True)
        else:
            fail(
                "usage: make.py NAME... | --there NAME | --python SERIES\nnames: "
                + " ".join(ENVIRONMENTS),
                2,
            )
    except Failure as failure:
        print(f"make.py: {failure}", file=sys.stderr)
        return failure.status
    return 0


def fail(message, status=1):
    raise Failure(message, status)


def say(message):
    print(message, file=sys.stderr, flush=True)


def root():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.abspath(
        os.environ.get("GRAPHFIX_ENVIRONMENTS") or os.path.join(cache, "graphfix", "environments")
    )


def environment(name):
    """The python of environment `name`, built if it is not there."""
    every_series, files = ENVIRONMENTS[name]
    for series in every_series:
        place = f"{os.path.join(root(), name)}-{digest(series, files)}"
        if complete(place):
            say(f"{name}: reused")
            return python_in(place)
        found = next(pythons(series), None)
        if found:
            return build(name, place, found, files)
    series = every_series[0] if len(every_series) == 1 else UV_NEWEST
    place = f"{os.path.join(root(), name)}-{digest(series, files)}"
    return build(name, place, fetch(series), files)


def built(name):
    """The python of environment `name` where that is built, else None."""
    every_series, files = ENVIRONMENTS[name]
    places = [f"{os.path.join(root(), name)}-{digest(one, files)}" for one in every_series]
    return next((python_in(place) for place in places if complete(place)), None)


def digest(series, files):
    """Changes with anything that an environment is made from."""
    state = hashlib.sha256(repr((series, files)).encode())
    for name in files:
        with open(os.path.join(HERE, name), "rb") as file:
            state.update(file.read())
    return state.hexdigest()[:12]


def python_in(place):
    return os.path.join(place, "bin", "python")


def complete(place):
    """Whether the environment is whole, and the Python it stands on still there."""
    return os.path.exists(os.path.join(place, "complete")) and os.path.exists(python_in(place))


def build(name, place, python, files):
    """Makes the environment, unless another process has just done so; gives its python."""
    os.makedirs(root(), exist_ok=True)
    with locked(place + ".lock"):
        if complete(place):
            say(f"{name}: reused")
            return python_in(place)
        shutil.rmtree(place, ignore_errors=True)
        started = time.time()
        run([python, "-m", "venv", place], f"{name}: {python} could not make it")
        for file in files:
            install(name, python_in(place), os.path.join(HERE, file))
        with open(os.path.join(place, "complete"), "w") as marker:
            marker.write(python + "\n")
        say(f"{name}: built in {time.time() - started:.0f} s ({python})")
        return python_in(place)


def install(name, python, path):
    if os.path.basename(path).startswith("api-"):
        with open(path) as file:
            steps = [[line.strip()] for line in file]
    else:
        steps = [["-r", path]]
    for step in steps:
        try:
            run(
                [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
                + step,
                f"{name}: pip could not install {step[-1]}",
            )
        except Failure as failure:
            if name in NOT_EVERYWHERE and MISSING in str(failure):
                fail(str(failure), 3)
            raise


@contextlib.contextmanager
def locked(path):
    """Holds a lock that the system releases when this process ends, however it ends."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(command, complaint):
    """Output of a command; if it fails, its last lines are part of the complaint."""
    # Settings that would make a Python or a pip look or write elsewhere.
    elsewhere = (
        "PYTHONHOME",
        "PYTHONPATH",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_USER",
        "__PYVENV_LAUNCHER__",
    )
    settings = {key: value for key, value in os.environ.items() if key not in elsewhere}
    settings.update(
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_INPUT="1",
        UV_PYTHON_INSTALL_DIR=os.path.join(root(), "pythons"),
    )
    try:
        done = subprocess.run(
            command,
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, status = done.stdout.decode("utf-8", "replace").strip(), done.returncode
    except OSError as error:
        output, status = str(error), -1
    if status:
        fail("\n  ".join([complaint + ":"] + output.splitlines()[-15:]))
    return output


def pythons(series):
    """Paths of CPythons of a series such as "3.7" that have just made an environment, with pip.

    A name on PATH proves nothing: it may be pyenv's shim of a version that is not switched on, or
    a build without ssl, or Debian's Python without the package python3-venv.
    """
    pyenv = os.environ.get("PYENV_ROOT") or os.path.join(os.path.expanduser("~"), ".pyenv")
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    candidates = [os.path.join(folder, "python" + series) for folder in folders if folder]
    candidates += sorted(
        glob.glob(os.path.join(pyenv, "versions", series + ".*", "bin", "python" + series)),
        reverse=True,
    )
    candidates.append(sys.executable)
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and suits(candidate, series):
            yield candidate


def suits(python, series):
    trial = tempfile.mkdtemp(prefix="graphfix-python-")
    try:
        kind, version = run([python, "-c", PROBE], "").splitlines()[-1].split()
        if kind != "CPython" or not version.startswith(series + "."):
            return False
        run([python, "-m", "venv", trial], "")
        run([python_in(trial), "-m", "pip", "--version"], "")
        return True
    except Failure:
        return False
    finally:
        shutil.rmtree(trial)


def fetch(series):
    """Path of a CPython that uv has downloaded."""
    say(f"no CPython {series} here: fetching one with uv")
    try:
        uv = fixed_uv()
        run(uv + ["python", "install", series], "uv could not fetch one")
        return run(
            uv + ["python", "find", "--python-preference", "only-managed", series],
            "uv did not fetch one",
        ).splitlines()[-1]
    except Failure as failure:
        fail(
            (
                f"no CPython {series} with ssl and pip is on PATH or under pyenv, and {failure}\n"
                f"Install one, for example with `pyenv install {series}`, or put a python{series} "
                "on PATH whose\n"
                "`-m venv` works (on Debian and Ubuntu that needs the package "
                f"python{series}-venv)."
            ),
            3,
        )


def fixed_uv():
    """The command that is uv in the one version that is wanted, for this script only."""
    if shutil.which("uv"):
        return ["uv", "tool", "run", "uv@" + UV]
    place = os.path.join(root(), "uv-" + UV)
    uv = os.path.join(place, "bin", "uv")
    if not os.path.exists(uv):
        run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", place, "uv==" + UV],
            "pip could not install uv, which would fetch one",
        )
    return [uv]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
