"""For which detectors graphfix/torch builds the same model, as far as a config tells."""

from typing import Iterator

from graphfix.errors import Problem
from graphfix.exporting.detector import Detector
from graphfix.torch import refusals


def problems(detector: Detector) -> Iterator[Problem]:
    """What the detector has that graphfix/torch does not build."""
    return refusals.problems(detector.config.message, detector.model.family)
