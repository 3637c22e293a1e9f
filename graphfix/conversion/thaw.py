"""thaw: a frozen graph turned back into a checkpoint that trains."""

import dataclasses
import os
from typing import Optional, Tuple

from graphfix.conversion.graphs import graph_findings
from graphfix.conversion.output import write_file
from graphfix.conversion.trained_anchors import trained_anchors
from graphfix.detectors.anchor_order import Order
from graphfix.errors import RequestError
from graphfix.findings import Finding
from graphfix.formats.checkpoint import writer
from graphfix.formats.tensors import TensorStore
from graphfix.formats.textproto import quote
from graphfix.modeldir import manifest, openers
from graphfix.modeldir.checkpoint_state import write_state
from graphfix.modeldir.destinations import Destination
from graphfix.modeldir.names import CHECKPOINT, CONFIG
from graphfix.modeldir.openers import Model
from graphfix.modeldir.search import find_frozen
from graphfix.options import NewRows, Trainer, Weights
from graphfix.pipeline_config.edits import ConfigEdit, apply_edits
from graphfix.planning.anchors import reordered
from graphfix.planning.classes import SurgeryRequest, same_classes, trained_ids
from graphfix.planning.dtypes import check_types
from graphfix.planning.edits import Keep
from graphfix.planning.edits import apply_edits as apply_tensor_edits
from graphfix.planning.heads import gather_head
from graphfix.restore import trainers
from graphfix.verification.copies import check_copies

_FINE_TUNE = ("train_config", "fine_tune_checkpoint")


@dataclasses.dataclass(frozen=True)
class Thawed:
    """What was recovered from a frozen graph: the number of `variables`, the model's family and its
    number of classes, and what had to be made up."""

    source: str
    variables: int
    family: str
    classes: int
    findings: Tuple[Finding, ...]

    @property
    def summary(self) -> str:
        return f"{self.variables} variables recovered: {self.family} of {self.classes} classes"

    def __repr__(self) -> str:
        return f"<Thawed {self.source}: {self.summary}>"


def thaw(
    path: str, destination: Destination, *, config_path: Optional[str], partial: bool
) -> Thawed:
    """Writes the variables of a frozen graph as a checkpoint, and its config, which is inferred
    where there is none.

    Raises:
      GraphfixError: nothing was published.
    """
    if destination.resumable:
        raise RequestError(
            "--model_dir",
            "is for a complete training checkpoint, which thaw does not write",
            "leave it out, and give it to convert",
        )
    inputs = [one for one in (path, config_path) if one]
    destination.check(inputs)
    frozen = find_frozen(path)
    if frozen is None:
        raise RequestError(
            path,
            "is not a frozen graph or a SavedModel",
            "name a frozen_inference_graph.pb or the directory of one",
        )
    source = openers.open_frozen(frozen, config_path=config_path, partial=partial)
    check_types(source.model, source.metas, subject=path)
    trained = trained_anchors(source)
    store = _in_order(source, trained.order) if trained.order else source.store
    document = source.config.document
    if source.inferred:
        # A config that was there is left as it is; this one is to be complete.
        checkpoint = quote(os.path.join(destination.place, CHECKPOINT))
        document = apply_edits(document, (ConfigEdit(_FINE_TUNE, checkpoint, "what was thawed"),))
    with destination.staged(inputs + [frozen, source.config_path]) as stage:
        writer.write_bundle(store, os.path.join(stage.directory, CHECKPOINT))
        write_state(stage.directory, CHECKPOINT)
        write_file(stage.directory, CONFIG, document.encode())
        _, measured = manifest.write(stage.directory, model=source.model)
        check_copies(CHECKPOINT, store, measured)
    return Thawed(
        path,
        len(source.store),
        source.model.family,
        source.model.classes,
        source.findings + trained.findings + graph_findings(source),
    )


def _in_order(source: Model, order: Order) -> TensorStore:
    """The variables, the channels of heads in the order of the config's anchors."""
    model = source.model
    request = SurgeryRequest(
        same_classes(None, model.classes),
        trained_ids(None, model.classes),
        NewRows.PRIOR,
        0,
        Weights.RAW,
        Trainer.ANY,
        trainers.DEFAULT_API,
        reordered(order, model),
    )
    heads = {name: head for head in model.heads for name in head.tensors}
    edits = [
        (name in heads and gather_head(name, name, heads[name], request, meta)) or Keep(name)
        for name, meta in source.metas.items()
    ]
    return apply_tensor_edits(edits, (), source.store)
