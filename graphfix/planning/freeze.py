"""Which layers the trainer keeps frozen: `--freeze`, as patterns for the config.

As read in the stock API's own code, of all three revisions that are at hand: legacy/trainer.py
holds each pattern of train_config.freeze_variables against the beginning of a variable's name
(re.match on "a/b"), model_lib looks for it anywhere (re.search in "a/b:0"), and model_lib alone
reads update_trainable_variables.  So the patterns begin with "^", and are checked here both ways
against every variable the model has.  Freezing takes a layer's gradients away; its BatchNorm
statistics follow the training data all the same.
"""

import re
from typing import Iterable, List, Sequence, Tuple

from graphfix.detectors import families
from graphfix.detectors.describe import ModelSpec
from graphfix.detectors.quantization import is_quantization
from graphfix.findings import ERROR, INFO, WARNING, Finding
from graphfix.formats import patterns
from graphfix.formats.textproto import quote
from graphfix.options import Freeze
from graphfix.pipeline_config.edits import ConfigEdit

_FIELD = ("train_config", "freeze_variables")
_INCLUDED = ("train_config", "update_trainable_variables")


def plan_freeze(
    model: ModelSpec, names: Iterable[str], what: Freeze, message
) -> Tuple[Tuple[ConfigEdit, ...], Tuple[Finding, ...]]:
    """The config edits that freeze `what`, and what to know about it.

    `names` are those of the model's variables, as they go out; `message` is the source's
    TrainEvalPipelineConfig.
    """
    names = sorted(names)
    own = _patterns(model, what)
    frozen = [name for name in names if matched(own, name)]
    wanted = [name for name in names if _is_frozen(model, what, name)]
    # By construction; names that no stock model has could break it.
    assert frozen == wanted, (what, set(frozen) ^ set(wanted))
    assert all(
        any(re.search(one, name + ":0") for one in own) == matched(own, name) for name in names
    )
    edits = [
        ConfigEdit(_FIELD, f"[{', '.join(map(quote, own))}]" if own else None, "--freeze " + what)
    ]
    findings: List[Finding] = []
    if message.train_config.update_trainable_variables:
        edits.append(ConfigEdit(_INCLUDED, None, "--freeze says what trains"))
        findings.append(
            Finding(
                "FREEZE",
                INFO,
                ".".join(_INCLUDED),
                f"is removed: --freeze {what} says what trains",
                "there is nothing to do",
            )
        )
    trained = [name for name in names if name not in set(frozen) and _trains(name)]
    if what != Freeze.NONE:
        findings.append(
            Finding(
                "FREEZE",
                INFO,
                ".".join(_FIELD),
                f"freezes {sum(map(_trains, frozen))} of the {sum(map(_trains, names))} variables "
                "that would train",
                "pass --freeze none to train all of them",
            )
        )
        statistics = sum(name.endswith(families.UNTRAINED_LEAVES) for name in frozen)
        if statistics:
            findings.append(
                Finding(
                    "FREEZE_BATCHNORM",
                    WARNING,
                    ".".join(_FIELD),
                    (
                        "takes gradients away, and no more: "
                        f"{statistics} BatchNorm statistics of the frozen layers go on following "
                        "the training data"
                    ),
                    "train with batches like those that come later"
                    + (
                        ", or set model.ssd.freeze_batchnorm, which every layer then obeys"
                        if model.meta == families.SSD
                        else ""
                    ),
                )
            )
    assert trained
    return tuple(edits), tuple(findings)


def kept_patterns(message) -> Tuple[Finding, ...]:
    """What to know about the patterns that a config says itself what trains by."""
    findings = []
    for path in (_FIELD, _INCLUDED):
        for text in getattr(message.train_config, path[-1]):
            try:
                patterns.check(text)
            except patterns.BadPattern as error:
                stops = "both trainers stop" if path == _FIELD else "model_main stops"
                findings.append(
                    Finding(
                        "FREEZE_PATTERN",
                        ERROR,
                        ".".join(path),
                        f"has {text[:60]!r}, which is not a valid regular expression ({error}): "
                        f"{stops} at it",
                        "correct it, or pass --freeze",
                    )
                )
            except patterns.Unjudged:
                pass  # whether it matches is the trainer's to say
    return tuple(findings)


def matched(own: Sequence[str], name: str) -> bool:
    """Whether the legacy trainer freezes a variable for these patterns, graphfix's own."""
    return any(re.match(one, name) for one in own)


def _trains(name: str) -> bool:
    return not (
        name.endswith(families.UNTRAINED_LEAVES)
        or is_quantization(name)
        or name == families.GLOBAL_STEP
    )


def _scopes(model: ModelSpec, what: str) -> List[str]:
    """What trains: the scopes of heads, of all or of those with rows of classes."""
    return [head.scope for head in model.heads if what == Freeze.ALL_BUT_HEADS or head.class_axis]


def _is_frozen(model: ModelSpec, what: str, name: str) -> bool:
    if what == Freeze.NONE:
        return False
    if what == Freeze.BACKBONE:
        # model_main of 2019-07 gives what Keras names a second name, with _1.
        return any(
            name.startswith(scope.rstrip("/") + end)
            for scope in model.backbone
            for end in ("/", "_1/")
        )
    # The depthwise half of a separable head has a scope beside the head's own.
    return not any(
        name.startswith(scope + end)
        for scope in _scopes(model, what)
        for end in ("/", "_depthwise/")
    )


def _patterns(model: ModelSpec, what: str) -> List[str]:
    if what == Freeze.NONE:
        return []
    if what == Freeze.BACKBONE:
        return [f"^{scope.rstrip('/')}(_1)?/" for scope in model.backbone]
    # Heads of all maps in one; scopes are words, and mean themselves in a pattern.
    scopes = dict.fromkeys(
        re.sub(r"\bBoxPredictor_\d+/", r"BoxPredictor_\\d+/", scope)
        for scope in _scopes(model, what)
    )
    return [f"^(?!({'|'.join(scopes)})(_depthwise)?/)"]
