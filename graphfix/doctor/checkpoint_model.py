"""Checks of whether the trainer restores fine_tune_checkpoint at all.

The config has to read it as what it is, a detector's or a classifier's checkpoint, and have the
same feature extractor.
"""

import functools
from typing import Iterator, Tuple

import numpy as np

from graphfix.detectors import families
from graphfix.detectors.extractor_check import check_extractor
from graphfix.detectors.extractors.loader import described_extractors
from graphfix.detectors.extractors.widths import Widths, is_fixed
from graphfix.doctor.checkpoint import FIELD, OTHER, is_tf2
from graphfix.doctor.checkpoint_fit import KINDS, extractor_of, is_classifier, kind
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, WARNING
from graphfix.formats.textproto import quote
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.restore import trainers
from graphfix.restore.requested import CLASSIFICATION, DETECTION

_DETECTION = ("train_config", "from_detection_checkpoint")
_TYPE = ("train_config", "fine_tune_checkpoint_type")
# The multipliers that models are published with, or usually made with.
_MULTIPLIERS = (0.25, 0.35, 0.5, 0.75, 1.0, 1.25, 1.4)


def _unknown_type(setup: Setup) -> Iterator[Symptom]:
    if setup.train.fine_tune_checkpoint and kind(setup) not in KINDS:
        yield Symptom(
            setup.where(*_TYPE),
            f"fine_tune_checkpoint_type is '{kind(setup)}'; with TensorFlow 1 it is 'detection' "
            "or 'classification'",
            'write fine_tune_checkpoint_type: "detection"',
            (ConfigEdit(_TYPE, quote(DETECTION), "its variables have a detector's names"),),
        )


def _wrong_kind(setup: Setup) -> Iterator[Symptom]:
    names = setup.metas(setup.train.fine_tune_checkpoint)
    extractor = extractor_of(setup)
    if not names or extractor is None or kind(setup) not in KINDS:
        return
    detector = any(name.startswith(extractor.scopes) for name in names)
    if detector and kind(setup) == CLASSIFICATION:
        yield _taken_for(setup, "detector", "classifier", "true", DETECTION)
    elif is_classifier(setup) and kind(setup) == DETECTION:
        yield _taken_for(setup, "classifier", "detector", "false", CLASSIFICATION)


def _taken_for(setup: Setup, what: str, other: str, flag: str, right: str) -> Symptom:
    """A checkpoint of one kind that the config reads as the other; at the field that decides it."""
    reason = f"its variables have a {what}'s names"
    edit = (
        ConfigEdit(_TYPE, quote(right), reason)
        if setup.train.fine_tune_checkpoint_type
        else ConfigEdit(_DETECTION, flag, reason)
    )
    return Symptom(
        setup.where(*edit.path),
        f"{setup.train.fine_tune_checkpoint} is a {what}, but the config reads it as a {other}",
        f"write {edit.path[-1]}: {edit.literal}",
        (edit,),
    )


def _ignored(setup: Setup, every: bool) -> Iterator[Symptom]:
    if not setup.train.fine_tune_checkpoint:
        return
    rows = [trainers.restored(setup.options.revision, name) for name in setup.options.trainers]
    what = {name: found for row in rows for name, found in row}
    ignoring = [name for name, found in what.items() if found == trainers.NOTHING]
    if ignoring and (len(ignoring) == len(what)) == every:
        yield Symptom(
            setup.where(*FIELD),
            f"model_main of {setup.options.revision} ignores fine_tune_checkpoint: it starts "
            "from random values, without a message",
        )


def _other_model(setup: Setup) -> Iterator[Symptom]:
    prefix = setup.train.fine_tune_checkpoint
    names, extractor = setup.metas(prefix), extractor_of(setup)
    if not names or extractor is None or is_classifier(setup) or is_tf2(setup):
        return
    if extractor.first.name in names:
        return
    others = sorted({one.type for one in described_extractors() if one.first.name in names})
    what = (
        (f"a {others[0]}" if len(others) == 1 else "one of " + ", ".join(others))
        if others
        else "none that graphfix knows"
    )
    yield Symptom(
        setup.where("model", setup.meta, "feature_extractor", "type"),
        (f"the config's feature extractor is {extractor.type}, but {prefix} has {what}"),
    )


