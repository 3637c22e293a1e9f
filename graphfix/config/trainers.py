"""What the stock trainers of a date restore from `fine_tune_checkpoint`, as data.

Measured and read in the stock code of each period.  Both trainers restore by
variable name, the heads only when the config says `load_all_detection_checkpoint_vars`:

* before 2018-02-09 neither knows that flag: only the feature extractor is restored;
* on 2018-02 the legacy trainer ignores it;
* from 2020-07-08 on model_main passes its model no hparams, so `load_pretrained` is false and
  `fine_tune_checkpoint` is ignored in silence; legacy/train.py goes on restoring.
"""

import dataclasses
from typing import Tuple

LEGACY = "legacy"
MODEL_MAIN = "model_main"

EVERYTHING = "everything"
BACKBONE = "backbone"
NOTHING = "nothing"


@dataclasses.dataclass(frozen=True)
class Period:
    """From a month on: what each trainer restores at most, and which flags it knows."""

    since: str
    legacy: str
    model_main: str
    load_all: bool
    checkpoint_type: bool


PERIODS = (
    Period("2017-06", BACKBONE, BACKBONE, False, False),
    Period("2018-02", BACKBONE, EVERYTHING, True, False),
    Period("2018-03", EVERYTHING, EVERYTHING, True, True),
    Period("2020-07", EVERYTHING, NOTHING, True, True),
)

DEFAULT_API = "2019-07"


def period(month: str) -> Period:
    """The period of a month, YYYY-MM."""
    return [row for row in PERIODS if row.since <= month][-1]


def restored(month: str, trainer: str) -> Tuple[Tuple[str, str], ...]:
    """(trainer, what it restores) for a `--trainer`: one row, or two for "any"."""
    row = period(month)
    rows = ((MODEL_MAIN, row.model_main), (LEGACY, row.legacy))
    return tuple(one for one in rows if trainer in ("any", one[0]))
