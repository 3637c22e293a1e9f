"""What PyTorch makes of an export: whether it loads all of it and computes what TensorFlow 1 does.

Each side runs in a process of its own, in its own Python.
"""

import os
import sys
from typing import Any, Dict, List, Tuple

import numpy as np

from graphfix.errors import VerificationError
from graphfix.exporting import raw_outputs
from graphfix.exporting.targets import Trial
from graphfix.findings import count
from graphfix.process.scratch import Scratch
from graphfix.report.report import Outputs, Verification
from graphfix.stock_api import runner
from graphfix.verification.stock_trial import StockTrial

# Run by its path: importing it takes PyTorch.
_SCRIPT = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
    "torch",
    "outputs.py",
)
_SIZE = (240, 320, 3)
_PROPOSALS = "predict/proposal_boxes"


def tried(directory: str, exported: Dict[str, Any], trial: Trial) -> StockTrial:
    """Asks PyTorch and, where there is one, TensorFlow 1.

    Raises:
      GraphfixError: one cannot be asked, or does not run.
    """
    with Scratch() as scratch:
        image, theirs, ours = (
            os.path.join(scratch, name) for name in ("image.npy", "tf1.npz", "torch.npz")
        )
        np.save(image, np.random.RandomState(0).randint(0, 256, _SIZE).astype(np.uint8))
        results: List[Dict[str, Any]] = []
        if trial.tf1_python is not None:
            results.append(
                raw_outputs.of_tensorflow_1(directory, exported, trial, scratch, theirs, image)
            )
        job = {
            "verb": "torch_outputs",
            "directory": os.path.abspath(directory),
            "image": image,
            "output": ours,
            "given": theirs if results else None,
        }
        python = trial.python or sys.executable
        role = runner.Role("PyTorch", "name a Python that has graphfix[torch] with --stock_python")
        (found,) = runner.run_jobs([job], python=python, worker=_SCRIPT, role=role)
        if "error" in found:
            raise VerificationError(
                f"PyTorch under {python}",
                f"{found['error']['type']}: {found['error']['message']:.500}",
                role.remedy,
            )
        version = f"PyTorch {found['versions']['torch']}"
        words = f"{version} loads it: {count(found['loaded'], 'tensor')}"
        outputs: Tuple[Outputs, ...] = ()
        if results:
            outputs = (_compared(version, raw_outputs.loaded(theirs), raw_outputs.loaded(ours)),)
    return StockTrial(
        (Verification(version, "export", words, True, ()),),
        results + [found],
        () if results else (raw_outputs.NOT_COMPARED,),
        outputs,
    )


def _compared(version: str, before: Dict[str, np.ndarray], after: Dict[str, np.ndarray]) -> Outputs:
    """Whatever PyTorch gives is compared; proposals are told, as the second stage is compared on
    TensorFlow's (docs/decisions/031-pytorch.md)."""
    notes: Tuple[str, ...] = ()
    names = [name for name in after if name in before]
    if _PROPOSALS in before:
        names.remove(_PROPOSALS)
        proposed = raw_outputs.Figure(_PROPOSALS, before[_PROPOSALS], after.get(_PROPOSALS))
        if not proposed.equal:
            notes = (
                "other boxes were proposed, by a last digit: the second stage was compared on "
                "TensorFlow's",
            )
    return raw_outputs.compared(version, names, before, after, notes)
