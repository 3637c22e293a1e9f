"""Where things are in the repository, for tests in whatever folder."""

import os

TESTS = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(TESTS)
TESTDATA = os.path.join(TOP, "testdata")
# The trained detector that the repository carries.
DETECTOR = os.path.join(TESTDATA, "shapes_detector")
# A config for each family that the stock API builds.
FAMILIES = os.path.join(TESTS, "stock", "families")
BENCHMARKS = os.path.join(TOP, "benchmarks")


def environment(**more):
    """The environment of a process that is to import graphfix from here, in one thread: such a one
    may fork."""
    path = os.pathsep.join(filter(None, (TOP, os.environ.get("PYTHONPATH"))))
    return dict(os.environ, PYTHONPATH=path, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", **more)
