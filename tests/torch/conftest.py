"""The stock API's Python, for what judges the detectors in PyTorch."""

import subprocess
import sys

import pytest
import repository


@pytest.fixture(scope="session")
def stock_python():
    """Path of the Python that has the stock API of 2019-07; skips where it can't be had."""
    make = repository.TESTS + "/environments/make.py"
    done = subprocess.run(
        [sys.executable, make, "stock-2019-07"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
