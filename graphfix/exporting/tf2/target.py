"""tf2: an object-based checkpoint and a config for the Object Detection API of TensorFlow 2."""

from typing import Iterable

from graphfix.errors import Problem
from graphfix.exporting.detector import Detector, Written


def problems(detector: Detector) -> Iterable[Problem]:
    """Why the model of TensorFlow 2 would not compute what this one does."""
    yield Problem(
        "model", f"has no counterpart yet: {detector.model.family}", "go on with TensorFlow 1"
    )


def write(detector: Detector, directory: str) -> Written:
    raise NotImplementedError
