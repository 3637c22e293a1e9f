"""The stock API's Python, for what judges the detectors in PyTorch."""

import functools
import os
import subprocess
import sys

import pytest
import repository


@functools.lru_cache(maxsize=None)
def made(name):
    """The python of an environment; skips where it can't be had here."""
    make = os.path.join(repository.TESTS, "environments", "make.py")
    done = subprocess.run(
        [sys.executable, make, name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="session")
def stock_python():
    """stock_python(era): path of the python that has the stock API of that era."""
    return lambda era: made("stock-" + era)


def pytest_configure(config):
    """One thread: those of several tests at once wait for each other longer than they compute."""
    try:
        import torch.nn
    except ImportError:
        return
    torch.set_num_threads(1)
