"""What holds for every plan, whatever its source: a file that says otherwise is refused.

Each rule gives (where in the plan, what is wrong there).  What only the source can tell is
`plan_check`'s.
"""

import re
from typing import Dict, Iterable, Iterator, Tuple

from graphfix.detectors.initializer import DISTRIBUTIONS
from graphfix.errors import SourceError
from graphfix.findings import ERROR, INFO, WARNING
from graphfix.formats import dtypes
from graphfix.formats.schema import message_class
from graphfix.formats.textproto import Document, bind
from graphfix.options import MAX_CLASSES, Trainer
from graphfix.pipeline_config.edits import EMPTY_BLOCK, ConfigEdit
from graphfix.pipeline_config.schema_history import FIRST_MONTH, LAST_MONTH
from graphfix.planning.edits import (
    ADDED_NOISE,
    CONSTANT,
    MEAN,
    NOISE,
    Constant,
    Copy,
    Fill,
    Gather,
    Stretch,
    Widen,
)
from graphfix.planning.plan import Plan

Fault = Tuple[str, str]

_REVISION = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\[[0-9]{1,4}\])?\Z")
# Beyond, graphfix itself writes nothing: the initializers of configs are read up to a million, box
# codes are recoded by ratios of anchors' sides, and what is added is scalars.
_LARGEST_NOISE, _LARGEST_FACTOR = 1e6, 1e9
_MOST_ADDED, _MOST_COPIES, _MOST_CONFIG_EDITS = 1 << 20, 8, 1000
_MAX_RANK = 32  # of arrays in every NumPy
_LONGEST_NAME = 1000


def faults(plan: Plan) -> Iterator[Fault]:
    """All that is wrong with a plan by itself."""
    yield from _head(plan)
    yield from _classes(plan)
    for number, places in enumerate(plan.anchor_order):
        if not places or sorted(places) != list(range(len(places))):
            yield f"anchor_order[{number}]", "is not an order of a feature map's anchors"
    for number, edit in enumerate(plan.config_edits):
        for message in _config_edit(edit, len(plan.classes)):
            yield f"config_edits[{number}]", message
    if len(plan.config_edits) > _MOST_CONFIG_EDITS:
        yield "config_edits", f"has more than {_MOST_CONFIG_EDITS} edits"
    yield from _tensors(plan)


def _head(plan: Plan) -> Iterator[Fault]:
    if not _DIGEST.match(plan.source_digest):
        yield "source_digest", "is not a SHA-256"
    if not _REVISION.match(plan.target_api):
        yield "target_api", f"is not a month: '{plan.target_api[:40]}'"
    elif not FIRST_MONTH <= plan.target_api <= LAST_MONTH:
        yield (
            "target_api",
            f"is {plan.target_api}, and no API is known of before {FIRST_MONTH} or after "
            f"{LAST_MONTH}",
        )
    if plan.trainer not in list(Trainer):
        yield "trainer", f"is '{plan.trainer[:40]}', which is not a trainer"
    for number, one in enumerate(plan.findings):
        if one.severity not in (ERROR, WARNING, INFO):
            yield (
                f"findings[{number}].severity",
                f"is '{one.severity[:40]}', which is not a severity",
            )


def _classes(plan: Plan) -> Iterator[Fault]:
    if not 1 <= len(plan.classes) <= MAX_CLASSES:
        yield "classes", f"has {len(plan.classes)} classes"
    names: Dict[str, int] = {}
    for number, one in enumerate(plan.classes):
        where = f"classes[{number}]"
        if one.id != number + 1:
            yield where + ".id", f"is {one.id}: classes are numbered from 1 on"
        if bool(one.name) != bool(one.display_name):
            yield where, "has a name or a display_name, and not the other"
        if one.name and names.setdefault(one.name, number) != number:
            yield where + ".name", f"is that of classes[{names[one.name]}], too"
        if len(set(one.sources)) < len(one.sources) or any(source < 1 for source in one.sources):
            yield where + ".sources", "names an old class twice, or one that cannot be"
    if plan.classes and not names:
        yield "classes", "has no class with a name"


