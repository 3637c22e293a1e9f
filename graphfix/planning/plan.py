"""The plan of a surgery: for every tensor of the source exactly one edit, and what is added.

Made from metadata alone; a plan is plain data that can be printed, compared, stored as JSON
(`plan_json`) and replayed.  What it decides:

* heads gather the rows of carried classes and fill the others (`heads`);
* `global_step` becomes int64 0: legacy trainers of 2018-03 to 2018-05 restore it and would
  resume far along, and the stock exporter wants it there;
* optimizer slots go: the stock API never fine-tunes from them;
* moving averages go, or are what the model takes its values from (`--weights`), and are written
  afresh as copies where the legacy trainer would else start them from random values;
* quantization's ranges stay, those of rewritten weights widened to hold them; the state by which
  training tracks a range, which exported models lack, is made so that the range goes on as it is;
* what Keras names goes out under both names by which a trainer may look for it.
"""

import dataclasses
from typing import List, Mapping, Optional, Sequence, Tuple

from graphfix.detectors import families, quantization
from graphfix.detectors.anchor_order import Order
from graphfix.detectors.auxiliary_variables import trainable
from graphfix.detectors.describe import HeadSpec, ModelSpec
from graphfix.detectors.families import BOX, OFFSET
from graphfix.detectors.membership import strangers
from graphfix.errors import RequestError
from graphfix.findings import INFO, WARNING, Finding, count
from graphfix.formats import dtypes
from graphfix.formats.tensors import TensorMeta
from graphfix.options import Weights
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.label_map import Label, LabelMap
from graphfix.planning.classes import SurgeryRequest, TargetClass
from graphfix.planning.edits import (
    Addition,
    Constant,
    Copy,
    Drop,
    Edit,
    Gather,
    Keep,
    Rename,
    Reset,
    Stretch,
    Widen,
)
from graphfix.planning.heads import gather_head, leaf
from graphfix.restore import trainers

# A moving average with contrib.quantize's decay of 0.999 that was updated this often no longer
# depends on where it began: its zero-debiased value equals the biased one in float32.
_SETTLED = 100000


@dataclasses.dataclass(frozen=True, repr=False)
class Plan:
    """Everything that will be done: to tensors, to the config, which classes result, and what
    there is to know about it.

    `anchor_order`: the source was trained with the config's anchors in another order.
    `source_names` are the display names of the source's classes, that of id 1 first, "" where
    nobody knows one; a plan's JSON does not have them.
    """

    source_digest: str
    target_api: str
    trainer: str
    classes: Tuple[TargetClass, ...]
    edits: Tuple[Edit, ...]
    additions: Tuple[Addition, ...]
    config_edits: Tuple[ConfigEdit, ...]
    findings: Tuple[Finding, ...]
    anchor_order: Order = ()
    source_names: Tuple[str, ...] = dataclasses.field(default=(), compare=False)

    def __repr__(self) -> str:
        classes = f"{count(self.carried, 'class', 'classes')} carried over, {self.new} new"
        return (
            f"<Plan: {classes}; {count(len(self.edits), 'tensor')}: {self.copied} kept, "
            f"{self.rewritten} rewritten, {self.dropped} dropped>"
        )

    @property
    def copied(self) -> int:
        """How many tensors go out byte for byte."""
        return sum(edit.copies for edit in self.edits)

    @property
    def rewritten(self) -> int:
        """How many tensors go out with other values."""
        return sum(edit.rewrites for edit in self.edits)

    @property
    def dropped(self) -> int:
        """How many tensors do not go out."""
        return sum(edit.output_name is None for edit in self.edits)

    def to_json(self) -> str:
        """The plan as JSON, the same text for the same plan; `convert` replays it."""
        from graphfix.planning.plan_json import to_json  # which makes plans itself

        return to_json(self)

    def to_lines(self) -> List[str]:
        """What the plan does, in words: classes, tensors, the config's changes, the findings."""
        from graphfix.planning.plan_text import to_lines

        return to_lines(self)

    def source_name(self, number: int) -> str:
        """The name of the source's class with an id, or words for it."""
        known = 0 < number <= len(self.source_names) and self.source_names[number - 1]
        return known or f"class {number}"

    @property
    def label_map(self) -> LabelMap:
        """The label map of the classes."""
        return LabelMap(
            tuple(Label(one.id, one.name, one.display_name) for one in self.classes if one.name)
        )

    @property
    def carried(self) -> int:
        return sum(bool(one.sources) for one in self.classes if one.name)

    @property
    def new(self) -> int:
        return sum(not one.sources for one in self.classes if one.name)


