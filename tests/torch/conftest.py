"""The trained detector in PyTorch, and the stock API's Python, for what judges detectors there."""

import pytest
import repository
from environment_python import python_or_skip

import graphfix
import graphfix.torch


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A directory that `export torch` wrote."""
    place = tmp_path_factory.mktemp("torch") / "out"
    graphfix.export("torch", repository.DETECTOR, place)
    return place


@pytest.fixture
def detector(exported):
    return graphfix.torch.load(exported)


@pytest.fixture(scope="session")
def stock_python():
    """stock_python(era): path of the python that has the stock API of that era."""
    return lambda era: python_or_skip("stock-" + era)


def pytest_configure(config):
    """One thread: those of several tests at once wait for each other longer than they compute."""
    try:
        import torch.nn
    except ImportError:
        return
    torch.set_num_threads(1)