def _config_edit(edit: ConfigEdit, classes: int) -> Iterator[str]:
    if not edit.path or not all(_STEP.match(step) for step in edit.path):
        yield "has no path that leads to a field"
        return
    if edit.literal is None:
        return
    names = [step.partition("[")[0] for step in edit.path]
    text = names[-1] + (" {}" if edit.literal == EMPTY_BLOCK else f": {edit.literal}")
    for name in reversed(names[:-1]):
        text = f"{name} {{ {text} }}"
    try:
        document = Document.parse(text, subject=".".join(edit.path))
        count = sum(1 for _ in document.walk())
        values = document.find(names)
        if (
            count != len(names)
            or len(values) != 1
            or (edit.literal != EMPTY_BLOCK and values[0].raw != f"{names[-1]}: {edit.literal}")
        ):
            yield f"sets {'.'.join(edit.path)} to what is not one value"
            return
        problems = bind(document, message_class("graphfix.pipeline.TrainEvalPipelineConfig"))[1]
    except SourceError as error:
        yield f"sets {'.'.join(edit.path)} to what cannot be read: {error.problems[0].message}"
        return
    for problem in problems[:1]:
        yield problem.problem.message
    if (
        not problems
        and names[0] == "model"
        and names[-1] == "num_classes"
        and values[0].values[0].value - classes not in (0, 1)
    ):  # 1: the background counts, too
        yield f"sets num_classes to {edit.literal}, and classes has {classes}"


def _tensors(plan: Plan) -> Iterator[Fault]:
    seen: set = set()
    outgoing: dict = {}
    for number, edit in enumerate(plan.edits):
        where = f"edits[{number}]"
        if edit.tensor in seen:
            yield where + ".tensor", f"is edited twice: {edit.tensor}"
        seen.add(edit.tensor)
        for message in _edit(edit):
            yield where, f"({edit.tensor}) {message}"
        name = edit.output_name
        if name is not None:
            for message in _name(name):
                yield where, f"({edit.tensor}) {message}"
            if name in outgoing:
                yield where, f"({edit.tensor}) writes {name} twice"
            outgoing[name] = edit
    for number, edit in enumerate(plan.edits):
        first = edit.depends_on
        if first is not None and (first not in outgoing or outgoing[first].depends_on is not None):
            yield f"edits[{number}].of", f"is {first}, which does not go out"
    yield from _additions(plan, outgoing)


def _additions(plan: Plan, outgoing: dict) -> Iterator[Fault]:
    names, added = set(outgoing), 0
    copies: dict = {}
    for number, one in enumerate(plan.additions):
        where = f"additions[{number}]"
        for message in _name(one.name):
            yield where + ".name", message
        if one.name in names:
            yield where, f"writes {one.name} twice"
        names.add(one.name)
        if isinstance(one, Copy):
            if one.of not in outgoing:
                yield where + ".of", f"is {one.of}, which does not go out"
            copies[one.of] = copies.get(one.of, 0) + 1
            if copies[one.of] == _MOST_COPIES + 1:
                yield where + ".of", f"is copied more than {_MOST_COPIES} times: {one.of}"
        elif isinstance(one, Constant):
            dtype = dtypes.BY_NAME.get(one.dtype)
            if dtype is None or not computed(dtype):
                yield where + ".dtype", f"is '{one.dtype[:40]}', which has no values to write"
            elif not held(dtype, one.value):
                yield where + ".value", f"is {one.value!r}, which {one.dtype} does not hold"
            size = 1
            for side in one.shape:
                size = min(size * max(side, 1), _MOST_ADDED + 1)
            if (
                len(one.shape) > _MAX_RANK
                or any(side < 0 for side in one.shape)
                or size > _MOST_ADDED
            ):
                yield (
                    where + ".shape",
                    "is not a valid shape of a tensor to add: %s"
                    % (list(one.shape) if len(one.shape) <= 8 else f"{len(one.shape)} dimensions"),
                )
            else:
                added += size
    if added > _MOST_ADDED:
        yield "additions", f"has {added} elements altogether, more than {_MOST_ADDED}"


