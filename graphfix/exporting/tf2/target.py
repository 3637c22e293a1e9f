"""tf2: an object-based checkpoint and a config for the Object Detection API of TensorFlow 2.

OUT/checkpoint/ckpt-0.*     as the model zoo of TensorFlow 2 has it
OUT/pipeline.config
OUT/label_map.pbtxt
"""

import os
import posixpath
from typing import TYPE_CHECKING, Any, Dict, Tuple

from graphfix.conversion.output import write_file
from graphfix.errors import Problem, RequestError
from graphfix.exporting.detector import Detector, Written
from graphfix.exporting.targets import Trial
from graphfix.exporting.tf2 import exactness, names
from graphfix.exporting.tf2.config import config_edits
from graphfix.exporting.tf2.widening import WIDENED, Widening
from graphfix.findings import INFO, WARNING, Finding, count
from graphfix.formats.checkpoint import objects, writer
from graphfix.modeldir.checkpoint_state import write_state
from graphfix.modeldir.names import CONFIG
from graphfix.pipeline_config.edits import ConfigEdit, apply_edits
from graphfix.report.next_steps import tf2_command

if TYPE_CHECKING:
    from graphfix.verification.stock_trial import StockTrial

DIRECTORY, PREFIX = "checkpoint", "ckpt-0"


def write(detector: Detector, directory: str) -> Written:
    """Writes the checkpoint and the config.

    Raises:
      RequestError: a variable has no place in the model of TensorFlow 2, or a layer no variable.
    """
    paths = _paths(detector)
    wide = _widening(detector)
    tensors = objects.object_based(
        {path: wide.view(detector.variables[name]) for name, path in paths.items()}
    )
    folder = os.path.join(directory, DIRECTORY)
    os.mkdir(folder)
    writer.write_bundle(tensors, os.path.join(folder, PREFIX))
    write_state(folder, PREFIX)
    edits, told = config_edits(
        detector.config.document,
        detector.config.message,
        detector.model.meta,
        detector.model.feature_extractor,
        os.path.join(detector.place, DIRECTORY, PREFIX),
    )
    if wide.needed:
        edits, told = edits + (_multiplied(detector, wide),), (*told, _widened(detector, wide))
    write_file(directory, CONFIG, apply_edits(detector.config.document, edits).encode())
    return Written(
        f"{count(len(paths), 'variable')} in {DIRECTORY}/{PREFIX}",
        told + _left_out(detector),
        (tf2_command(os.path.join(detector.place, CONFIG)),),
        paths,
        {posixpath.join(DIRECTORY, PREFIX): tensors},
    )


def tried(directory: str, exported: Dict[str, Any], trial: Trial) -> "StockTrial":
    """Whether the API of TensorFlow 2 restores it, computes the same, and trains from it."""
    from graphfix.exporting.tf2.trial import tried as work  # which exporting does without

    return work(directory, exported, trial)


def _widening(detector: Detector) -> Widening:
    return Widening(detector.body if detector.model.feature_extractor == WIDENED else None)


def _multiplied(detector: Detector, wide: Widening) -> ConfigEdit:
    return ConfigEdit(
        ("model", detector.model.meta, "feature_extractor", "depth_multiplier"),
        f"{wide.multiplier:g}",
        "TensorFlow 2 applies it twice to the base network",
    )


def _widened(detector: Detector, wide: Widening) -> Finding:
    return Finding(
        "DEPTH_MULTIPLIER",
        INFO,
        "feature_extractor.depth_multiplier",
        f"is {wide.multiplier:g} now, and was "
        f"{detector.body.feature_extractor.depth_multiplier:g}: TensorFlow 2 applies it twice to "
        "the base network and once to other layers; channels that are too many are 0, and stay so",
        "leave it as it is",
    )


def _paths(detector: Detector) -> Dict[str, str]:
    """The place of each variable in the model of TensorFlow 2."""
    network = exactness.EXACT[detector.model.feature_extractor].network
    naming = names.naming(detector.model.meta, network, detector.body)
    named = naming.names(name for name in detector.variables if not names.unused(name))
    report = "report it, please"
    problems = [
        Problem(name, "has no place in the model of TensorFlow 2", report) for name in named.unknown
    ]
    problems += [Problem(one, "has no variable in the checkpoint", report) for one in named.missing]
    if problems:
        raise RequestError.collected(problems)
    return named.paths


def _left_out(detector: Detector) -> Tuple[Finding, ...]:
    """What of the checkpoint is not in the export."""
    told = []
    unused = [name for name in detector.variables if names.unused(name)]
    if unused:
        told.append(
            Finding(
                "UNUSED_LEFT_OUT",
                INFO,
                count(len(unused), "variable"),
                "of the first stage's last block are left out: nothing is computed with them",
                "there is nothing to do",
            )
        )
    if detector.quantization:
        told.append(
            Finding(
                "QUANTIZATION_DROPPED",
                WARNING,
                count(len(detector.quantization), "quantization variable"),
                "are left out: the model computes in full precision, and detects a little "
                "differently",
                "quantize it again where you need it",
            )
        )
    return tuple(told)
