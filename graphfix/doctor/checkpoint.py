"""Checks of the files that fine_tune_checkpoint names, and of the values in them."""

import os
from typing import Iterator, List, Tuple

from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, WARNING, count
from graphfix.formats.textproto import quote
from graphfix.modeldir.names import CHECKPOINT, FROZEN
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.paths import is_placeholder

FIELD = ("train_config", "fine_tune_checkpoint")
_OBJECTS = ("_CHECKPOINTABLE_OBJECT_GRAPH", ".ATTRIBUTES/VARIABLE_VALUE")
_PARTS = (".index", ".meta")
OTHER = "name the checkpoint that belongs to this config, or use the config that belongs to it"


def _where(setup: Setup) -> str:
    return setup.where(*FIELD)


def _use(prefix: str, reason: str) -> Tuple[ConfigEdit, ...]:
    return (ConfigEdit(FIELD, quote(prefix), reason),)


def _prefixes(directory: str) -> List[str]:
    """The checkpoints of a directory, as prefixes."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [
        os.path.join(directory, name[: -len(".index")]) for name in names if name.endswith(".index")
    ]


def _none(setup: Setup) -> Iterator[Symptom]:
    if not setup.train.fine_tune_checkpoint:
        yield Symptom(setup.where(*FIELD), "train_config names no fine_tune_checkpoint")


def _part(setup: Setup) -> Iterator[Symptom]:
    path = setup.train.fine_tune_checkpoint
    name = os.path.basename(path)
    prefix = next((path[: -len(end)] for end in _PARTS if path.endswith(end)), None)
    if ".data-" in name:
        prefix = path[: path.rindex(".data-")]
    if prefix:
        yield Symptom(
            _where(setup),
            f"fine_tune_checkpoint is one file of a checkpoint, {name}",
            f"write fine_tune_checkpoint: {quote(prefix)}",
            _use(prefix, "the checkpoint's prefix"),
        )


def _directory(setup: Setup) -> Iterator[Symptom]:
    path = setup.train.fine_tune_checkpoint
    if not os.path.isdir(path) or os.path.exists(path + ".index"):
        return
    found = _prefixes(path)
    preferred = [one for one in found if os.path.basename(one) == CHECKPOINT] or (
        found if len(found) == 1 else []
    )
    if not found and os.path.exists(os.path.join(path, FROZEN)):
        return  # _frozen reports it
    yield Symptom(
        _where(setup),
        f"fine_tune_checkpoint is a directory, {path}",
        f"write fine_tune_checkpoint: {quote(preferred[0])}"
        if preferred
        else (
            "name one of its checkpoints: " + ", ".join(map(os.path.basename, found))
            if found
            else "there is no checkpoint in it; name one"
        ),
        _use(preferred[0], "the checkpoint in it") if preferred else (),
    )


def _frozen(setup: Setup) -> Iterator[Symptom]:
    path = setup.train.fine_tune_checkpoint
    frozen = path if path.endswith(".pb") else os.path.join(path, FROZEN)
    if os.path.isfile(frozen) and not _prefixes(path):
        yield Symptom(
            _where(setup),
            f"fine_tune_checkpoint is a frozen graph, {frozen}",
            f"make a checkpoint of it: graphfix thaw {frozen} --output_directory OUT",
        )


def _missing(setup: Setup) -> Iterator[Symptom]:
    path = setup.train.fine_tune_checkpoint
    if (
        not path
        or "://" in path
        or path.startswith("~")
        or is_placeholder(path)
        or os.path.exists(path + ".index")
        or os.path.exists(path)
        or list(_part(setup))
    ):
        return
    directory = os.path.dirname(path) or "."
    near = _prefixes(directory)
    why = f"there is no {path}.index"
    if not os.path.isdir(directory):
        why = f"there is no directory {directory}"
    one = len(near) == 1
    yield Symptom(
        _where(setup),
        "fine_tune_checkpoint does not exist: " + why,
        f"write fine_tune_checkpoint: {quote(near[0])}, which exists"
        if one
        else (f"name one of {', '.join(map(os.path.basename, near))}" if near else ""),
        _use(near[0], "the checkpoint that is there") if one else (),
    )


def _v1(setup: Setup) -> Iterator[Symptom]:
    path = setup.train.fine_tune_checkpoint
    if (
        not os.path.isfile(path)
        or os.path.exists(path + ".index")
        or path.endswith(".pb")
        or list(_part(setup))
    ):
        return
    yield Symptom(
        _where(setup),
        f"fine_tune_checkpoint is a single file, {path}: maybe a checkpoint in the first format, "
        "as many classifiers' are, which TensorFlow reads but graphfix does not",
    )


def _damaged(setup: Setup) -> Iterator[Symptom]:
    path = setup.train.fine_tune_checkpoint
    if not path or not os.path.exists(path + ".index"):
        return
    error = setup.bundle(path)[1]
    for problem in error.problems if error else ():
        yield Symptom(problem.subject, problem.message, problem.remedy)


def is_tf2(setup: Setup) -> bool:
    """Whether the checkpoint is one of TensorFlow 2."""
    names = setup.metas(setup.train.fine_tune_checkpoint)
    return any(mark in name for name in names for mark in _OBJECTS)


def _tf2(setup: Setup) -> Iterator[Symptom]:
    if is_tf2(setup):
        yield Symptom(
            _where(setup),
            f"{setup.train.fine_tune_checkpoint} is a checkpoint of TensorFlow 2: its variables "
            "are named by an object graph",
        )


def _not_finite(setup: Setup) -> Iterator[Symptom]:
    prefix = setup.train.fine_tune_checkpoint
    bad = setup.values(prefix).not_finite
    if bad:
        yield Symptom(
            _where(setup),
            f"{prefix} has NaN or infinite values in {count(len(bad), 'tensor')}, such as {bad[0]}",
        )


def _zeros(setup: Setup) -> Iterator[Symptom]:
    prefix = setup.train.fine_tune_checkpoint
    names = setup.values(prefix).zeros
    if names:
        yield Symptom(
            _where(setup),
            f"{prefix} has {count(len(names), 'kernel')} of zeros, such as {names[0]}",
        )


def _corrupt(setup: Setup) -> Iterator[Symptom]:
    error = setup.values(setup.train.fine_tune_checkpoint).damage
    for problem in error.problems if error else ():
        yield Symptom(problem.subject, problem.message, problem.remedy)


CHECKS = (
    Check(
        "CHECKPOINT_PART",
        ERROR,
        "fine_tune_checkpoint names one of a checkpoint's files; TensorFlow wants the prefix "
        "that all of their names have.",
        "leave out .index, .meta or .data-...",
        _part,
    ),
    Check(
        "CHECKPOINT_DIRECTORY",
        ERROR,
        "fine_tune_checkpoint names a directory; TensorFlow wants the prefix of a checkpoint in "
        "it.",
        "write the checkpoint's prefix, such as DIR/model.ckpt",
        _directory,
    ),
    Check(
        "CHECKPOINT_FROZEN",
        ERROR,
        "fine_tune_checkpoint names a frozen graph, which has no variables to restore.",
        "make a checkpoint of it with graphfix thaw",
        _frozen,
    ),
    Check(
        "CHECKPOINT_MISSING",
        ERROR,
        "There is no checkpoint at fine_tune_checkpoint.",
        "correct the path; relative ones start in the directory that the trainer runs in",
        _missing,
    ),
    Check(
        "CHECKPOINT_DAMAGED",
        ERROR,
        "A file of the checkpoint is missing, cut off or damaged.",
        "download or copy the checkpoint again, all of its files",
        _damaged,
    ),
    Check(
        "CHECKPOINT_CORRUPT",
        ERROR,
        "A tensor's bytes do not match their checksum; restoring stops there.",
        "download or copy the checkpoint again",
        _corrupt,
    ),
    Check(
        "CHECKPOINT_TF2",
        ERROR,
        "The checkpoint is one of TensorFlow 2, in which the trainers of TensorFlow 1 find no "
        "variable.",
        "use the model's TensorFlow 1 checkpoint, or train with TensorFlow 2",
        _tf2,
    ),
    Check(
        "CHECKPOINT_NOT_FINITE",
        ERROR,
        "The checkpoint has NaN or infinite values: it was saved after training had diverged.",
        "use an earlier checkpoint",
        _not_finite,
    ),
    Check(
        "CHECKPOINT_ZEROS",
        WARNING,
        "The checkpoint has kernels of zeros: such a layer gets no gradients to learn from.",
        "check how the checkpoint was made",
        _zeros,
    ),
    Check(
        "FROM_SCRATCH",
        WARNING,
        "Without fine_tune_checkpoint training starts from random values, which takes several "
        "hundred thousand steps and images.",
        "name a checkpoint of the same model",
        _none,
    ),
    Check(
        "CHECKPOINT_V1",
        WARNING,
        "The checkpoint is a single file, which graphfix does not read: whether it fits is "
        "unknown.",
        "save it with tf.train.Saver, or use one with an .index file",
        _v1,
    ),
)
