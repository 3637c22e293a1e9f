"""The stock API's Python, for what judges the detectors in PyTorch."""

import pytest
from environment_python import python_or_skip


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
