"""A detector after its surgery, as a target takes it."""

import dataclasses
from typing import Any, Dict, Mapping, Optional, Tuple

from graphfix.conversion.context import Context
from graphfix.conversion.graphs import rewritten_graphs
from graphfix.conversion.output import new_generator
from graphfix.detectors import families
from graphfix.detectors.describe import ModelSpec, describe
from graphfix.detectors.membership import strangers
from graphfix.errors import RequestError
from graphfix.findings import Finding
from graphfix.formats.extents import joined
from graphfix.formats.tensors import TensorStore
from graphfix.modeldir.names import CONFIG, FROZEN
from graphfix.pipeline_config.document import PipelineConfig, bound_config
from graphfix.pipeline_config.edits import apply_edits
from graphfix.planning import edits as tensor_edits
from graphfix.planning.classes import TargetClass
from graphfix.planning.non_finite_check import not_finite
from graphfix.planning.plan import Plan


@dataclasses.dataclass(frozen=True, repr=False)
class Detector:
    """A detector to export: `plan` is its surgery, `config` its pipeline.config and `model` what
    that and the tensors describe, both after it.

    `variables` are the model's own, without what training adds, under the names they have in
    TensorFlow 1; `quantization` the names of its ranges, which may be left out where
    `drop_quantization`.  Tensors are views, read when they are loaded.  `place` is the output's
    directory as its users will see it, `python` the Python that has the target's own tools.
    """

    context: Context
    plan: Plan
    config: PipelineConfig
    model: ModelSpec
    tensors: TensorStore
    variables: TensorStore
    quantization: Tuple[str, ...]
    place: str
    findings: Tuple[Finding, ...]
    drop_quantization: bool = False
    python: Optional[str] = None

    @property
    def path(self) -> str:
        """What the user named."""
        return self.context.source.path

    @property
    def classes(self) -> Tuple[TargetClass, ...]:
        """The classes, one for every id from 1 on; an id that stands for none has empty names."""
        return self.plan.classes

    @property
    def body(self) -> Any:
        """The message of the meta-architecture: `model.ssd`, say."""
        return getattr(self.config.message.model, self.model.meta)

    def frozen_graph(self) -> Tuple[bytes, Tuple[Finding, ...]]:
        """The frozen graph for the new classes and anchors, as bytes, and what there is to know.

        Raises:
          RequestError: the source has none, or none that can be rewritten.
        """
        source = self.context.source
        generator = new_generator(self.context, self.plan, self.config.document)
        plan, graphs = rewritten_graphs(source, self.plan, generator, self.tensors)
        told = tuple(one for one in plan.findings if one not in self.plan.findings)
        if FROZEN in graphs:
            return joined(graphs[FROZEN]), told
        why = next((one for one in told if one.code == "FROZEN_GRAPH"), None)
        raise RequestError(
            self.path,
            f"has a frozen graph that cannot be used: {why.subject} {why.message}"
            if why
            else "has no frozen graph, which this target is made from",
            "convert it, export the result with the stock exporter, and export that directory",
        )


def detector(context: Context, plan: Plan, place: str, *, drop_quantization: bool) -> Detector:
    """What a plan makes of a source.

    Raises:
      SourceError: a tensor of the source is damaged.
    """
    source = context.source
    tensors = tensor_edits.apply_edits(plan.edits, plan.additions, source.store)
    names = dict(enumerate(context.source_names, 1))
    told = tuple(not_finite(source.model, source.store, plan.edits, names))
    config = bound_config(apply_edits(source.config.document, plan.config_edits))
    metas = {name: view.meta for name, view in tensors.items()}
    model = describe(config.message, metas, config=CONFIG, checkpoint=source.path)
    made = of_tensors(context, plan, config, tensors, model, place)
    return dataclasses.replace(
        made, findings=plan.findings + told, drop_quantization=drop_quantization
    )


def of_tensors(
    context: Context,
    plan: Plan,
    config: PipelineConfig,
    tensors: TensorStore,
    model: ModelSpec,
    place: str,
) -> Detector:
    """The detector of a plan that was carried out: its config, its tensors, and what they tell."""
    quantization = tuple(one for one in model.extras.quantization if one in tensors)
    variables = _variables(model, tensors)
    return Detector(
        context, plan, config, model, tensors, variables, quantization, place, plan.findings
    )


def _variables(model: ModelSpec, tensors: TensorStore) -> TensorStore:
    added = model.extras
    others = set(added.moving_averages + added.optimizer + added.quantization)
    others.update(strangers(model, tensors), [families.GLOBAL_STEP])
    return TensorStore(view for name, view in tensors.items() if name not in others)


@dataclasses.dataclass(frozen=True)
class Written:
    """What a target wrote: `summary` in a few words, `checkpoints` the tensors that each checkpoint
    among the files must have, by its prefix; `names` what each variable is called in the target;
    `next_steps` are commands or sentences, `details` whatever else export.json is to have."""

    summary: str
    findings: Tuple[Finding, ...] = ()
    next_steps: Tuple[str, ...] = ()
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    checkpoints: Mapping[str, TensorStore] = dataclasses.field(default_factory=dict)
    details: Optional[Dict[str, Any]] = None
