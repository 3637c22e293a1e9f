"""The published models that tests may use: indexes and configs, without weights.

They are found in $GRAPHFIX_ZOO_DIR, or else in ../shared/zoo beside the repository.  Where there
are none, the tests that need them are skipped and say so.  Its directory `field` has what users
have instead: files that are damaged, of other versions, or not what their names say.
"""

import glob
import os

import pytest
import repository

_REPOSITORY = repository.TOP
DIRECTORY = os.environ.get("GRAPHFIX_ZOO_DIR") or os.path.join(
    os.path.dirname(_REPOSITORY), "shared", "zoo"
)
_MISSING = "no files of published models: set GRAPHFIX_ZOO_DIR (or have ../shared/zoo)"


def files(*patterns):
    """Parameters for `pytest.mark.parametrize`: the paths of all files that match, sorted."""
    found = sorted({path for pattern in patterns for path in published(pattern)})
    if not found:
        return [pytest.param(None, marks=pytest.mark.skip(reason=_MISSING))]
    return [pytest.param(path, id=os.path.relpath(path, DIRECTORY)) for path in found]


def published(pattern):
    """The paths of all published files that match."""
    return [
        path
        for path in glob.glob(os.path.join(DIRECTORY, pattern), recursive=True)
        if os.path.relpath(path, DIRECTORY).split(os.sep)[0] != "field"
    ]


def model(name):
    """Path of one published model's directory; skips the test that asks where there is none."""
    path = os.path.join(DIRECTORY, name)
    if not os.path.isdir(path):
        pytest.skip(_MISSING)
    return path
