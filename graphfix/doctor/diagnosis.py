"""Runs every check on a config, and puts what they find into words."""

import dataclasses
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from graphfix.doctor import (
    anchors_inside,
    architecture,
    augmentations,
    batches,
    builders,
    checkpoint,
    checkpoint_fit,
    checkpoint_heads,
    checkpoint_model,
    checkpoint_types,
    choices,
    config_revision,
    config_schema,
    config_syntax,
    freezing,
    group_norms,
    hyperparams,
    input_readers,
    labels,
    layer_bounds,
    learning_rate,
    masks,
    metrics,
    model_dir,
    other_models,
    paths,
    prediction,
    prediction_checks,
    prediction_text,
    record_boxes,
    record_images,
    records,
    thresholds,
    training,
)
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.prediction import TrainerPredictions
from graphfix.doctor.setup import Options, Setup
from graphfix.errors import GraphfixError
from graphfix.findings import ERROR, INFO, WARNING, Finding, count
from graphfix.formats.textproto import Document
from graphfix.fronts import shown
from graphfix.pipeline_config.edits import apply_edits
from graphfix.restore import trainers

# A config with a fault of these is not looked at any further.
PARSING = config_syntax.CHECKS + config_schema.PARSING
# All checks, in the order in which a trainer runs into what they find.
TABLES: Tuple[Tuple[str, Tuple[Check, ...]], ...] = (
    (
        "config",
        PARSING
        + config_syntax.BOM
        + config_schema.CHECKS
        + config_revision.CHECKS
        + choices.CHECKS
        + builders.CHECKS
        + other_models.CHECKS
        + layer_bounds.CHECKS
        + group_norms.CHECKS
        + hyperparams.CHECKS
        + augmentations.CHECKS
        + architecture.CHECKS
        + anchors_inside.CONFIG
        + masks.CHECKS
        + prediction_checks.TRAINERS
        + freezing.CHECKS
        + input_readers.CHECKS,
    ),
    ("paths", paths.CHECKS),
    (
        "checkpoint",
        checkpoint.CHECKS
        + checkpoint_types.CHECKS
        + checkpoint_model.CHECKS
        + checkpoint_heads.CHECKS
        + prediction_checks.CHECKS,
    ),
    ("model_dir", model_dir.CHECKS),
    ("label map", labels.CHECKS),
    (
        "records",
        records.FILES
        + record_images.DECODING
        + record_boxes.CHECKS
        + record_images.CHECKS
        + records.CHECKS,
    ),
    (
        "training",
        anchors_inside.CHECKS
        + batches.CHECKS
        + learning_rate.CHECKS
        + thresholds.CHECKS
        + training.CHECKS
        + metrics.CHECKS,
    ),
    ("elsewhere", paths.ELSEWHERE),
)
CHECKS = tuple(check for _, checks in TABLES for check in checks)
_ORDER = (ERROR, WARNING, INFO)
# Fixing one fault may uncover another; no config needs more rounds than this.
_ROUNDS = 8


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """A symptom, the check that found it, and the config's line it is about (from 1), if any."""

    check: Check
    symptom: Symptom
    line: Optional[int]

    @property
    def remedy(self) -> str:
        return self.symptom.remedy or self.check.remedy

    @property
    def finding(self) -> Finding:
        return Finding(
            self.check.code,
            self.check.severity,
            self.symptom.subject,
            self.symptom.message,
            self.remedy,
        )

    @property
    def fixable(self) -> bool:
        """Whether edits of the config or of its label map fix it."""
        return bool(self.symptom.edits or self.symptom.text or self.symptom.label_map)


@dataclasses.dataclass(frozen=True, repr=False)
class CheckedConfig:
    """All that was found, the worst first, and what training starts from.

    `prediction` is what happens to every variable, and `prediction_lines` the same in words; a
    config that can't be parsed has neither.
    """

    path: str
    lines: Tuple[str, ...]
    api: str
    results: Tuple[CheckResult, ...]
    start: str
    prediction: Optional[TrainerPredictions] = None
    prediction_lines: Tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<CheckedConfig {self.path}: {count(len(self.results), 'finding')}>"

    @property
    def findings(self) -> Tuple[Finding, ...]:
        return tuple(one.finding for one in self.results)

    @property
    def trains(self) -> bool:
        """Whether training will work: nothing was found that ruins the run."""
        return not any(one.check.severity == ERROR for one in self.results)

    def to_data(self) -> Dict[str, Any]:
        return {
            "trains": self.trains,
            "verdict": "\n".join(verdict(self)),
            "api": self.api,
            "starts_from": self.start if self.trains else None,
            "prediction": self.prediction.to_data() if self.prediction else None,
            "findings": [
                dict(
                    dataclasses.asdict(one.finding),
                    cause=one.check.cause,
                    line=one.line,
                    fixable=one.fixable,
                )
                for one in self.results
            ],
        }


def run_checks(data: bytes, path: str, options: Options) -> CheckedConfig:
    """Checks a config, given as bytes, and all files that it names; `path` is the config's name.

    Raises:
      SourceError: the config's bytes are not text.
    """
    setup = Setup(data, path, options)
    results = _run(PARSING, setup)
    stopped = bool(results)
    if not stopped:
        results += _run(tuple(check for check in CHECKS if check not in PARSING), setup)
    results.sort(key=lambda one: _ORDER.index(one.check.severity))
    return CheckedConfig(
        path,
        tuple(data.decode("utf-8", "replace").split("\n")),
        "the API of " + options.revision,
        tuple(results),
        "" if stopped else _start(setup),
        None if stopped else prediction.predict(setup),
        () if stopped else tuple(prediction_text.lines(setup)),
    )


