"""The plan of a surgery: for every tensor of the source exactly one edit, and what is added.

Made from metadata alone; a plan is plain data that can be printed, compared, stored as JSON and
replayed.  What it decides:

* class heads gather the rows of carried classes and fill the others (see NEW_ROWS in request);
* `global_step` becomes int64 0: legacy trainers of 2018-03 to 2018-05 restore it and would
  resume far along, and the stock exporter wants it there;
* optimizer slots go: the stock API never fine-tunes from them;
* moving averages go, or are what the model takes its values from (`--weights`), and are written
  afresh as copies where the legacy trainer would else start them from random values.
"""

import collections
import dataclasses
import json
import math
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from graphfix.config.edits import ConfigEdit
from graphfix.errors import RequestError, SourceError
from graphfix.findings import Finding
from graphfix.model import families
from graphfix.model.describe import CLASS, HeadSpec, ModelSpec
from graphfix.model.layout import FRESH, ChannelLayout
from graphfix.surgery.edits import (
    CONSTANT, MEAN, NOISE, Addition, Constant, Copy, Drop, Edit, Fill, Gather, Initializer, Keep,
    Rename, Reset)
from graphfix.surgery.request import SurgeryRequest, TargetClass
from graphfix.tensors import TensorMeta

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class SurgeryPlan:
    """Everything that will be done: to tensors, to the config, which classes result, and what
    there is to know about it."""

    source_digest: str
    target_api: str
    trainer: str
    classes: Tuple[TargetClass, ...]
    edits: Tuple[Edit, ...]
    additions: Tuple[Addition, ...]
    config_edits: Tuple[ConfigEdit, ...]
    findings: Tuple[Finding, ...]

    def count(self, *kinds: type) -> int:
        return sum(isinstance(edit, kinds) for edit in self.edits)

    @property
    def carried(self) -> int:
        return sum(bool(one.sources) for one in self.classes if one.name)

    @property
    def new(self) -> int:
        return sum(not one.sources for one in self.classes if one.name)


def plan_tensors(model: ModelSpec, metas: Mapping[str, TensorMeta], request: SurgeryRequest, *,
                 initializer: Initializer, averages_used: bool, shadowed: bool
                 ) -> Tuple[Tuple[Edit, ...], Tuple[Addition, ...]]:
    """The edits for every tensor of the source, in name order, and the additions.

    `averages_used`: the config evaluates with moving averages.  `shadowed`: the trainer keeps
    some, so copies go out.

    Raises:
      RequestError: `--weights ema` on a checkpoint without moving averages.
    """
    averaged = _averaged(model, request, averages_used)
    heads = {name: head for head in model.heads if head.role == CLASS for name in head.tensors}
    extras = set(model.extras.optimizer)
    averages = set(model.extras.moving_averages)
    out = []  # type: List[Edit]
    variables = []
    for name, meta in metas.items():
        if name in extras:
            out.append(Drop(name, "optimizer state: the stock API does not fine-tune from it"))
        elif name in averages:
            parent = name[:-len(families.MOVING_AVERAGE)]
            if averaged:
                out.append(_outgoing(name, parent, heads, model, request, metas, initializer))
            else:
                out.append(Drop(name, "moving average: the model takes the trained values"))
        elif name == families.GLOBAL_STEP:
            out.append(Reset(name, 0))
        elif averaged and name + families.MOVING_AVERAGE in averages:
            out.append(Drop(name, "trained value: the model takes its moving average"))
            variables.append(meta)
        else:
            out.append(_outgoing(name, name, heads, model, request, metas, initializer))
            variables.append(meta)
    additions = []  # type: List[Addition]
    if families.GLOBAL_STEP not in metas:
        additions.append(Constant(families.GLOBAL_STEP, "int64", (), 0,
                                  "the stock exporter wants it"))
    if shadowed:
        additions += [Copy(meta.name + families.MOVING_AVERAGE, meta.name,
                           "the legacy trainer starts its moving average from this")
                      for meta in variables if trainable(meta)]
    return tuple(out), tuple(additions)


def trainable(meta: TensorMeta) -> bool:
    """Whether an optimizer trains this model variable."""
    return meta.dtype.is_floating and meta.name.rsplit("/", 1)[-1] not in families.UNTRAINED_LEAVES


