"""What a conversion did, as data: the summary, report.json, report.html, the exit code are views.

report.json has what plan.json and the checkpoint's index beside it do not; `load` reads a report
back from the three, so that it can be shown again with what `verify` has found since.
"""

import dataclasses
import json
import os
import re
from typing import Any, Dict, Iterable, Iterator, Mapping, Optional, Tuple

from graphfix.choices import Target
from graphfix.detectors import families
from graphfix.errors import SourceError
from graphfix.findings import LEFT_OUT, Finding, count
from graphfix.formats import json_data
from graphfix.formats.checkpoint import reader
from graphfix.formats.regular_files import read_file
from graphfix.fronts import shown
from graphfix.modeldir.names import CHECKPOINT, PLAN_JSON, REPORT_JSON
from graphfix.pipeline_config.label_map import MAX_CLASSES
from graphfix.planning.classes import TargetClass
from graphfix.planning.edits import EDITS
from graphfix.planning.plan import Plan
from graphfix.planning.plan_json import read_plan
from graphfix.report.exports import Export
from graphfix.restore import trainers
from graphfix.restore.requested import count_restored

_REMEDY = "convert again with this version of graphfix"
_LIMIT = 64 << 20
_MOST_PIXELS, _MOST_SIDES, _LARGEST = 1 << 16, 254, 1e6


@dataclasses.dataclass(frozen=True)
class Detection:
    """A box (ymin, xmin, ymax, xmax in 0..1), its score, and its class's id in the label map."""

    box: Tuple[float, float, float, float]
    score: float
    class_id: int


@dataclasses.dataclass(frozen=True)
class Picture:
    """What the source (`before`) and the converted model (`after`) detect in one picture.

    `file` is its copy in the directory `pictures` beside the report; sizes are in pixels.
    """

    name: str
    file: str
    width: int
    height: int
    before: Tuple[Detection, ...]
    after: Tuple[Detection, ...]


@dataclasses.dataclass(frozen=True)
class MapAnchorsChange:
    """The (height, width) of the anchors at a location of a feature map, before and after."""

    before: Tuple[Tuple[float, float], ...]
    after: Tuple[Tuple[float, float], ...]


@dataclasses.dataclass(frozen=True)
class Verification:
    """What the stock API of a revision did with the result when its trainer started from it."""

    api: str
    trainer: str
    summary: str
    complete: bool
    unrestored: Tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class OutputFigure:
    """The largest difference of some values from the source's, None where they have no number in
    common, and the largest of the source's."""

    name: str
    difference: Optional[float]
    largest: float


@dataclasses.dataclass(frozen=True)
class Outputs:
    """Whether a part of the output (`what`) computes in the stock API of a revision what the
    source's own graph does."""

    api: str
    what: str
    summary: str
    equal: bool
    figures: Tuple[OutputFigure, ...] = ()
    notes: Tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, repr=False)
