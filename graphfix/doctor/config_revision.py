"""Checks of what the API that will train does not know, or can't build."""

import difflib
from typing import Callable, Iterator, Optional

from graphfix.detectors import availability, families
from graphfix.detectors.anchor_generators import NoAnchors, NoSize
from graphfix.detectors.extractors.facts import KERAS
from graphfix.detectors.extractors.loader import extractors, find_extractor
from graphfix.detectors.layer_variables import KERAS_ONLY
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.errors import SourceError
from graphfix.findings import ERROR, WARNING
from graphfix.formats.textproto import Block, quote
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.migration import translate
from graphfix.pipeline_config.schema_history import everything, field_history
from graphfix.pipeline_config.schema_violations import REPEATED, SchemaViolation, violations

# How alike a misspelled type and the right one are.
_TYPO = 0.93


def _is_repeated(violation: SchemaViolation) -> bool:
    spec = everything().field(violation.message, violation.field.name)
    return spec is not None and spec.repeated


def _era(setup: Setup) -> Iterator[Symptom]:
    if setup.document is None or setup.problems:
        return  # FIELD_TWICE comes first: the types of the earlier values were not checked
    schema = setup.options.schema
    # FIELD_TWICE reports what no API accepts twice.
    found = [
        violation
        for violation in violations(setup.document, schema, everything())
        if violation.kind != REPEATED or _is_repeated(violation)
    ]
    if not found:
        return
    translated = translate(setup.document, setup.options.revision, schema)
    for number, violation in enumerate(found):
        known = field_history(violation.message, violation.field.name)
        dates = (
            f" (known from {known.first}{f' until before {known.gone}' if known.gone else ' on'})"
            if known and violation.spec is None
            else ""
        )
        own = [
            edit
            for edit in translated.edits
            if edit.path == violation.path and edit.literal is None
        ]
        yield Symptom(
            violation.field.where,
            f"{'.'.join(violation.path)}: {violation.kind} to {schema.name}{dates}",
            "remove it" if own else "write what that API accepts",
            # All together: some of them belong to several fields.
            translated.edits if number == 0 else (),
        )
    for problem in translated.problems:
        yield Symptom(problem.subject, problem.message, problem.remedy)


def _era_model(setup: Setup) -> Iterator[Symptom]:
    if setup.meta not in ("ssd", "faster_rcnn"):
        return
    kind = setup.body.feature_extractor.type
    if kind not in extractors():
        return
    for problem in availability.problems(
        setup.message, setup.meta, setup.options.revision, setup.options.schema, setup.path
    ):
        yield Symptom(
            setup.where("model", setup.meta, "feature_extractor", "type"),
            problem.message,
            problem.remedy,
        )


def _extractor(setup: Setup) -> Iterator[Symptom]:
    if setup.meta not in ("ssd", "faster_rcnn"):
        return
    kind = setup.body.feature_extractor.type
    if kind in extractors() or kind in (setup.options.schema.extractors or ()):
        return
    near = difflib.get_close_matches(kind, extractors(), 3)
    # They differ in a letter or two; "ssd_mobilenet_v3" is the beginning of two types.
    sure = len(difflib.get_close_matches(kind, extractors(), 3, _TYPO)) == 1 and not any(
        one.startswith(kind) for one in extractors()
    )
    path = ("model", setup.meta, "feature_extractor", "type")
    yield Symptom(
        setup.where(*path),
        (f"TensorFlow 1's API has no feature extractor '{kind}'"),
        f"write type: {quote(near[0])}"
        if sure
        else ("maybe you mean one of " + ", ".join(near) if near else ""),
        (ConfigEdit(path, quote(near[0]), "the type closest to it"),) if sure else (),
    )


def _needs(setup: Setup, code: str) -> Iterator[Symptom]:
    if setup.meta not in ("ssd", "faster_rcnn"):
        return
    edits, findings = availability.needs(
        setup.message, setup.meta, setup.options.revision, setup.options.schema
    )
    for finding in findings:
        if finding.code == code:
            own = tuple(
                edit
                for edit in edits
                if (edit.path[-1] == availability.OVERRIDE) == (code == "FIELD_ADDED")
            )
            yield Symptom(
                setup.where(*own[0].path),
                own[0].reason,
                f"write {own[0].path[-1]}: {own[0].literal}"
                if own[0].literal
                else "remove that step",
                own,
            )


def _override(setup: Setup) -> Iterator[Symptom]:
    return _needs(setup, "FIELD_ADDED")


def _first_step(setup: Setup) -> Iterator[Symptom]:
    return _needs(setup, "FIRST_STEP")


def is_keras(setup: Setup) -> bool:
    """Whether the model (an SSD or a Faster R-CNN) is built of Keras layers."""
    extractor = find_extractor(setup.body.feature_extractor.type)
    return extractor is not None and extractor.naming == KERAS


