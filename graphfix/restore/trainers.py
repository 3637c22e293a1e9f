"""What the stock trainers of a date restore from `fine_tune_checkpoint`, as data.

Measured and read in the stock code of each period.  All trainers restore by variable name.

* The slim-based trainer, `train.py` and from 2018-07-12 `legacy/train.py`, restores only the
  feature extractor before 2018-03-09, whatever the config has: in 2017-06 by a Saver that stops at
  a missing name or another shape, later leaving out what is missing, and from 2018-02-09 also
  what has another shape.  From 2018-03-09 on it restores every variable if
  `load_all_detection_checkpoint_vars` is set, until 2018-05 the global step too, and also those of
  a quantized graph.
* The trainer based on Estimators is `model.py` from 2018-02-09 on, and `model_main.py` from
  2018-04-16.  It restores every variable of the model if the flag is set, but never those that
  quantization adds, which come into the graph after the map is made.  From 2020-07-08 on
  model_main gives its model no hparams, so `load_pretrained` is false and `fine_tune_checkpoint` is
  ignored, without a message.

Some revisions of model_main build the model twice in one graph, for the input and for training, so
that Keras calls what is trained NAME_1 (not in 2019-04, but in 2019-07).

`--trainer` calls them "legacy" and "model_main".
"""

from typing import NamedTuple, Optional, Tuple

from graphfix.options import Trainer

LEGACY = Trainer.LEGACY
MODEL_MAIN = Trainer.MODEL_MAIN

EVERYTHING = "everything"
BACKBONE = "backbone"
NOTHING = "nothing"


class Period(NamedTuple):
    """Each trainer's script from a month on, and what it restores at most; None where there is no
    such trainer."""

    since: str
    legacy_script: str
    legacy: str
    model_main_script: Optional[str]
    model_main: Optional[str]


PERIODS = (
    Period("2017-06", "train.py", BACKBONE, None, None),
    Period("2018-02", "train.py", BACKBONE, "model.py", EVERYTHING),
    Period("2018-03", "train.py", EVERYTHING, "model.py", EVERYTHING),
    Period("2018-04", "train.py", EVERYTHING, "model_main.py", EVERYTHING),
    Period("2018-07", "legacy/train.py", EVERYTHING, "model_main.py", EVERYTHING),
    Period("2020-07", "legacy/train.py", EVERYTHING, "model_main.py", NOTHING),
)

DEFAULT_API = "2019-07"


def period(revision: str) -> Period:
    """The period of a month, YYYY-MM."""
    return [row for row in PERIODS if row.since <= revision][-1]


def restored(revision: str, trainer: str) -> Tuple[Tuple[str, str], ...]:
    """(trainer, what it restores at most) for a `--trainer`: "any" gives a row for each trainer of
    that month; a trainer that the month lacks gives none."""
    row = period(revision)
    rows = ((MODEL_MAIN, row.model_main), (LEGACY, row.legacy))
    return tuple((name, what) for name, what in rows if what and trainer in (Trainer.ANY, name))


def renames_keras(revision: str, trainer: str) -> Optional[bool]:
    """Whether a trainer looks for Keras variables under their second names; None where that is not
    known."""
    if trainer == LEGACY or revision < "2019-05":
        return False
    return True if revision == "2019-07" else None


def script(revision: str, trainer: str) -> Optional[str]:
    """The path of a trainer's script in object_detection, None where there is no such trainer."""
    row = period(revision)
    return row.legacy_script if trainer == LEGACY else row.model_main_script


def first_month(trainer: str) -> str:
    """The first month that has a trainer."""
    return next(row.since for row in PERIODS if script(row.since, trainer))
