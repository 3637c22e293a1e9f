"""How much of all cases a run takes.

`make fast` takes a sample, and the rest is marked slow; `make test` takes all that ends within
twenty minutes on two slow cores; `make thorough` takes everything: it sets GRAPHFIX_ALL_CONFIGS.
"""

import os

import pytest

# Of a test with more cases than FEW, `make fast` takes these and then each SAMPLEth.
FEW, SAMPLE = 6, 3
ALL = bool(os.environ.get("GRAPHFIX_ALL_CONFIGS"))
only = pytest.mark.skipif(not ALL, reason="`make thorough` runs it (GRAPHFIX_ALL_CONFIGS=1)")


def cases(few, others):
    """What every run judges, and with GRAPHFIX_ALL_CONFIGS the others, too."""
    return tuple(few) + (tuple(others) if ALL else ())


def rounds(few, many):
    """How long a sweep of `make test` is; `many` with GRAPHFIX_ALL_CONFIGS."""
    return many if ALL else few


def sampled(params, every):
    """Parameters for `pytest.mark.parametrize`: all but the first of each `every` are slow."""
    return [param if number % every == 0 else slow(param) for number, param in enumerate(params)]


def slow(param):
    """A parameter that `make fast` leaves out."""
    if isinstance(param, type(pytest.param())):
        return pytest.param(*param.values, id=param.id, marks=[*param.marks, pytest.mark.slow])
    values = param if isinstance(param, tuple) else (param,)
    return pytest.param(*values, marks=pytest.mark.slow)