def _averaged(model: ModelSpec, request: SurgeryRequest, averages_used: bool) -> bool:
    if request.weights == "ema" and not model.extras.moving_averages:
        raise RequestError("--weights ema", "the checkpoint holds no moving averages",
                           "leave --weights out")
    return bool(model.extras.moving_averages) and (
        request.weights == "ema" or request.weights == "auto" and averages_used)


def _outgoing(name: str, to: str, heads: Mapping[str, HeadSpec], model: ModelSpec,
              request: SurgeryRequest, metas, initializer: Initializer) -> Edit:
    head = heads.get(to)
    if head is not None:
        slots = _slots(request.classes, head)
        if slots != [[slot] for slot in range(head.layout.size("slot"))]:
            return _gather(name, to, head, slots, request, metas[name], initializer)
    return Keep(name) if name == to else Rename(name, to)


def _slots(classes: Sequence[TargetClass], head: HeadSpec) -> List[List[int]]:
    """For every new slot, the old slots it is made of; the background's is kept."""
    shift = 1 if head.background else 0
    slots = [[0]] if head.background else []
    return slots + [[source - 1 + shift for source in one.sources] for one in classes]


def _gather(name: str, to: str, head: HeadSpec, slots: List[List[int]], request: SurgeryRequest,
            meta: TensorMeta, initializer: Initializer) -> Gather:
    old = head.layout
    new = old.resized("slot", len(slots))
    index = old.gather_index({"slot": [one[0] if len(one) == 1 else FRESH for one in slots]})
    fills = []  # type: List[Fill]
    weights = len(meta.shape) > 1
    first = 1 if head.background else 0
    everything = tuple(number - 1 + first for number in request.trained)
    places = collections.defaultdict(list)  # type: Dict[int, List[Tuple[int, Dict[str, int]]]]
    for channel, place in enumerate(new.places()):
        places[place["slot"]].append((channel, place))
    means = {}  # type: Dict[Any, List[int]]
    for slot, sources in enumerate(slots):
        if len(sources) == 1:
            continue
        one = request.classes[slot - first]
        channels = tuple(channel for channel, _ in places[slot])
        if sources or request.new_rows == "mean" or request.new_rows == "prior" and not weights:
            # Old slots, and the first of their channels: the same for all classes new alike.
            for channel, place in places[slot]:
                of = tuple(sources) or everything
                means.setdefault((of, old.channel(dict(place, slot=0))), []).append(channel)
        elif weights and request.new_rows in ("prior", "random"):
            key = "graphfix/%d/%s/%s" % (request.seed, to, one.name or one.id)
            fills.append(Fill(NOISE, channels, initializer=_scaled(initializer, meta, new), key=key))
        else:
            fills.append(Fill(CONSTANT, channels, value=0.0))
    stride = old.stride("slot")
    fills += [Fill(MEAN, tuple(channels), tuple(base + slot * stride for slot in of))
              for (of, base), channels in means.items()]
    return Gather(name, to, index, tuple(fills))


def _scaled(initializer: Initializer, meta: TensorMeta, new: ChannelLayout) -> Initializer:
    """A variance-scaling initializer's scale for this tensor; others have theirs already."""
    if not initializer.kind.startswith("variance_scaling:"):
        return initializer
    _, mode, kind = initializer.kind.split(":")
    window = 1
    for size in meta.shape[:-2]:
        window *= size
    fan_in, fan_out = window * meta.shape[-2], window * new.channels
    count = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "FAN_AVG": (fan_in + fan_out) / 2.0}[mode]
    # slim: the truncated normal is widened by 1.3, for what truncation takes off its variance.
    widening = 3.0 if kind == "uniform" else 1.3
    return Initializer(kind, 0.0, math.sqrt(widening * initializer.scale / count))