class Report:
    """A plan, what was published for it (`artifacts`: file names), and what there is to know.

    `outgoing` are the names of the tensors written; `source_shapes` has the tensors that change
    shape; `model_dir` is where a complete training checkpoint was written; `anchors` are those of
    each feature map, where they change; `strangers` are the outgoing tensors that the model does
    not have; `outputs` compares what it computes with what the source does; `exports` is what it
    can be exported to.
    """

    source: str
    family: str
    plan: Plan
    outgoing: Tuple[str, ...]
    artifacts: Tuple[str, ...]
    config_diff: Tuple[str, ...]
    source_shapes: Mapping[str, Tuple[int, ...]]
    model_dir: Optional[str] = None
    verifications: Tuple[Verification, ...] = ()
    pictures: Tuple[Picture, ...] = ()
    anchors: Tuple[MapAnchorsChange, ...] = ()
    strangers: Tuple[str, ...] = ()
    outputs: Tuple[Outputs, ...] = ()
    exports: Tuple[Export, ...] = ()

    def __repr__(self) -> str:
        return f"<Report of {self.source}: {self.summary}>"

    def _repr_html_(self) -> str:
        """The page of report.html, for a notebook: in a frame, so that its style stays its own."""
        from html import escape

        from graphfix.report.html import render  # which takes long to import

        findings = tuple(
            dataclasses.replace(one, subject=shown(one.subject), remedy=shown(one.remedy))
            for one in self.findings
        )
        asked = dataclasses.replace(self, plan=dataclasses.replace(self.plan, findings=findings))
        page = escape(render(asked), quote=True)
        return f'<iframe srcdoc="{page}" width="100%" height="600" frameborder="0"></iframe>'

    @property
    def exit_code(self) -> int:
        fine = all(one.complete for one in self.verifications)
        return 0 if fine and all(one.equal for one in self.outputs) else 4

    @property
    def source_names(self) -> Tuple[str, ...]:
        return self.plan.source_names

    @property
    def findings(self) -> Tuple[Finding, ...]:
        return self.plan.findings

    @property
    def summary(self) -> str:
        """The one line to quote."""
        plan = self.plan
        averages = sum(one.kind == "copy" for one in plan.additions)
        added = f", {count(averages, 'moving average')} added" if averages else ""
        carried = count(plan.carried, "class", "classes")
        return (
            f"{len(plan.edits)} tensors: {plan.copied} kept, {plan.rewritten} rewritten, "
            f"{plan.dropped} dropped{added}; stock API {plan.target_api}{self._restored()}; "
            f"{carried} carried, {plan.new} new{self._left_out()}"
        )

    def _left_out(self) -> str:
        names = [one.subject for one in self.findings if one.code == LEFT_OUT]
        return f"; {' and '.join(names)} left out ({LEFT_OUT})" if names else ""

    def _restored(self) -> str:
        """What the trainers restore: said once where they agree."""
        rows = []
        for name, what in trainers.restored(self.plan.target_api, self.plan.trainer):
            kept, total = self.restore_count(name, what)
            rows.append((name, f"restores {kept} of {total}"))
        if len({words for _, words in rows}) == 1:
            return " " + rows[0][1]
        return ": " + ", ".join(f"{name} {words}" for name, words in rows)

    def restore_count(self, trainer: str, what: str) -> Tuple[int, int]:
        """How many of how many model variables a trainer restores that restores `what`."""
        others = {families.GLOBAL_STEP}.union(self.strangers)
        variables = [
            one
            for one in self.outgoing
            if one not in others and not one.endswith(families.MOVING_AVERAGE)
        ]
        return count_restored(variables, what, trainer), len(variables)

    @property
    def left_behind(self) -> Tuple[int, ...]:
        """Ids of the source's classes of which no new one is made; where names are known, of
        those that have one."""
        used = {number for one in self.plan.classes for number in one.sources}
        named = any(self.source_names)
        return tuple(
            number
            for number, name in enumerate(self.source_names, 1)
            if number not in used and (name or not named)
        )

    def with_results(
        self, found: Iterable[Verification], outputs: Iterable[Outputs] = ()
    ) -> "Report":
        """This report with new results, each in the place of an older one of its kind."""
        rows = {(one.api, one.trainer): one for one in self.verifications}
        rows.update(((one.api, one.trainer), one) for one in found)
        compared = {(one.api, one.what): one for one in self.outputs}
        compared.update(((one.api, one.what), one) for one in outputs)
        return dataclasses.replace(
            self,
            verifications=tuple(rows[key] for key in sorted(rows)),
            outputs=tuple(compared[key] for key in sorted(compared)),
        )

    def to_json(self) -> str:
        plan = self.plan
        data: Dict[str, Any] = {
            "summary": self.summary,
            "source": self.source,
            "family": self.family,
            "target_api": plan.target_api,
            "trainer": plan.trainer,
            "classes": [dataclasses.asdict(one) for one in plan.classes],
            "source_names": list(self.source_names),
            "tensors": {kind: sum(one.kind == kind for one in plan.edits) for kind in EDITS},
            "source_shapes": {name: list(shape) for name, shape in self.source_shapes.items()},
            "artifacts": list(self.artifacts),
            "config_diff": list(self.config_diff),
            "findings": [dataclasses.asdict(one) for one in self.findings],
            "model_dir": self.model_dir,
            "verifications": [dataclasses.asdict(one) for one in self.verifications],
            "outputs": [dataclasses.asdict(one) for one in self.outputs],
            "pictures": [dataclasses.asdict(one) for one in self.pictures],
            "anchors": [dataclasses.asdict(one) for one in self.anchors],
            "strangers": list(self.strangers),
            "exports": [dataclasses.asdict(one) for one in self.exports],
            "exit_code": self.exit_code,
        }
        return json.dumps(data, indent=2, sort_keys=True) + "\n"