def _run(checks: Tuple[Check, ...], setup: Setup) -> List[CheckResult]:
    place = re.compile(re.escape(setup.path) + r":(\d+):\d+\Z")
    out = []
    for check in checks:
        for symptom in check.find(setup):
            match = place.match(symptom.subject)
            out.append(CheckResult(check, symptom, int(match.group(1)) if match else None))
    return out


def _start(setup: Setup) -> str:
    """What training starts from, in words."""
    resumed = model_dir.latest(setup)
    if resumed:
        return f"resumes from {resumed.prefix}"
    prefix = setup.train.fine_tune_checkpoint
    what = checkpoint_fit.restores(setup)
    if what == trainers.NOTHING:
        return "starts from random values"
    if not setup.metas(prefix):
        return f"starts from {prefix}, which graphfix can't read"
    backbone = f"its feature extractor ({setup.body.feature_extractor.type})"
    if checkpoint_fit.is_classifier(setup):
        return f"starts from the classifier {prefix}: {backbone}, and random heads"
    fit = checkpoint_fit.fit(setup, prefix)
    new = len(fit.other_classes) + len(fit.broken)
    if what == trainers.BACKBONE:
        return f"starts from {prefix}: {backbone}, and random heads"
    heads = f"{len(fit.fitting)} of its heads" if new else f"all of its {len(fit.fitting)} heads"
    words = f"starts from {prefix}: {backbone} and {heads}"
    if fit.other_classes:
        words += (
            f", and {new} random ones, for {setup.body.num_classes} classes instead of "
            f"{'/'.join(map(str, fit.counts))}"
        )
    elif fit.broken:
        words += f", and {new} random ones, for other anchors"
    return words


def verdict(diagnosis: CheckedConfig) -> List[str]:
    """The answer in plain words: that it trains and from what, or the line it fails at and what to
    write instead."""
    if diagnosis.trains:
        return [f"{diagnosis.path} will train with {diagnosis.api}, and {diagnosis.start}."]
    first = diagnosis.results[0]
    fails = f"{diagnosis.path} can't be trained as it is ({diagnosis.api})"
    what_to_do = f"What to do: {first.remedy}."
    if first.line is None:
        return [f"{fails}: {first.symptom.subject} {first.symptom.message}.", what_to_do]
    out = [f"{fails}, because of line {first.line}:"]
    if first.line <= len(diagnosis.lines):
        out.append("    " + diagnosis.lines[first.line - 1].strip())
    return out + [first.symptom.message + ".", what_to_do]


def to_lines(diagnosis: CheckedConfig) -> List[str]:
    """The verdict, then every finding, those of one check together."""
    out = verdict(diagnosis)
    if diagnosis.prediction_lines:
        out += ["", *diagnosis.prediction_lines]
    counts = [
        (severity, sum(one.check.severity == severity for one in diagnosis.results))
        for severity in _ORDER
    ]
    if diagnosis.results:
        words = [
            count(number, severity, INFO if severity == INFO else "")
            for severity, number in counts
            if number
        ]
        out += ["", ", ".join(words) + ":"]
    for check in dict.fromkeys(one.check for one in diagnosis.results):
        findings = [one.finding for one in diagnosis.results if one.check is check]
        out += ["", f"{check.severity} {check.code}: {check.cause}"]
        for finding in findings:
            out += ["  " + finding.subject, "    " + finding.message]
            if finding.remedy != check.remedy or finding is findings[-1]:
                out.append("    -> " + finding.remedy)
    return [shown(line) for line in out]


class Fixed(NamedTuple):
    """A config's new bytes, what that fixed, and the new bytes of label maps by their paths."""

    data: bytes
    done: Tuple[CheckResult, ...]
    label_maps: Mapping[str, bytes]


def fix(data: bytes, path: str, options: Options, *, label_maps: bool = True) -> Fixed:
    """The config with every fault fixed that editing it can fix, or editing the label maps that it
    names, unless `label_maps` is false.

    Raises:
      SourceError: the config's bytes are not text.
    """
    done: List[CheckResult] = []
    tried = set()
    for _ in range(_ROUNDS):
        diagnosis = run_checks(data, path, options)
        before = data, options.label_maps
        for one in diagnosis.results:
            new_map = one.symptom.label_map
            key = (one.check.code, one.symptom.message, one.symptom.edits, new_map)
            if not one.fixable or key in tried:
                continue
            tried.add(key)
            if new_map is not None:
                if label_maps:
                    options = options._replace(
                        label_maps={**options.label_maps, new_map[0]: new_map[1]}
                    )
                    done.append(one)
                continue
            changed = _apply(data, path, one.symptom)
            if changed is not None and changed != data:
                data = changed
                done.append(one)
        if (data, options.label_maps) == before:
            break
    return Fixed(data, tuple(done), options.label_maps)


def _apply(data: bytes, path: str, symptom: Symptom) -> Optional[bytes]:
    """The config with one remedy, None where it does not apply (any more)."""
    if symptom.text is not None:
        return symptom.text.encode("utf-8")
    try:
        return apply_edits(Document.parse(data, subject=path).without_bom(), symptom.edits).encode()
    except GraphfixError:
        return None
