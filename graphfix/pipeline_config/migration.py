"""Makes a pipeline.config of any revision one that another revision's API accepts.

`translate` finds everything that a schema does not accept and plans an edit for each: what has an
equivalent is translated (migration_rules.py), the rest is removed.  Each comes with a finding that
explains the effect; what would change the network is a problem instead, for the caller to refuse.
"""

import os
from typing import FrozenSet, List, NamedTuple, Tuple

from graphfix.errors import Problem
from graphfix.findings import INFO, WARNING, Finding
from graphfix.formats.textproto import FLOAT, STRING, Block, Document, quote
from graphfix.pipeline_config.edits import EMPTY_BLOCK, ConfigEdit
from graphfix.pipeline_config.migration_effects import (
    DETECTION,
    NETWORK,
    NOTHING,
    TRAINING,
    Effect,
    effect_of,
)
from graphfix.pipeline_config.migration_rules import RULES, Translation, is_default
from graphfix.pipeline_config.migration_tables import DEFAULTS, FIRST_ONLY, METRICS, OLD_METRICS
from graphfix.pipeline_config.schema_history import (
    FieldHistory,
    Schema,
    everything,
    field_history,
    history,
)
from graphfix.pipeline_config.schema_violations import (
    NOT_WHOLE,
    REPEATED,
    UNKNOWN_FIELD,
    UNKNOWN_VALUE,
    SchemaViolation,
    violations,
)

Path = Tuple[str, ...]

_METRICS = ("eval_config", "metrics_set")
# Blocks that are one choice, and go with it: the API does not accept an empty one.
_ONE_CHOICE = {
    "PreprocessingStep": Effect(TRAINING, "the augmentation is left out"),
    "CalibrationConfig": Effect(DETECTION, "scores come out uncalibrated"),
}
# Blocks that have no effect where all of their fields are at their defaults; the presence of any
# other has one.
_DEFAULT_BLOCKS = ("SsdFeatureExtractor.fpn",)


class Translated(NamedTuple):
    """Edits in the order to make them, findings about them, and what the API cannot do."""

    edits: Tuple[ConfigEdit, ...]
    findings: Tuple[Finding, ...]
    problems: Tuple[Problem, ...]


def translate(
    document: Document, revision: str, schema: Schema, *, settled: FrozenSet[Path] = frozenset()
) -> Translated:
    """The edits that make a config acceptable to `schema`, the API of `revision`.

    `settled` are the paths of fields that the caller sets itself: they count as given once.
    """
    work = _Work(document, revision, schema)
    for violation in violations(document, schema, everything()):
        if violation.kind != REPEATED or violation.path not in settled:
            work.settle(violation)
    work.metrics()
    work.defaults()
    # Removals from the last to the first: the numbers in the earlier paths stay valid.
    return Translated(
        tuple(work.sets + work.removals[::-1]), tuple(work.findings), tuple(work.problems)
    )