def load(directory: str) -> Report:
    """The report of a directory that convert wrote.

    Raises:
      SourceError: a file is missing, is not what its name says, or contradicts another.
    """
    plan = read_plan(os.path.join(directory, PLAN_JSON))
    outgoing = tuple(reader.open_bundle(os.path.join(directory, CHECKPOINT)))
    path = os.path.join(directory, REPORT_JSON)
    data = json_data.parse(read_file(path, limit=_LIMIT), path, "report of graphfix", _REMEDY)
    try:
        return _report(data, plan, outgoing)
    except json_data.Wrong as error:
        raise SourceError(path, f"is not a valid report of graphfix: {error}", _REMEDY) from None


def _report(data: Dict[str, Any], plan: Plan, outgoing: Tuple[str, ...]) -> Report:
    """The report of report.json's data, held against its plan.  Raises json_data.Wrong."""

    def read(kind: Any, name: str):
        if name not in data:
            raise json_data.Wrong(f"lacks '{name}'")
        return json_data.read(kind, data[name], name)

    # What plan.json says as well.
    for name in ("target_api", "trainer", "classes"):
        kind = Tuple[TargetClass, ...] if name == "classes" else str
        if read(kind, name) != getattr(plan, name):
            raise json_data.Wrong(f"is not what {PLAN_JSON} says", name)
    read(str, "summary"), read(int, "exit_code"), read(Tuple[Finding, ...], "findings")
    shapes: Any = data.get("source_shapes")
    json_data.keys(shapes, (), shapes if isinstance(shapes, dict) else ())
    report = Report(
        read(str, "source"),
        read(str, "family"),
        dataclasses.replace(plan, source_names=read(Tuple[str, ...], "source_names")),
        outgoing,
        read(Tuple[str, ...], "artifacts"),
        read(Tuple[str, ...], "config_diff"),
        source_shapes={
            json_data.read(str, name, "source_shapes"): json_data.read(
                Tuple[int, ...], shape, "source_shapes", name
            )
            for name, shape in shapes.items()
        },
        model_dir=read(Optional[str], "model_dir"),
        verifications=read(Tuple[Verification, ...], "verifications"),
        pictures=read(Tuple[Picture, ...], "pictures"),
        anchors=read(Tuple[MapAnchorsChange, ...], "anchors"),
        strangers=read(Tuple[str, ...], "strangers"),
        outputs=read(Tuple[Outputs, ...], "outputs"),
        exports=read(Tuple[Export, ...], "exports"),
    )
    for steps, wrong in _contradictions(report):
        raise json_data.Wrong(wrong, *steps)
    return report


def _contradictions(report: Report) -> Iterator[Tuple[tuple, str]]:
    """(place, what is wrong there) of what cannot be, or that a page cannot show."""
    if len(report.source_names) > MAX_CLASSES:
        yield ("source_names",), f"has {len(report.source_names)} names"
    for name, shape in report.source_shapes.items():
        if len(shape) > _MOST_SIDES or any(side < 0 for side in shape):
            yield ("source_shapes", name), "is no shape"
    if not set(report.strangers) <= set(report.outgoing):
        yield ("strangers",), "names tensors that are not there"
    for number, export in enumerate(report.exports):
        # It is part of a command to paste.
        if export.target not in [one.value for one in Target]:
            yield ("exports", number, "target"), f"is '{export.target[:40]}', which is none"
    for number, one in enumerate(report.verifications):
        if one.trainer not in (trainers.MODEL_MAIN, trainers.LEGACY):
            yield ("verifications", number, "trainer"), f"is '{one.trainer[:40]}', which is none"
    for number, picture in enumerate(report.pictures):
        # The file is read and shown, so nothing but a name that graphfix gives is taken.
        if not re.match(r"[0-9a-f]{16}\.jpg\Z", picture.file):
            yield ("pictures", number, "file"), "is no name that graphfix gives"
        if not (0 < picture.width < _MOST_PIXELS and 0 < picture.height < _MOST_PIXELS):
            yield ("pictures", number), "has no size that a JPEG has"
        for side in ("before", "after"):
            for index, found in enumerate(getattr(picture, side)):
                if not 0 < found.class_id <= MAX_CLASSES or not 0 <= found.score <= 1:
                    yield ("pictures", number, side, index), "is no detection"
    for number, change in enumerate(report.anchors):
        for side in ("before", "after"):
            sizes = getattr(change, side)
            if not sizes or not all(0 < edge < _LARGEST for size in sizes for edge in size):
                yield ("anchors", number, side), "has anchors of no size"
