"""thaw: a frozen graph turned back into a checkpoint, with a config that starts from it.

The classes stay, so that every variable is as it was; what training needs besides (the step, copies
for moving averages) and the config's edits are those of a conversion.
"""

import dataclasses
import os
from typing import Tuple

from graphfix.conversion.graphs import graph_findings
from graphfix.conversion.output import write_file
from graphfix.conversion.trained_anchors import trained_anchors
from graphfix.detectors.anchor_order import Order
from graphfix.errors import RequestError
from graphfix.findings import Finding, by_severity
from graphfix.formats.checkpoint import writer
from graphfix.formats.tensors import TensorStore
from graphfix.modeldir import foreign, manifest, openers
from graphfix.modeldir.checkpoint_state import write_state
from graphfix.modeldir.destinations import Destination
from graphfix.modeldir.names import CHECKPOINT, CONFIG
from graphfix.modeldir.openers import Model
from graphfix.modeldir.search import find_frozen, model_of
from graphfix.options import ConvertOptions, NewRows, Trainer, Weights
from graphfix.pipeline_config.edits import apply_edits
from graphfix.planning import edits as tensor_edits
from graphfix.planning.anchors import reordered
from graphfix.planning.classes import SurgeryRequest, same_classes, trained_ids
from graphfix.planning.config_edits import Paths, plan_config
from graphfix.planning.dtypes import check_types
from graphfix.planning.plan import plan_tensors
from graphfix.report.next_steps import training_steps
from graphfix.stock_api.target_api import TargetApi, check_asked, find_target_api
from graphfix.verification.copies import check_copies


@dataclasses.dataclass(frozen=True)
class Thawed:
    """What was recovered from a frozen graph: the number of `variables`, the model's family and its
    number of classes, what had to be made up, and how to train from it: `next_steps` has a command
    for each trainer, or words for why there is none."""

    source: str
    variables: int
    family: str
    classes: int
    findings: Tuple[Finding, ...]
    next_steps: Tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        return f"{self.variables} variables recovered: {self.family} of {self.classes} classes"

    def __repr__(self) -> str:
        return f"<Thawed {self.source}: {self.summary}>"


def thaw(path: str, destination: Destination, options: ConvertOptions, *, partial: bool) -> Thawed:
    """Writes the variables of a frozen graph as a checkpoint, and its config, which is inferred
    where there is none, edited so that the API of `options.target_api` starts from the checkpoint.

    Raises:
      GraphfixError: nothing was published.
    """
    if destination.resumable:
        raise RequestError(
            "--model_dir",
            "is for a complete training checkpoint, which thaw does not write",
            "leave it out, and give it to convert",
        )
    check_asked(options.target_api)
    model, config = model_of(path)
    config_path = options.pipeline_config_path or config
    inputs = [one for one in (path, config_path) if one]
    destination.check(inputs)
    foreign.refuse(model)
    frozen = find_frozen(model)
    if frozen is None:
        raise RequestError(
            path,
            "is not a frozen graph or a SavedModel",
            "name a frozen_inference_graph.pb or the directory of one",
        )
    source = openers.open_frozen(frozen, config_path=config_path, partial=partial)
    check_types(source.model, source.metas, subject=path)
    api = find_target_api(options.target_api, source.config, source.store)
    trained = trained_anchors(source, api=api.revision)
    tensors = _tensors(source, api, trained.order)
    edits, about_config = plan_config(
        source.config,
        source.model.meta,
        source.model.classes + source.model.class_field_offset,
        target_api=api.revision,
        trainer=Trainer.ANY,
        resumable=False,
        paths=Paths(os.path.join(destination.place, CHECKPOINT), None, None, None),
        schema=api.schema,
    )
    document = apply_edits(source.config.document, edits)
    with destination.staged(inputs + [frozen, source.config_path]) as stage:
        writer.write_bundle(tensors, os.path.join(stage.directory, CHECKPOINT))
        write_state(stage.directory, CHECKPOINT)
        write_file(stage.directory, CONFIG, document.encode())
        _, measured = manifest.write(stage.directory, model=source.model)
        check_copies(CHECKPOINT, tensors, measured)
    config = os.path.join(destination.place, CONFIG)
    return Thawed(
        path,
        len(source.store),
        source.model.family,
        source.model.classes,
        by_severity(
            source.findings
            + api.findings
            + trained.findings
            + about_config
            + graph_findings(source)
        ),
        tuple(
            step.command or step.remark
            for step in training_steps(api.revision, Trainer.ANY, config)
        ),
    )


def _tensors(source: Model, api: TargetApi, order: Order) -> TensorStore:
    """The variables, the channels of heads in the order of the config's anchors, and what trainers
    look for besides them."""
    message = source.config.message
    count = source.model.classes
    request = SurgeryRequest(
        same_classes(None, count)[0],
        trained_ids(None, count),
        NewRows.PRIOR,
        0,
        Weights.RAW,
        Trainer.ANY,
        api.revision,
        reordered(order, source.model) if order else None,
    )
    edits, additions = plan_tensors(
        source.model,
        source.metas,
        request,
        averages_used=False,
        shadowed=message.train_config.optimizer.use_moving_average,
        quantization_delay=message.graph_rewriter.quantization.delay,
    )
    return tensor_edits.apply_edits(edits, additions, source.store)