def _keras_hyperparams(setup: Setup) -> Iterator[Symptom]:
    if (
        setup.document is None
        or setup.problems
        or setup.meta not in ("ssd", "faster_rcnn")
        or is_keras(setup)
    ):
        return
    for path, field in setup.document.walk():
        if path[-1] in KERAS_ONLY and len(path) > 1 and path[-2].endswith("hyperparams"):
            value = field.values[0]
            if not isinstance(value, Block) and value.raw != "true":
                continue
            # The same block under the name that slim's builder knows.
            edits = (
                ()
                if isinstance(value, Block)
                else (ConfigEdit(path, None, "slim's builder refuses it"),)
            )
            yield Symptom(
                field.where,
                f"{'.'.join(path)} is for Keras models only",
                "rename it batch_norm" if isinstance(value, Block) else "remove it",
                edits,
            )


def _anchors(setup: Setup) -> Iterator[Symptom]:
    return _anchor_faults(setup, lambda error: not isinstance(error, (NoAnchors, NoSize)))


def _no_anchors(setup: Setup) -> Iterator[Symptom]:
    return _anchor_faults(setup, lambda error: isinstance(error, NoAnchors))


def _sizeless(setup: Setup) -> Iterator[Symptom]:
    return _anchor_faults(setup, lambda error: isinstance(error, NoSize))


def _anchor_faults(
    setup: Setup, wanted: Callable[[Optional[SourceError]], bool]
) -> Iterator[Symptom]:
    error = setup.anchors()[1] if setup.meta in ("ssd", "faster_rcnn") else None
    for problem in error.problems if error and wanted(error) else ():
        yield Symptom(
            setup.where("model", setup.meta, families.ANCHOR_FIELD[setup.meta]),
            problem.message,
            problem.remedy,
        )


def _python_2(setup: Setup) -> Iterator[Symptom]:
    if setup.meta in ("ssd", "faster_rcnn"):
        name = setup.options.schema.name
        for how in availability.failing_under_python_3(
            setup.message, setup.meta, setup.options.revision
        ):
            yield Symptom(setup.path, f"{name} was written for Python 2: under Python 3 {how}")


def _sizes(setup: Setup) -> Iterator[Symptom]:
    if availability.varies(setup.message, setup.meta, setup.options.revision):
        yield Symptom(
            setup.where("model", setup.meta, "image_resizer"),
            f"lets the size of images vary, and {setup.options.schema.name} evaluates and exports "
            "no such SSD",
        )


CHECKS = (
    Check(
        "FIELD_OF_OTHER_API",
        ERROR,
        "A field or a value does not exist in the API that will train, but in another revision "
        '("has no field named").',
        "choose another --target_api, or remove it",
        _era,
    ),
    Check(
        "EXTRACTOR_UNKNOWN",
        ERROR,
        'TensorFlow 1\'s API has no such feature extractor ("Unknown ssd feature_extractor").',
        "choose one that it has, or train with TensorFlow 2",
        _extractor,
    ),
    Check(
        "EXTRACTOR_OF_OTHER_API",
        ERROR,
        "The API that will train can't build this model.",
        "choose another --target_api",
        _era_model,
    ),
    Check(
        "OVERRIDE_NEEDED",
        ERROR,
        "SSD with Inception always takes its BatchNorm settings from the config, and requires "
        'the config to say so ("SSD Inception V2 feature extractor always uses scope returned '
        'by conv_hyperparams_fn").',
        "write override_base_feature_extractor_hyperparams: true",
        _override,
    ),
    Check(
        "KERAS_HYPERPARAMS",
        ERROR,
        "conv_hyperparams have a field that only TensorFlow 2's builders accept (\"Hyperparams "
        'force_use_bias only supported by KerasLayerHyperparams").',
        "remove it",
        _keras_hyperparams,
    ),
    Check(
        "FIRST_STEP",
        ERROR,
        "The learning rate's first step is at 0, which the API refuses (\"First step cannot be "
        'zero").',
        "make that rate the initial one",
        _first_step,
    ),
    Check(
        "ANCHORS_IMPOSSIBLE",
        ERROR,
        'The anchor generator can\'t be built ("must be a list with the same length").',
        "copy the one in the model's sample config",
        _anchors,
    ),
    Check(
        "ANCHORS_NONE",
        ERROR,
        "The generator places no anchors: no box can be matched, so that the first step stops "
        '("Reduction axis 1 is empty in shape"), or nothing is learned, in silence.',
        "copy the one in the model's sample config",
        _no_anchors,
    ),
    Check(
        "ANCHORS_SIZELESS",
        WARNING,
        "A scale or an aspect ratio is zero or negative: the API takes it, but such anchors match "
        "no box, so that their heads learn nothing.",
        "write positive numbers",
        _sizeless,
    ),
    Check(
        "IMAGES_VARY",
        ERROR,
        'An SSD of images that vary in size trains, and stops in evaluation and export ("None '
        'values not supported").',
        "take a fixed_shape_resizer, or another --target_api",
        _sizes,
    ),
    Check(
        "PYTHON_3",
        WARNING,
        "A part of this revision runs under Python 2 only (\"'dict_keys' object does not support "
        'indexing", "has DataType float32 not in list of allowed values").',
        availability.AGAINST_PYTHON_3,
        _python_2,
    ),
)
