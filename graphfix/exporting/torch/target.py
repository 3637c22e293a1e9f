"""torch: weights and settings of the same detector as a torch.nn.Module (graphfix/torch)."""

from typing import TYPE_CHECKING, Any, Dict

from graphfix.detectors.layer_variables import Unknown
from graphfix.errors import RequestError
from graphfix.exporting.detector import Detector, Written
from graphfix.exporting.targets import Trial
from graphfix.findings import count
from graphfix.torch import writing
from graphfix.torch.files import Settings
from graphfix.torch.refusals import not_built

if TYPE_CHECKING:
    from graphfix.verification.stock_trial import StockTrial


def write(detector: Detector, directory: str) -> Written:
    """Writes weights and settings.

    Raises:
      RequestError: the layers of the model are not known for certain.
      SourceError: a variable is of another shape or type than the config's model has.
    """
    names = {one.id: one.name for one in detector.classes if one.name}
    settings = Settings(detector.config.message, names)
    try:
        tensors = writing.write(
            directory, settings, detector.variables, detector.model.family, detector.path
        )
    except Unknown as error:
        raise RequestError.collected([not_built("model", str(error))]) from None
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
