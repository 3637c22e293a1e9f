"""What `make test` takes a part of, so that it stays within twenty minutes on two slow cores, and
`make thorough` takes whole: it sets GRAPHFIX_ALL_CONFIGS."""

import os

import pytest

ALL = bool(os.environ.get("GRAPHFIX_ALL_CONFIGS"))
only = pytest.mark.skipif(not ALL, reason="`make thorough` runs it (GRAPHFIX_ALL_CONFIGS=1)")


def cases(few, others):
    """What every run judges, and with GRAPHFIX_ALL_CONFIGS the others, too."""
    return tuple(few) + (tuple(others) if ALL else ())
