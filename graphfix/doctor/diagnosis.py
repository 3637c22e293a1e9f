"""Runs every check, and says in plain words what comes of it."""

import dataclasses
import re
from typing import Any, Dict, List, Optional, Tuple

from graphfix.doctor import (
    checkpoint,
    config,
    freezing,
    labels,
    model_dir,
    paths,
    records,
    restore,
    restore_prediction,
    training,
    types,
)
from graphfix.doctor.checks import Check, Evidence
from graphfix.doctor.restore_prediction import Outlook
from graphfix.doctor.setup import Options, Setup
from graphfix.errors import GraphfixError
from graphfix.findings import ERROR, INFO, WARNING, Finding
from graphfix.formats.textproto import Document
from graphfix.pipeline_config.edits import apply_edits
from graphfix.restore import trainers

# In the order of what a trainer runs into.
TABLES: Tuple[Tuple[str, Tuple[Check, ...]], ...] = (
    ("config", config.PARSING + config.CHECKS + restore_prediction.TRAINERS + freezing.CHECKS),
    ("paths", paths.CHECKS),
    ("checkpoint", checkpoint.CHECKS + types.CHECKS + restore.CHECKS + restore_prediction.CHECKS),
    ("model_dir", model_dir.CHECKS),
    ("label map", labels.CHECKS),
    ("records", records.CHECKS),
    ("training", training.CHECKS),
    ("elsewhere", paths.ELSEWHERE),
)
CHECKS = tuple(check for _, checks in TABLES for check in checks)
_ORDER = (ERROR, WARNING, INFO)
# A remedy may uncover what was behind it; no config needs more rounds than this.
_ROUNDS = 8


@dataclasses.dataclass(frozen=True)
class Found:
    """A finding with its check and evidence, and the config's line it is about, where it is one."""

    check: Check
    evidence: Evidence
    line: Optional[int]

    @property
    def finding(self) -> Finding:
        return Finding(
            self.check.code,
            self.check.severity,
            self.evidence.subject,
            self.evidence.message,
            self.evidence.remedy or self.check.remedy,
        )


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """All that was found, the worst first, and what training starts from.

    `outlook` is what becomes of every variable, and `forecast` the same in words; there is none for
    a config that can't be parsed.
    """

    path: str
    lines: Tuple[str, ...]
    api: str
    found: Tuple[Found, ...]
    start: str
    outlook: Optional[Outlook] = None
    forecast: Tuple[str, ...] = ()

    @property
    def findings(self) -> Tuple[Finding, ...]:
        return tuple(one.finding for one in self.found)

    @property
    def trains(self) -> bool:
        return not any(one.check.severity == ERROR for one in self.found)

    def to_data(self) -> Dict[str, Any]:
        return {
            "trains": self.trains,
            "verdict": "\n".join(verdict(self)),
            "api": self.api,
            "starts_from": self.start if self.trains else None,
            "forecast": self.outlook.to_data() if self.outlook else None,
            "findings": [
                dict(
                    dataclasses.asdict(one.finding),
                    cause=one.check.cause,
                    line=one.line,
                    fixable=fixable(one),
                )
                for one in self.found
            ],
        }


def fixable(one: Found) -> bool:
    """Whether edits of the config cure a finding."""
    return bool(one.evidence.edits or one.evidence.text)


def diagnose(data: bytes, path: str, options: Options) -> Diagnosis:
    """Looks at a config and all that it names.

    Raises:
      SourceError: the config's bytes are no text.
    """
    setup = Setup(data, path, options)
    found = _run(config.PARSING, setup)
    stopped = bool(found)
    if not stopped:
        found += _run(tuple(check for check in CHECKS if check not in config.PARSING), setup)
    found.sort(key=lambda one: _ORDER.index(one.check.severity))
    return Diagnosis(
        path,
        tuple(data.decode("utf-8", "replace").split("\n")),
        "the API of " + options.revision,
        tuple(found),
        "" if stopped else _start(setup),
        None if stopped else restore_prediction.look_ahead(setup),
        () if stopped else tuple(restore_prediction.lines(setup)),
    )


def _run(checks: Tuple[Check, ...], setup: Setup) -> List[Found]:
    place = re.compile(re.escape(setup.path) + r":(\d+):\d+\Z")
    out = []
    for check in checks:
        for evidence in check.find(setup):
            match = place.match(evidence.subject)
            out.append(Found(check, evidence, int(match.group(1)) if match else None))
    return out