class _Work:
    def __init__(self, document: Document, revision: str, schema: Schema):
        self.document, self.revision, self.schema = document, revision, schema
        self.sets: List[ConfigEdit] = []
        self.removals: List[ConfigEdit] = []
        self.findings: List[Finding] = []
        self.problems: List[Problem] = []

    def settle(self, violation: SchemaViolation) -> None:
        """Plans what becomes of one violation."""
        if violation.kind == REPEATED:
            self._keep_first(violation)
        elif violation.kind == NOT_WHOLE:
            self._round(violation)
        elif violation.kind == UNKNOWN_VALUE:
            self._unknown_value(violation)
        else:
            translation = next(filter(None, (rule(violation, self.schema) for rule in RULES)), None)
            if translation is None:
                self._unknown_field(violation)
            else:
                self._translate(violation, translation)

    def _translate(self, violation: SchemaViolation, translation: Translation) -> None:
        for path, literal in translation.sets:
            self._set(path, literal)
        self._drop(violation)
        path, literal = translation.sets[0]
        became = ".".join(path) + (": " + literal if literal != EMPTY_BLOCK else "")
        if len(translation.sets) > 1:
            paths = [path for path, _ in translation.sets]
            became = ".".join(os.path.commonprefix(paths))  # noqa: RUF071 - of names, not of text
        self._add_finding(
            "FIELD_TRANSLATED",
            violation,
            f"became {became}, since {self.schema.name} does not know it ({_dates(violation)})",
            translation.effect,
        )

    def _unknown_field(self, violation: SchemaViolation) -> None:
        effect = effect_of(violation.key, violation.path)
        unknown = f"{self.schema.name} does not know it ({_dates(violation)})"
        if _at_default(violation.message, violation.field):
            effect = Effect(NOTHING, "it was at its default")
        elif violation.message in _ONE_CHOICE:
            effect = _ONE_CHOICE[violation.message]
        elif effect.kind == NETWORK:
            self._refuse(violation, f"{unknown}: {effect.words}")
            return
        elif _chosen(violation):
            self._refuse(violation, f"{unknown}, and has no replacement for it")
            return
        self._drop(violation)
        self._add_finding("FIELD_REMOVED", violation, "was removed, since " + unknown, effect)

    def _unknown_value(self, violation: SchemaViolation) -> None:
        effect = effect_of(violation.key, violation.path)
        unknown = f"{self.schema.name} has no {violation.field.values[0].raw}"
        if effect.kind == NETWORK:
            self._refuse(violation, f"{unknown}: {effect.words}")
            return
        self._drop(violation)
        self._add_finding("FIELD_REMOVED", violation, "was removed, since " + unknown, effect)

    def _keep_first(self, violation: SchemaViolation) -> None:
        if violation.path == _METRICS:
            return  # metrics() sees to all of them
        first = violation.block.named(violation.field.name)[0].values[0]
        if isinstance(first, Block):
            self._drop(violation)
        elif not any(edit.path == violation.path for edit in self.sets):
            self._set(violation.path, first.raw)
        self._add_finding(
            "FIELD_REMOVED",
            violation,
            (f"is given several times, and {self.schema.name} takes one: the first stays"),
            FIRST_ONLY.get(violation.key) or effect_of(violation.key, violation.path),
        )

    def _round(self, violation: SchemaViolation) -> None:
        given = violation.field.values[0]
        if given.kind != FLOAT:  # inf or nan
            self._drop(violation)
            self._add_finding(
                "FIELD_REMOVED",
                violation,
                f"was removed, since {self.schema.name} takes whole numbers",
                effect_of(violation.key, violation.path),
            )
            return
        # Sizes in pixels and periods in hours: none is below 1.
        whole = max(1, int(round(min(given.value, 2.0**31 - 1))))
        self._set(violation.path, str(whole))
        self._add_finding(
            "FIELD_TRANSLATED",
            violation,
            f"became {whole}, since {self.schema.name} takes whole numbers",
            Effect(NOTHING if whole == given.value else TRAINING, "it was " + given.raw),
        )

    def metrics(self) -> None:
        """Metrics come and go with revisions too, though the schema accepts any string."""
        fields = self.document.find(_METRICS)
        names = [
            value.value
            for field in fields
            for value in field.values
            if not isinstance(value, Block) and value.kind == STRING
        ]
        renamed = []
        for name in names:
            revision, newer = OLD_METRICS.get(name, ("9999-12", name))
            new = newer if self.revision >= revision else name
            while new in METRICS and self.revision < METRICS[new][0]:
                new = METRICS[new][1]
            if new not in renamed:
                renamed.append(new)
        spec = self.schema.field("EvalConfig", "metrics_set")
        if spec is not None and not spec.repeated:
            del renamed[1:]
        if renamed == names:
            return
        literals = [quote(name) for name in renamed]
        self._set(_METRICS, literals[0] if len(literals) == 1 else f"[{', '.join(literals)}]")
        self.findings.append(
            Finding(
                "FIELD_TRANSLATED",
                INFO,
                _subject(_METRICS, fields[0]),
                (
                    f"became {', '.join(renamed)}, of what {self.schema.name} "
                    "computes: evaluation's figures are of another kind"
                ),
                "see which metrics that API has, if you compare figures",
            )
        )

    def defaults(self) -> None:
        """Reports fields that are not set and had another default in that revision."""
        for above, message, name, words in DEFAULTS:
            spec, last = self.schema.field(message, name), everything().field(message, name)
            if (
                spec is not None
                and last is not None
                and spec.default != last.default
                and self.document.find(above)
                and not self.document.find(above + (name,))
            ):
                self.findings.append(
                    Finding(
                        "DEFAULT_DIFFERS",
                        INFO,
                        ".".join(above + (name,)),
                        f"is not given, and is {spec.default} by default in {self.schema.name} "
                        f"({last.default} later): {words}",
                        "write it into the config if it matters",
                    )
                )

    # Edits, findings, problems

    def _set(self, path: Path, literal: str) -> None:
        self.sets.append(ConfigEdit(path, literal, f"what {self.schema.name} calls it"))

    def _drop(self, violation: SchemaViolation) -> None:
        path = violation.path
        if violation.message in _ONE_CHOICE:
            path = path[:-1]
            outer = everything().field(violation.above[-2], path[-1].partition("[")[0])
            if outer is not None and outer.repeated and not path[-1].endswith("]"):
                path = path[:-1] + (path[-1] + "[0]",)
        self.removals.append(ConfigEdit(path, None, f"{self.schema.name} does not know it"))

    def _add_finding(
        self, code: str, violation: SchemaViolation, message: str, effect: Effect
    ) -> None:
        grave = effect.kind in (TRAINING, DETECTION)
        self.findings.append(
            Finding(
                code,
                WARNING if grave else INFO,
                _subject(violation.path, violation.field),
                f"{message}: {effect.words}",
                _other_api(violation) if grave else "there is nothing to do",
            )
        )

    def _refuse(self, violation: SchemaViolation, message: str) -> None:
        self.problems.append(
            Problem(
                violation.field.where,
                f"{'.'.join(violation.path)} cannot be kept: {message}",
                _other_api(violation),
            )
        )


