"""Scripts that people and the Makefile run, from whatever directory."""

import glob
import os
import subprocess
import sys

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import repository
import thorough


def scripts():
    """The scripts that tell how they are used."""
    for directory in (os.path.join(repository.TESTS, "stock"), repository.BENCHMARKS):
        for path in sorted(glob.glob(os.path.join(directory, "*.py"))):
            if os.path.basename(path).startswith("test_"):
                continue
            with open(path, encoding="utf-8") as file:
                text = file.read()
            if "ArgumentParser(" in text and "__main__" in text:
                yield os.path.relpath(path, repository.TOP)


FEW = ("tests/stock/matrix.py", "tests/stock/config_sweep.py")


@pytest.mark.parametrize("script", thorough.cases(FEW, sorted(set(scripts()) - set(FEW))))
def test_it_says_how_it_is_used(script, tmp_path):
    assert script in set(scripts())
    environment = {name: one for name, one in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, os.path.join(repository.TOP, script), "-h"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        cwd=str(tmp_path),
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert "usage: " + os.path.basename(script) in done.stdout