def _other_width(setup: Setup) -> Iterator[Symptom]:
    prefix = setup.train.fine_tune_checkpoint
    names, extractor = setup.metas(prefix), extractor_of(setup)
    if extractor is None or extractor.first.name not in names:
        return
    settings, (first, width) = setup.body.feature_extractor, extractor.first
    for problem in check_extractor(extractor, settings, names, setup.path, prefix):
        found = names[first].shape[-1]
        path = ("model", setup.meta, "feature_extractor", "depth_multiplier")
        edits: Tuple[ConfigEdit, ...] = ()
        fitting = [
            one
            for one in _MULTIPLIERS
            if not is_fixed(width) and Widths(one, settings.min_depth).of(width) == found
        ]
        if len(fitting) == 1:
            edits = (ConfigEdit(path, repr(fitting[0]), "as wide as the checkpoint"),)
        yield Symptom(
            setup.where(*path),
            problem.message.replace("gives", "depth_multiplier gives"),
            f"write depth_multiplier: {fitting[0]!r}" if edits else "",
            edits,
        )
        return


def _step(setup: Setup) -> Iterator[Symptom]:
    store = setup.checkpoint
    if (
        store is None
        or families.GLOBAL_STEP not in store
        or trainers.LEGACY not in setup.options.trainers
        or not "2018-03" <= setup.options.revision <= "2018-05"
        or not setup.train.load_all_detection_checkpoint_vars
    ):
        return
    step = int(np.asarray(store[families.GLOBAL_STEP].load()).reshape(-1)[0])
    if step:
        yield Symptom(
            setup.where(*FIELD),
            f"train.py of {setup.options.revision} also restores global_step: the run begins at "
            f"step {step}",
        )


CHECKS = (
    Check(
        "RESTORE_TYPE",
        ERROR,
        "The trainers of TensorFlow 1 refuse this fine_tune_checkpoint_type.",
        "write detection or classification",
        _unknown_type,
    ),
    Check(
        "RESTORE_KIND",
        ERROR,
        "The config reads a detector's checkpoint as a classifier's, or the reverse: the "
        "trainer looks for variables under other names, finds none, and starts from random "
        "values.",
        "set from_detection_checkpoint to what the checkpoint is",
        _wrong_kind,
    ),
    Check(
        "CHECKPOINT_OTHER_MODEL",
        ERROR,
        "The checkpoint has another feature extractor than the config: the trainer finds no "
        "variable, and starts from random values.",
        OTHER,
        _other_model,
    ),
    Check(
        "CHECKPOINT_WIDTH",
        ERROR,
        "The checkpoint's layers are wider or narrower than the config's: hardly any variable "
        "fits.",
        OTHER,
        _other_width,
    ),
    Check(
        "CHECKPOINT_IGNORED",
        ERROR,
        "model_main of 2020-07 and later ignores fine_tune_checkpoint, without a message.",
        "train with legacy/train.py (--trainer legacy), or give model_main a complete "
        "checkpoint: graphfix convert --model_dir",
        functools.partial(_ignored, every=True),
    ),
    Check(
        "CHECKPOINT_ONE_IGNORES",
        WARNING,
        "One of the two trainers of this API ignores fine_tune_checkpoint.",
        "train with legacy/train.py, and pass --trainer legacy",
        functools.partial(_ignored, every=False),
    ),
    Check(
        "STEP_RESTORED",
        WARNING,
        "The trainer also restores the checkpoint's step, and so ends early, or at once.",
        "convert the checkpoint with graphfix, which sets its step to 0",
        _step,
    ),
)
