"""The end of an export: what the target's own runtime detects, beside the frozen graph."""

import os
import sys
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

from graphfix.detectors.describe import ModelSpec
from graphfix.detectors.families import SSD
from graphfix.errors import VerificationError
from graphfix.exporting import detections, pictures
from graphfix.exporting.targets import TargetRow, Trial
from graphfix.findings import INFO, WARNING, Finding, count

NOT_COMPARED = "NOT_COMPARED"
_TENSORFLOW = "tensorflow"
_INTEGERS = "the model is rounded to integers, and a value between two may become either"
_EDGES = (
    "by a last digit of rounding TensorFlow takes the last row or column of a proposal that ends "
    "at the picture's right or bottom edge for one outside of it, and reads zeros there"
)
_LATER = "graphfix verify OUT --stock --stock_python PYTHON --tf1_python PYTHON compares it"


class Asked(NamedTuple):
    """What export is to compare detections with: the Python that has the runtime, the one that has
    TensorFlow, both this one by default, and pictures; `wanted` is False where nothing is to be."""

    python: Optional[str] = None
    tf1_python: Optional[str] = None
    images: Sequence[str] = ()
    wanted: bool = True


Compared = Tuple[Dict[str, Any], Tuple[Finding, ...]]


def compared(
    row: TargetRow, directory: str, exported: Dict[str, Any], asked: Asked, model: ModelSpec
) -> Compared:
    """What the runtime detects and what the frozen graph does, as export.json has it, and what
    there is to know.  A model that is rounded to integers may differ by a step of theirs, one that
    crops proposals where those end at an edge.

    Raises:
      VerificationError: they do not detect the same.
    """
    if row.runtime is None or not asked.wanted:
        return {}, ()
    pictures.check(asked.images)
    lacking, python, tensorflow = _lacking(row.runtime, asked)
    if lacking:
        finding = Finding(
            NOT_COMPARED,
            INFO,
            row.title,
            f"was not run, and detections not compared: {lacking}",
            _LATER,
        )
        return {}, (finding,)
    tried = row.load().tried(
        directory,
        exported,
        Trial(python, tensorflow, images=[os.path.abspath(one) for one in asked.images]),
    )
    if not tried.outputs:
        finding = Finding(
            NOT_COMPARED,
            WARNING,
            row.title,
            f"was run, but {'; '.join(tried.remarks)}",
            "see that the source detects something, and name pictures in which it does",
        )
        return {}, (finding,)
    (outputs,) = tried.outputs
    scores, edges = (one.difference for one in outputs.figures)
    result = {
        "runtime": outputs.api,
        "pictures": list(asked.images) or "made up",
        "summary": outputs.summary,
        "equal": outputs.equal,
        "scores": scores,
        "edges": edges,
        "tolerance": detections.NEAR,
    }
    if outputs.equal:
        return result, ()
    what = f"detects something else than the frozen graph in {_pictures(asked)}: {outputs.summary}"
    why = _INTEGERS if model.quantized else "" if model.meta == SSD else _EDGES
    if not why:
        raise VerificationError(
            outputs.api,
            what,
            "name other pictures with --images, or report it, please; without a comparison it is "
            "written all the same",
        )
    finding = Finding(
        "DETECTIONS_DIFFER",
        WARNING,
        outputs.api,
        f"{what}; {why}",
        "see with your own pictures whether that matters: --images",
    )
    return result, (finding,)


def _pictures(asked: Asked) -> str:
    return count(len(asked.images), "picture") if asked.images else "made-up pictures"


def _lacking(package: str, asked: Asked) -> Tuple[str, str, str]:
    """What is not installed for a comparison ("" where all is), the Python that has the runtime,
    and the one that has TensorFlow: what was named, or else this one."""
    pythons = list(dict.fromkeys([asked.python or sys.executable, sys.executable]))
    here = {one: detections.installed(one, (package, _TENSORFLOW)) for one in pythons}
    runtime = next((one for one in pythons if here[one][package]), None)
    if runtime is None:
        return f"{' and '.join(pythons)} has no {package} (--runtime_python)", "", ""
    if asked.tf1_python is not None:
        pythons = [asked.tf1_python]
        here = {one: detections.installed(one, (_TENSORFLOW,)) for one in pythons}
    tensorflow = next((one for one in pythons if here[one][_TENSORFLOW]), None)
    if tensorflow is None:
        return f"{' and '.join(pythons)} has no TensorFlow (--tf1_python)", "", ""
    return "", runtime, tensorflow