def _dates(violation: SchemaViolation) -> str:
    """When a violation's field was known, in words."""
    known = _history(violation)
    return f"known from {known.first}" + (f" to before {known.gone}" if known.gone else " on")


def _other_api(violation: SchemaViolation) -> str:
    if violation.kind == UNKNOWN_VALUE and violation.spec:
        value = history().enums[violation.spec.type].get(violation.field.values[0].raw)
        return _from(value.first) if value else "name a later --target_api"
    if violation.kind != UNKNOWN_FIELD:
        return "see whether it matters to you"
    known = _history(violation)
    if known.gone:
        when = f"from {known.first} to before {known.gone}"
        return f"see whether it matters to you: only an API {when} has it"
    return _from(known.first)


def _from(day) -> str:
    return f"name a --target_api from {str(day)[:7]} on to have it"


def _subject(path: Path, field) -> str:
    return f"{'.'.join(path)} (line {field.line})"


def _chosen(violation: SchemaViolation) -> bool:
    """Whether a field is its oneof's only choice, so that its block says nothing without it."""
    return _history(violation).specs[-1][1].oneof is not None


def _history(violation: SchemaViolation) -> FieldHistory:
    known = field_history(violation.message, violation.field.name)
    assert known is not None  # or it would be a fault of the text, and no violation
    return known


def _at_default(message: str, field) -> bool:
    """Whether a field is set to its default, so that removing it changes nothing."""
    known = field_history(message, field.name)
    if known is None or len(field.values) != 1:
        return False
    spec, value = known.specs[0][1], field.values[0]
    if isinstance(value, Block):
        return f"{message}.{field.name}" in _DEFAULT_BLOCKS and all(
            _at_default(spec.type, inner) for inner in value.fields
        )
    return not spec.repeated and spec.oneof is None and is_default(value, spec)
