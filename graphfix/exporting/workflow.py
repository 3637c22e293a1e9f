"""export: a detector for new classes, for something other than TensorFlow 1, published whole.

The surgery is a conversion's, in the same pass; what is written is the target's (`targets`).
"""

import dataclasses
import json
import os
from typing import Any, Dict, Tuple, Union

from graphfix.choices import Target, Trainer
from graphfix.conversion.context import describe
from graphfix.conversion.decide import make_plan
from graphfix.conversion.open import opened
from graphfix.conversion.output import write_file
from graphfix.errors import Problem, RequestError
from graphfix.exporting.comparing import NOT_COMPARED, Asked, compared
from graphfix.exporting.detector import Detector, Written, detector
from graphfix.exporting.targets import TARGETS, TargetRow
from graphfix.findings import Finding, by_severity, count
from graphfix.modeldir import manifest
from graphfix.modeldir.destinations import Destination
from graphfix.modeldir.names import EXPORT_JSON, LABEL_MAP, MARKER
from graphfix.modeldir.openers import Model
from graphfix.options import OPTIONS, ConvertOptions
from graphfix.pipeline_config.label_map import format_label_map
from graphfix.pipeline_config.schema_history import LAST_MONTH
from graphfix.planning.classes import TargetClass
from graphfix.verification.copies import check_copies

# Of a conversion's options, those about a trainer of TensorFlow 1, and about its own output.
NOT_TAKEN = ("freeze", "target_api", "trainer", "fine_tune_checkpoint", "require_graph")
RECORDS = ("train_record", "eval_record")
NOTHING_ASKED = Asked(wanted=False)
# What a config tells such a trainer; a target tells its own.
_OF_TRAINERS = ("train_config.fine_tune_checkpoint", "train_config.from_detection_checkpoint")
_ABOUT_PATHS = ("PATH_KEPT", "PLACEHOLDER")


@dataclasses.dataclass(frozen=True, repr=False)
class Exported:
    """What was exported: the `target`, the classes, the number of `variables`, the names of the
    `files`, what there is to know, and what to do next.

    `names` has what each variable is called in the target, where it has names; `details` what else
    the target tells; `options` what was asked for; `comparison` what the target's runtime detects
    beside the frozen graph, where that was asked.  It is export.json in the output, too.
    """

    target: Target
    source: str
    family: str
    classes: Tuple[TargetClass, ...]
    variables: int
    files: Tuple[str, ...]
    result: str
    findings: Tuple[Finding, ...]
    next_steps: Tuple[str, ...]
    names: Dict[str, str]
    details: Dict[str, Any]
    options: Dict[str, Any] = dataclasses.field(default_factory=dict)
    comparison: Dict[str, Any] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Exported {self.source}: {self.summary}>"

    @property
    def summary(self) -> str:
        """The one line to quote."""
        named = sum(bool(one.name) for one in self.classes)
        return f"{self.target}: {self.family} of {count(named, 'class', 'classes')}, {self.result}"

    @property
    def compared(self) -> Tuple[str, ...]:
        """Whether a device's runtime detects what the frozen graph does, or why that is not known;
        nothing where it was not asked."""
        if self.comparison:
            how = f"{self.comparison['runtime']}: {self.comparison['summary']}"
            return (f"compared with the frozen graph by {how}",)
        missing = [one for one in self.findings if one.code == NOT_COMPARED]
        return tuple(f"{one.subject} {one.message}" for one in missing)

    def to_json(self) -> str:
        data = dataclasses.asdict(self)
        data["target"] = self.target.value
        return json.dumps(data, indent=1, sort_keys=True) + "\n"