def read_initializer(hyperparams, subject: str) -> Initializer:
    """The initializer of a Hyperparams message.

    Raises:
      SourceError: naming `subject`, where there is none graphfix knows.
    """
    kind = hyperparams.initializer.WhichOneof("initializer_oneof")
    given = getattr(hyperparams.initializer, kind) if kind else None
    if kind == "truncated_normal_initializer":
        return Initializer("truncated_normal", given.mean, given.stddev)
    if kind == "random_normal_initializer":
        return Initializer("normal", given.mean, given.stddev)
    if kind == "variance_scaling_initializer":
        mode = type(given).DESCRIPTOR.fields_by_name["mode"].enum_type.values_by_number[given.mode]
        return Initializer("variance_scaling:%s:%s" % (
            mode.name, "uniform" if given.uniform else "truncated_normal"), 0.0, given.factor)
    raise SourceError(subject, "the box predictor's initializer is %s" % (kind or "not given"),
                      "give it a truncated_normal_initializer, random_normal_initializer or "
                      "variance_scaling_initializer")


_KINDS = {cls.__name__.lower(): cls for cls in (Keep, Gather, Reset, Rename, Drop, Copy, Constant)}


def to_json(plan: SurgeryPlan) -> str:
    """The plan as JSON, the same text for the same plan."""
    def row(edit) -> Dict[str, Any]:
        fields = dataclasses.asdict(edit)
        fields["edit"] = type(edit).__name__.lower()
        if "fills" in fields:
            fields["fills"] = [{key: value for key, value in fill.items() if value not in (None, (), "")}
                               for fill in fields["fills"]]
        return fields
    # One edit a line, keys in order: comparable line by line.
    def lines(rows) -> str:
        return ",\n".join("  " + json.dumps(one, sort_keys=True) for one in rows)
    head = json.dumps({"format": FORMAT, "source_digest": plan.source_digest,
                       "target_api": plan.target_api, "trainer": plan.trainer}, sort_keys=True)
    return '%s,\n"classes": [\n%s\n],\n"edits": [\n%s\n],\n"additions": [\n%s\n],\n' \
        '"config_edits": [\n%s\n],\n"findings": [\n%s\n]}\n' % (
            head[:-1], lines(dataclasses.asdict(one) for one in plan.classes),
            lines(map(row, plan.edits)), lines(map(row, plan.additions)),
            lines(dataclasses.asdict(one) for one in plan.config_edits),
            lines(dataclasses.asdict(one) for one in plan.findings))


def from_json(text: str, subject: str) -> SurgeryPlan:
    """The plan of a JSON text.

    Raises:
      SourceError: naming `subject`, when the text is no plan.
    """
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise SourceError(subject, "is a plan of format %s" % data["format"],
                              "make the plan again with this version of graphfix")
        return SurgeryPlan(
            data["source_digest"], data["target_api"], data["trainer"],
            tuple(TargetClass(**_tuples(row)) for row in data["classes"]),
            tuple(map(_edit, data["edits"])), tuple(map(_edit, data["additions"])),
            tuple(ConfigEdit(**_tuples(row)) for row in data["config_edits"]),
            tuple(Finding(**row) for row in data["findings"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(subject, "is no plan of graphfix (%s: %s)"
                          % (type(error).__name__, error), "make it with graphfix plan --json"
                          ) from None


def _edit(row: Dict[str, Any]):
    fields = _tuples(row)
    kind = _KINDS[fields.pop("edit")]
    if kind is Gather:
        fields["fills"] = tuple(_fill(fill) for fill in row["fills"])
    return kind(**fields)


def _fill(row: Dict[str, Any]) -> Fill:
    fields = _tuples(row)
    if fields["rule"] not in (MEAN, NOISE, CONSTANT):
        raise ValueError("unknown rule %r" % fields["rule"])
    if "initializer" in row:
        fields["initializer"] = Initializer(**row["initializer"])
    return Fill(**fields)


def _tuples(row: Dict[str, Any]) -> Dict[str, Any]:
    def frozen(value):
        return tuple(frozen(one) for one in value) if isinstance(value, list) else value
    return {key: frozen(value) for key, value in row.items()}


def check_fits(plan: SurgeryPlan, metas: Mapping[str, TensorMeta], digest: str, subject: str) -> None:
    """Refuses a replayed plan that was made for another source.

    Raises:
      RequestError: naming `subject`, the plan's file.
    """
    if plan.source_digest != digest or [edit.tensor for edit in plan.edits] != list(metas):
        raise RequestError(subject, "was made for another source (digest %s, this one's is %s)"
                           % (plan.source_digest[:12], digest[:12]),
                           "replay it on the checkpoint and config it was made from")