def _name(name: str) -> Iterator[str]:
    if not name:
        yield "gets no name"
    elif len(name) > _LONGEST_NAME or min(name) < " ":
        yield f"gets a name that no tensor has: {ascii(name)[:60]}"


def check_names(names: Iterable[str], *, subject: str) -> None:
    """Whether a plan can have tensors of these names.

    Raises:
      SourceError: it cannot; `subject` holds them.
    """
    for name in names:
        if any(_name(name)):
            raise SourceError(
                subject,
                f"has a tensor named {ascii(name)[:60]}, which is no name of a variable",
                "save the checkpoint with the names that the API gives",
            )


def computed(dtype) -> bool:
    """Whether graphfix computes with values of a type."""
    return dtype.numpy is not None and dtype.numpy.kind in "fiub"


def held(dtype, value: float) -> bool:
    """Whether a type has a value; a floating type the nearest to it."""
    import numpy as np  # what only reads plans does not wait for it

    if dtype.numpy.kind == "f":
        return abs(value) <= float(np.finfo(dtype.numpy).max)
    if dtype.numpy.kind == "b":
        return value in (0, 1)
    limits = np.iinfo(dtype.numpy)
    return value == int(value) and limits.min <= int(value) <= limits.max


def _edit(edit) -> Iterator[str]:
    if isinstance(edit, (Stretch, Widen)) and edit.bound not in ("min", "max"):
        yield f"is to become a '{edit.bound[:40]}'"
    if isinstance(edit, Stretch) and not edit.affine:
        yield "is stretched by nothing"
    if isinstance(edit, (Gather, Stretch)) and any(
        abs(number) > _LARGEST_FACTOR for pair in edit.affine for number in pair
    ):
        yield f"is scaled by more than {_LARGEST_FACTOR:g}"
    if isinstance(edit, Gather):
        yield from _gather(edit)


def _gather(edit: Gather) -> Iterator[str]:
    new = len(edit.index)
    if not new:
        yield "gets no channels"
    if any(origin < -1 for origin in edit.index):
        yield f"takes channels that are not there (it takes {min(edit.index)})"
    if edit.affine and len(edit.affine) != new:
        yield f"scales {len(edit.affine)} channels of {new}"
    filled: set = set()
    for number, fill in enumerate(edit.fills):
        if any(not 0 <= channel < new for channel in fill.channels):
            yield f"fills channels that are not there (it gets {new})"
        if len(set(fill.channels)) < len(fill.channels) or not fill.channels:
            yield f"fills[{number}] fills nothing, or a channel twice"
        yield from _fill(fill)
        filled.update(fill.channels)
    if filled != {channel for channel, origin in enumerate(edit.index) if origin < 0}:
        yield "does not fill just the channels that come from nowhere"


def _fill(fill: Fill) -> Iterator[str]:
    if fill.rule == MEAN and (
        not fill.sources or len(set(fill.sources)) < len(fill.sources) or min(fill.sources) < 0
    ):
        yield "takes the mean of channels that are not there"
    elif fill.rule in (NOISE, ADDED_NOISE):
        drawn = fill.initializer
        if drawn is None or drawn.kind not in DISTRIBUTIONS:
            yield "is filled with noise of no known distribution"
        elif not 0 <= drawn.scale <= _LARGEST_NOISE or abs(drawn.mean) > _LARGEST_NOISE:
            yield f"is filled with noise beyond {_LARGEST_NOISE:g}"
    elif fill.rule not in (MEAN, CONSTANT):
        yield f"is filled by the unknown rule '{fill.rule[:40]}'"
