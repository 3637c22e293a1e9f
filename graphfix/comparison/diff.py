"""diff: the differences between two models, or between two files of models."""

from graphfix.comparison.differ import compare
from graphfix.comparison.result import Comparison
from graphfix.comparison.snapshots import open_snapshot


def diff(one: str, two: str) -> Comparison:
    """The differences between what two paths name; messages call them A and B.

    Raises:
      SourceError: one is missing or damaged.
      RequestError: they have nothing in common, or leave open which checkpoint is meant.
    """
    return compare(open_snapshot(one), open_snapshot(two))