def plan_tensors(
    model: ModelSpec,
    metas: Mapping[str, TensorMeta],
    request: SurgeryRequest,
    *,
    averages_used: bool,
    shadowed: bool,
    quantization_delay: int,
) -> Tuple[Tuple[Edit, ...], Tuple[Addition, ...]]:
    """The edits for every tensor of the source, in name order, and the additions.

    `averages_used`: the config evaluates with moving averages.  `shadowed`: the trainer keeps
    some, so copies go out.  `quantization_delay`: the step from which the config's graph rewriter
    applies ranges.

    Raises:
      RequestError: `--weights ema` on a checkpoint without moving averages, or a model without
        a class head.
    """
    if not any(head.class_axis for head in model.heads):
        raise RequestError(
            "the target",
            "cannot be had: this model has a first stage only, which knows no classes",
            "start from a detector with a second stage",
        )
    planner = _Planner(model, metas, request, _averaged(model, request, averages_used))
    edits = tuple(planner.edit(name) for name in metas)
    additions: List[Addition] = []
    if families.GLOBAL_STEP not in metas or not _counts(metas[families.GLOBAL_STEP]):
        additions.append(
            Constant(families.GLOBAL_STEP, "int64", (), 0, "the stock exporter wants it")
        )
    if model.quantized:
        additions += _tracking(metas, quantization_delay)
    if trainers.renames_keras(request.target_api, request.trainer) is not False:
        additions += _second_names(planner.variables())
    if shadowed:
        others = set(strangers(model, metas))
        additions += [
            Copy(
                meta.name + families.MOVING_AVERAGE,
                meta.name,
                "the legacy trainer starts its moving average from this",
            )
            for meta in planner.variables()
            if trainable(meta) and meta.name not in others
        ]
    return edits, tuple(additions)


def _averaged(model: ModelSpec, request: SurgeryRequest, averages_used: bool) -> bool:
    if request.weights == Weights.EMA and not model.extras.moving_averages:
        raise RequestError(
            "--weights ema", "the checkpoint holds no moving averages", "leave --weights out"
        )
    return bool(model.extras.moving_averages) and (
        request.weights == Weights.EMA or (request.weights == Weights.AUTO and averages_used)
    )


def _counts(meta: TensorMeta) -> bool:
    return meta.dtype == dtypes.INT64 and meta.shape == ()