def _start(setup: Setup) -> str:
    """What training starts from, in words."""
    resumed = model_dir.latest(setup)
    if resumed:
        return f"resumes from {resumed.prefix}"
    prefix = setup.train.fine_tune_checkpoint
    what = restore.restores(setup)
    if what == trainers.NOTHING:
        return "starts from random values"
    if not setup.metas(prefix):
        return f"starts from {prefix}, which graphfix can't look into"
    backbone = f"its feature extractor ({setup.body.feature_extractor.type})"
    if restore.is_classifier(setup):
        return f"starts from the classifier {prefix}: {backbone}, and random heads"
    how = restore.fit(setup, prefix)
    new = len(how.other_classes) + len(how.broken)
    if what == trainers.BACKBONE:
        return f"starts from {prefix}: {backbone}, and random heads"
    heads = (
        f"all of its {len(how.fitting)} heads" if not new else f"{len(how.fitting)} of its heads"
    )
    words = f"starts from {prefix}: {backbone} and {heads}"
    if how.other_classes:
        words += f", and {new} random ones, for {setup.body.num_classes} classes instead of {'/'.join(map(str, how.counts))}"
    elif how.broken:
        words += f", and {new} random ones, for other anchors"
    return words


def verdict(diagnosis: Diagnosis) -> List[str]:
    """The answer in plain words: that it trains and from what, or the line it fails at and the line
    to write."""
    if diagnosis.trains:
        return [f"{diagnosis.path} will train with {diagnosis.api}, and {diagnosis.start}."]
    first = diagnosis.found[0]
    remedy = first.evidence.remedy or first.check.remedy
    if first.line is None:
        return [
            f"{diagnosis.path} can't be trained with as it is ({diagnosis.api}): "
            f"{first.evidence.subject} {first.evidence.message}.",
            f"What to do: {remedy}.",
        ]
    out = [
        f"{diagnosis.path} can't be trained with as it is ({diagnosis.api}), because of line "
        f"{first.line}:"
    ]
    if first.line <= len(diagnosis.lines):
        out.append("    " + diagnosis.lines[first.line - 1].strip())
    return out + [first.evidence.message + ".", f"What to do: {remedy}."]


def to_lines(diagnosis: Diagnosis) -> List[str]:
    """The verdict, then every finding: those of one check together."""
    out = verdict(diagnosis)
    if diagnosis.forecast:
        out += [""] + list(diagnosis.forecast)
    counts = [
        (severity, sum(one.check.severity == severity for one in diagnosis.found))
        for severity in _ORDER
    ]
    if diagnosis.found:
        out += [
            "",
            ", ".join(
                f"{count} {severity}{'' if count == 1 or severity == INFO else 's'}"
                for severity, count in counts
                if count
            )
            + ":",
        ]
    for check in dict.fromkeys(one.check for one in diagnosis.found):
        findings = [one.finding for one in diagnosis.found if one.check is check]
        out += ["", f"{check.severity} {check.code}: {check.cause}"]
        for finding in findings:
            out += ["  " + finding.subject, "    " + finding.message]
            if finding.remedy != check.remedy or finding is findings[-1]:
                out.append("    -> " + finding.remedy)
    return out


def fixed(data: bytes, path: str, options: Options) -> Tuple[bytes, List[Found]]:
    """The config with every remedy that its text can take, and what was remedied.

    Raises:
      SourceError: the config's bytes are no text.
    """
    done: List[Found] = []
    tried = set()
    for _ in range(_ROUNDS):
        diagnosis = diagnose(data, path, options)
        before = data
        for one in diagnosis.found:
            if not fixable(one) or (one.check.code, one.evidence.message) in tried:
                continue
            tried.add((one.check.code, one.evidence.message))
            changed = _apply(data, path, one.evidence)
            if changed is not None and changed != data:
                data = changed
                done.append(one)
        if data == before:
            break
    return data, done


def _apply(data: bytes, path: str, evidence: Evidence) -> Optional[bytes]:
    """The config with one remedy, None where it can't take it (any more)."""
    if evidence.text is not None:
        return evidence.text.encode("utf-8")
    try:
        return apply_edits(
            Document.parse(data, subject=path).without_bom(), evidence.edits
        ).encode()
    except GraphfixError:
        return None