def export(
    target: Target,
    source: Union[str, Model],
    destination: Destination,
    options: ConvertOptions,
    *,
    drop_quantization: bool = False,
    comparison: Asked = NOTHING_ASKED,
) -> Exported:
    """Exports, verifies, compares and publishes.  `drop_quantization` allows the target to leave
    out ranges that it has no place for; the Python of the `comparison` has the target's own tools.

    Raises:
      GraphfixError: nothing was published, and what was there before still is.
    """
    row = TARGETS[target]
    _check_options(target, options, destination, trains=row.trains)
    _check_comparison(target, row, comparison)
    inputs = tuple(one for one in (source,) if isinstance(one, str)) + options.paths()
    destination.check(inputs)
    model = opened(source, options)
    made = decided(model, options, destination.place, drop_quantization=drop_quantization)
    made = dataclasses.replace(made, python=comparison.python or row.python())
    problems = row.problems(made)
    if problems:
        raise RequestError.collected(problems)
    with destination.staged(inputs + model.paths) as stage:
        written = row.load().write(made, stage.directory)
        labels = format_label_map(made.plan.label_map).encode()
        write_file(stage.directory, LABEL_MAP, labels)
        result = _result(target, made, written, stage.directory, trains=row.trains)
        figures, told = compared(
            row, stage.directory, dataclasses.asdict(result), comparison, made.model
        )
        findings = by_severity((*result.findings, *told))
        result = dataclasses.replace(result, comparison=figures, findings=findings)
        write_file(stage.directory, EXPORT_JSON, result.to_json().encode())
        _, measured = manifest.write(stage.directory)
        for prefix, tensors in written.checkpoints.items():
            check_copies(prefix, tensors, measured, source=model.store, edits=())
    return result


def decided(
    model: Model,
    options: ConvertOptions,
    place: str,
    *,
    drop_quantization: bool = False,
    api: str = LAST_MONTH,
) -> Detector:
    """The detector to export; its config is one of the TensorFlow 1 API of a month, the last of
    which has all names and fields.

    Raises:
      GraphfixError: what is asked for does not fit the model, or a file is damaged.
    """
    # What the legacy trainer needs in a checkpoint is none of a detector's variables.
    asked = dataclasses.replace(options, target_api=api, trainer=Trainer.LEGACY)
    context = describe(model, asked)
    plan = make_plan(context, place=place, resumable=False, classes_given=False)
    return detector(context, plan, place, drop_quantization=drop_quantization)


def _check_options(
    target: Target, options: ConvertOptions, destination: Destination, *, trains: bool
) -> None:
    problems = []
    if destination.resumable:
        problems.append(
            Problem(
                "--model_dir",
                "is for a training checkpoint of TensorFlow 1, which export does not write",
                "leave it out, and give it to convert",
            )
        )
    given = options.given()
    problems += [
        Problem(f"--{name}", f"means nothing to {target}", "leave it out")
        for name in NOT_TAKEN + (() if trains else RECORDS)
        if name in given
    ]
    if problems:
        raise RequestError.collected(problems)


def _check_comparison(target: Target, row: TargetRow, comparison: Asked) -> None:
    fields = (("runtime_python", "python"), ("tf1_python", "tf1_python"), ("images", "images"))
    given = [f"--{name}" for name, field in fields if getattr(comparison, field)]
    if given and not row.runtime:
        raise RequestError.collected(
            Problem(flag, f"means nothing to {target}, which export does not run", "leave it out")
            for flag in given
        )


def _result(
    target: Target, made: Detector, written: Written, directory: str, *, trains: bool
) -> Exported:
    told = (
        one
        for one in made.findings
        if not one.subject.startswith(_OF_TRAINERS) and (trains or one.code not in _ABOUT_PATHS)
    )
    files = sorted(
        os.path.relpath(os.path.join(top, name), directory).replace(os.sep, "/")
        for top, _, names in os.walk(directory)
        for name in names
        if name != MARKER
    )
    return Exported(
        target,
        made.path,
        made.model.family,
        made.classes,
        len(made.variables),
        tuple(files),
        written.summary,
        by_severity(dict.fromkeys((*told, *written.findings))),
        written.next_steps,
        dict(written.names),
        written.details or {},
        absolute_options(made.context.options),
    )


def absolute_options(options: ConvertOptions) -> Dict[str, Any]:
    """The options that are given, their paths so that they are found from anywhere."""
    given = {name: value for name, value in options.given().items() if name not in NOT_TAKEN}
    for name, value in given.items():
        if OPTIONS[name].read and OPTIONS[name].is_read(value):
            given[name] = os.path.abspath(value)
    return given