class _Planner:
    """Decides tensor by tensor; `averaged` says that values come from the moving averages."""

    def __init__(
        self,
        model: ModelSpec,
        metas: Mapping[str, TensorMeta],
        request: SurgeryRequest,
        averaged: bool,
    ):
        self.metas, self.request, self.averaged = metas, request, averaged
        self.heads = {name: head for head in model.heads for name in head.tensors}
        self.optimizer = set(model.extras.optimizer)
        self.averages = set(model.extras.moving_averages)
        self.weight_ranges, self.output_ranges = {}, {}
        for head in model.heads:
            for name, bound in quantization.weight_ranges(head.scope, model.extras.quantization):
                self.weight_ranges[name] = (head, bound)
            for name, bound in quantization.output_ranges(head.scope, model.extras.quantization):
                self.output_ranges[name] = (head, bound)

    def variables(self):
        """The model's own variables."""
        return [
            meta
            for name, meta in self.metas.items()
            if name not in self.optimizer
            and name not in self.averages
            and name != families.GLOBAL_STEP
        ]

    def edit(self, name: str) -> Edit:
        if name in self.optimizer:
            return Drop(name, "optimizer state: the stock API does not fine-tune from it")
        if name in self.averages:
            if self.averaged:
                return self._outgoing(name, name[: -len(families.MOVING_AVERAGE)])
            return Drop(name, "moving average: the model takes the trained values")
        if name == families.GLOBAL_STEP:
            return (
                Reset(name, 0)
                if _counts(self.metas[name])
                else Drop(name, "no int64 scalar, as which the trainers restore it")
            )
        if self.averaged and name + families.MOVING_AVERAGE in self.averages:
            return Drop(name, "trained value: the model takes its moving average")
        if name in self.weight_ranges:
            return self._weight_range(name)
        if name in self.output_ranges:
            return self._output_range(name)
        return self._outgoing(name, name)

    def _outgoing(self, name: str, to: str) -> Edit:
        head = self.heads.get(to)
        gather = head and gather_head(name, to, head, self.request, self.metas[name])
        if gather:
            return gather
        return Keep(name) if name == to else Rename(name, to)

    def _weight_range(self, name: str) -> Edit:
        """A range keeps its value as long as the new weights cannot leave it: rows taken from the
        source and their means cannot, drawn and recoded ones can."""
        head, bound = self.weight_ranges[name]
        edit = self._gather(head, head.tensors[0])
        if edit and (edit.affine or any(fill.initializer for fill in edit.fills)):
            return Widen(name, head.tensors[0], bound)
        return Keep(name)

    def _output_range(self, name: str) -> Edit:
        """The range of recoded box codes is recoded with them."""
        head, bound = self.output_ranges[name]
        (offset,) = [one for one in head.tensors if families.LEAVES[leaf(one)][0] == OFFSET]
        edit = self._gather(head, offset) if head.role == BOX else None
        return Stretch(name, edit.affine, bound) if edit and edit.affine else Keep(name)

    def _gather(self, head: HeadSpec, tensor: str) -> Optional[Gather]:
        return gather_head(tensor, tensor, head, self.request, self.metas[tensor])


def _tracking(metas: Mapping[str, TensorMeta], delay: int):
    """The state of tracked ranges that the checkpoint lacks, as if they had long settled."""
    made = False
    for name in metas:
        biased, local_step = quantization.tracking(name)
        if biased and biased not in metas:
            made = True
            yield Copy(biased, name, "training goes on tracking the range from its value")
            yield Constant(
                local_step, "float32", (), _SETTLED, "the range is as if updated this often"
            )
    if made and quantization.STEP not in metas:
        yield Constant(
            quantization.STEP,
            "int64",
            (),
            delay,
            "the model is quantized already, so ranges apply from the first step",
        )


def _second_names(variables: Sequence[TensorMeta]):
    names = {meta.name for meta in variables}
    for name in sorted(names):
        second = families.second_name(name)
        if second not in names:
            yield Copy(second, name, "model_main of this date looks for it there")


def remarks(model: ModelSpec, request: SurgeryRequest) -> Tuple[Finding, ...]:
    """What there is to know about a model's surgery that its edits do not show."""
    findings = [
        Finding(
            "WIDTH_PINNED",
            INFO,
            ".".join(path),
            (
                f"is written out as {value}: left to the API, the width of "
                "the trained layers would follow the number of classes"
            ),
            "leave it as it is",
        )
        for path, value in model.pins
    ]
    if model.quantized and any(not one.sources for one in request.classes):
        findings.append(
            Finding(
                "ACTIVATION_RANGES",
                INFO,
                "act_quant",
                "keep the source's ranges, also behind rewritten class heads",
                "training adapts them; evaluate new classes only after some steps",
            )
        )
    if model.extras.quantization and not model.quantized:
        findings.append(
            Finding(
                "NOT_QUANTIZED",
                WARNING,
                "graph_rewriter",
                "is not in the config, but the checkpoint was "
                "trained with quantization: its ranges go unused",
                "add the graph_rewriter block the model was trained with to go on quantized",
            )
        )
    return tuple(findings)
