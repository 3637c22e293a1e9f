"""Checks of the directory that a trainer writes to, and resumes from without being asked."""

import os
from typing import Iterator, NamedTuple, Optional

import numpy as np

from graphfix.detectors import families
from graphfix.doctor.checkpoint_fit import fit
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.errors import SourceError
from graphfix.findings import ERROR, WARNING
from graphfix.modeldir.checkpoint_state import read_state
from graphfix.modeldir.names import CHECKPOINT_STATE
from graphfix.restore.training_state import OPTIMIZERS

_EMPTY = (
    "name an empty directory with --model_dir (--train_dir of the legacy trainer), or remove "
    "the old checkpoint"
)


class Latest(NamedTuple):
    """The checkpoint that a directory's state file names as its latest."""

    state: str
    prefix: str


def _state(setup: Setup) -> Optional[str]:
    """The state file's path, None where there is none."""
    state = os.path.join(setup.options.model_dir or "", CHECKPOINT_STATE)
    return state if setup.options.model_dir and os.path.lexists(state) else None


def latest(setup: Setup) -> Optional[Latest]:
    """What the trainer would resume from, None where no state file can be read."""
    state = _state(setup)
    if state is None:
        return None
    try:
        prefix = read_state(state)
    except SourceError:
        return None
    return Latest(state, prefix) if prefix else None


def _step(setup: Setup, prefix: str) -> Optional[int]:
    store = setup.bundle(prefix)[0]
    if store is None or families.GLOBAL_STEP not in store:
        return None
    try:
        return int(np.asarray(store[families.GLOBAL_STEP].load()).reshape(-1)[0])
    except SourceError:
        return None


def _opened(setup: Setup) -> Optional[Latest]:
    found = latest(setup)
    return found if found and setup.bundle(found.prefix)[0] is not None else None


def _lost(setup: Setup) -> Iterator[Symptom]:
    found = latest(setup)
    if not found or setup.bundle(found.prefix)[0] is not None:
        return
    if not os.path.exists(found.prefix + ".index"):
        yield Symptom(
            found.state,
            f"names {found.prefix} as the latest checkpoint, which does not exist",
            f"remove {found.state}, or restore the checkpoint",
        )
        return
    error = setup.bundle(found.prefix)[1]
    for problem in error.problems if error else ():
        yield Symptom(problem.subject, problem.message, problem.remedy)


def _shapes(setup: Setup) -> Iterator[Symptom]:
    found = _opened(setup)
    if not found:
        return
    how = fit(setup, found.prefix)
    if how.other_classes:
        yield Symptom(
            found.prefix,
            "is what the trainer would resume from; its heads are for "
            f"{'/'.join(map(str, how.counts))} classes, the config's for {setup.body.num_classes}",
        )
    elif how.broken:
        yield Symptom(
            found.prefix,
            "is what the trainer would resume from, but of another model: " + how.broken[0][1],
        )


def _incomplete(setup: Setup) -> Iterator[Symptom]:
    found = _opened(setup)
    if not found or list(_shapes(setup)):
        return
    names = setup.metas(found.prefix)
    kind = setup.optimizer[0]
    wanted = [suffix for suffix, _ in OPTIMIZERS[kind].slots] if kind in OPTIMIZERS else []
    if setup.train.optimizer.use_moving_average:
        wanted.append(families.MOVING_AVERAGE)
    lacking = [suffix for suffix in wanted if not any(name.endswith(suffix) for name in names)]
    if families.GLOBAL_STEP not in names:
        lacking.insert(0, families.GLOBAL_STEP)
    if lacking:
        yield Symptom(
            found.prefix,
            "is what the trainer would resume from, but lacks variables that training adds: "
            + ", ".join(one if one == families.GLOBAL_STEP else "..." + one for one in lacking),
        )


def _done(setup: Setup) -> Iterator[Symptom]:
    found = _opened(setup)
    step = _step(setup, found.prefix) if found else None
    if found and step is not None and 0 < setup.train.num_steps <= step:
        yield Symptom(
            found.prefix,
            f"is what the trainer would resume from, at step {step}; num_steps is "
            f"{setup.train.num_steps}, so training ends at once",
        )


def _resumes(setup: Setup) -> Iterator[Symptom]:
    found = _opened(setup)
    if not found or list(_shapes(setup)) or list(_incomplete(setup)) or list(_done(setup)):
        return
    step = _step(setup, found.prefix)
    yield Symptom(
        found.prefix,
        "is what the trainer resumes from%s; it ignores fine_tune_checkpoint"
        % (f", at step {step}" if step else ""),
    )


def _a_file(setup: Setup) -> Iterator[Symptom]:
    directory = setup.options.model_dir
    if directory and os.path.exists(directory) and not os.path.isdir(directory):
        yield Symptom(directory, "is a file, not a directory")


def _damaged(setup: Setup) -> Iterator[Symptom]:
    state = _state(setup)
    if state is None:
        return
    try:
        if read_state(state) is None:
            yield Symptom(state, "names no checkpoint")
    except SourceError as error:
        for problem in error.problems:
            yield Symptom(problem.subject, problem.message)


CHECKS = (
    Check("MODEL_DIR_FILE", ERROR, "model_dir is a file.", "name a directory", _a_file),
    Check(
        "MODEL_DIR_STATE",
        ERROR,
        "TensorFlow can't read the state file `checkpoint` in model_dir: the trainer stops "
        '("Invalid checkpoint state loaded from"), or starts from scratch, whatever '
        "checkpoints are there.",
        'remove the file `checkpoint`, or write model_checkpoint_path: "..." into it',
        _damaged,
    ),
    Check(
        "MODEL_DIR_LOST",
        ERROR,
        "The file `checkpoint` in model_dir names a checkpoint that is missing or damaged: the "
        "trainer stops, or starts from scratch.",
        "remove the file `checkpoint`",
        _lost,
    ),
    Check(
        "MODEL_DIR_SHAPES",
        ERROR,
        "A checkpoint in model_dir takes precedence over fine_tune_checkpoint and is restored "
        'strictly; this one is of another model ("Assign requires shapes of both tensors to '
        'match").',
        _EMPTY,
        _shapes,
    ),
    Check(
        "MODEL_DIR_INCOMPLETE",
        ERROR,
        "A checkpoint in model_dir must have every variable of training; this one has only the "
        'model\'s ("Key ... not found in checkpoint"). Published models belong in '
        "fine_tune_checkpoint.",
        _EMPTY,
        _incomplete,
    ),
    Check(
        "MODEL_DIR_DONE",
        ERROR,
        "The checkpoint in model_dir already has as many steps as the config asks for: training "
        "ends at once, without an error.",
        _EMPTY + ", or raise num_steps",
        _done,
    ),
    Check(
        "MODEL_DIR_RESUMES",
        WARNING,
        "A checkpoint in model_dir takes precedence over fine_tune_checkpoint: training resumes "
        "from it.",
        "right for an interrupted run; for a new one, " + _EMPTY,
        _resumes,
    ),
)
