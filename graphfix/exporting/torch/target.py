"""torch: weights and settings of the same detector as a torch.nn.Module (graphfix/torch)."""

from typing import TYPE_CHECKING, Any, Dict, Iterable

from graphfix.detectors.layer_variables import Unknown
from graphfix.errors import Problem
from graphfix.exporting.detector import Detector, Written
from graphfix.exporting.targets import Trial
from graphfix.findings import count
from graphfix.modeldir.names import CONFIG
from graphfix.torch import refusals
from graphfix.torch.files import Settings
from graphfix.torch.layout import layers_of

if TYPE_CHECKING:
    from graphfix.verification.stock_trial import StockTrial


def problems(detector: Detector) -> Iterable[Problem]:
    """What the detector has that graphfix/torch does not build."""
    message = detector.config.message
    found = list(refusals.problems(message, detector.model.family))
    if not found:
        try:
            layers_of(message, CONFIG)
        except Unknown as error:
            found.append(refusals.not_built("model", str(error)))
    return found


def write(detector: Detector, directory: str) -> Written:
    from graphfix.torch import writing  # which asking for problems does without

    names = {one.id: one.name for one in detector.classes if one.name}
    settings = Settings(detector.config.message, names)
    tensors = writing.write(
        directory, settings, detector.variables, detector.model.family, detector.path
    )
    return Written(
        f"{count(len(tensors), 'tensor')} for PyTorch",
        next_steps=(
            f'detector = graphfix.torch.load("{detector.place}")  # needs graphfix[torch]',
        ),
        names=tensors,
    )


def tried(directory: str, exported: Dict[str, Any], trial: Trial) -> "StockTrial":
    """See trial.py."""
    from graphfix.exporting.torch.trial import tried as work  # which exporting does without

    return work(directory, exported, trial)
