"""Checks of the patterns that train_config selects variables to train with.

Both trainers match names with freeze_variables, only model_main with update_trainable_variables.
They stop at a pattern that is not a valid regular expression.
"""

import functools
from typing import Iterator, NamedTuple, Tuple

from graphfix.detectors.layer_variables import Unknown
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.prediction import describe_variables, variable_names
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, WARNING
from graphfix.formats import patterns
from graphfix.formats.textproto import Scalar
from graphfix.restore import trainers
from graphfix.restore.predict import trains_nothing

_FIELDS = ("freeze_variables", "update_trainable_variables")
# Each place where a match can fail doubles the ways that `re` tries: so many take half a minute for
# one name.
_LOST = 28


class _Pattern(NamedTuple):
    """A pattern in the config: where, its field, its text, and the trainers that read it."""

    where: str
    field: str
    text: str
    readers: Tuple[str, ...]


def _patterns(setup: Setup) -> Iterator[_Pattern]:
    for name in _FIELDS:
        readers = tuple(
            one
            for one in setup.options.trainers
            if name == _FIELDS[0] or one == trainers.MODEL_MAIN
        )
        for field in setup.document.find(("train_config", name)) if setup.document else ():
            for value in field.values:
                if isinstance(value, Scalar) and isinstance(value.value, str) and readers:
                    yield _Pattern(value.where, name, value.value, readers)


def _refused(setup: Setup, every: bool) -> Iterator[Symptom]:
    for one in _patterns(setup):
        try:
            patterns.check(one.text)
        except patterns.BadPattern as error:
            if (len(one.readers) == len(setup.options.trainers)) == every:
                scripts = [
                    str(trainers.script(setup.options.revision, name)) for name in one.readers
                ]
                yield Symptom(
                    one.where,
                    f"{one.field} has {one.text[:60]!r}, which {' and '.join(scripts)} "
                    f"{'refuses' if len(scripts) == 1 else 'refuse'}: {error}",
                )
        except patterns.Unjudged:
            pass


def _nothing_left(setup: Setup, every: bool) -> Iterator[Symptom]:
    try:
        model = describe_variables(setup)
        idle = [one for one in setup.options.trainers if trains_nothing(model, setup.train, one)]
    except (Unknown, AssertionError, patterns.BadPattern, patterns.Unjudged):
        return  # other checks say so
    if idle and (len(idle) == len(setup.options.trainers)) == every:
        field = next((one.field for one in _patterns(setup)), "freeze_variables")
        scripts = [str(trainers.script(setup.options.revision, name)) for name in idle]
        yield Symptom(
            setup.where("train_config", field),
            f"{' and '.join(scripts)}: the patterns leave none of the model's "
            f"{len(model.variables)} variables",
        )


def _slow(setup: Setup) -> Iterator[Symptom]:
    left = patterns.STEPS
    for one in _patterns(setup):
        found = None
        try:
            found = patterns.Patterns([one.text], left)
            for name in variable_names(setup):
                if found.lost < _LOST:
                    found.match(name)
                    found.search(name + ":0")
        except patterns.BadPattern:
            continue
        except patterns.Unjudged as error:
            yield Symptom(
                one.where,
                f"{one.field} has {one.text[:60]!r}, which is too costly to evaluate: {error}",
                "check with graphfix verify --stock that the trainer gets past it, or simplify it",
            )
        if found is None:
            continue
        left = found.left
        if found.lost >= _LOST:
            yield Symptom(
                one.where,
                f"{one.field} has {one.text[:60]!r}: Python tries more than "
                f"2^{min(found.lost, 1000)} ways before it finds that a variable's name does not "
                "match",
            )


CHECKS = (
    Check(
        "PATTERN_REFUSED",
        ERROR,
        "A pattern in train_config is not a valid regular expression: the trainer stops at it "
        '("unterminated subpattern", "nothing to repeat").',
        "correct the pattern; \\\\( stands for a bracket in a name",
        functools.partial(_refused, every=True),
    ),
    Check(
        "ONE_TRAINER_PATTERN",
        WARNING,
        "A pattern that only one of the trainers reads is not a valid regular expression: that "
        "trainer stops at it.",
        "correct the pattern, or train with the other one",
        functools.partial(_refused, every=False),
    ),
    Check(
        "NOTHING_TRAINS",
        ERROR,
        'freeze_variables and update_trainable_variables together leave nothing to train ("No '
        'variables to optimize.", "No variables provided.").',
        "remove the pattern, or write one that matches the names of what is to train",
        functools.partial(_nothing_left, every=True),
    ),
    Check(
        "ONE_TRAINER_TRAINS_NOTHING",
        WARNING,
        "freeze_variables and update_trainable_variables together leave one of the trainers "
        "nothing to train.",
        "correct the pattern, or train with the other one",
        functools.partial(_nothing_left, every=False),
    ),
    Check(
        "PATTERN_SLOW",
        WARNING,
        "A pattern in train_config has a repeat inside a repeat, so that Python tries far too "
        "many ways to match it: the trainer seems to hang before its first step. Or graphfix "
        "can't evaluate it.",
        "write it without a repeat inside a repeat",
        _slow,
    ),
)
