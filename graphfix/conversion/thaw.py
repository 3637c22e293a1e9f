"""thaw: a frozen graph turned back into a checkpoint that trains."""

import dataclasses
import os
from typing import Optional, Tuple

from graphfix.conversion.graphs import graph_findings
from graphfix.conversion.output import write_file
from graphfix.errors import RequestError
from graphfix.findings import Finding
from graphfix.formats.checkpoint import writer
from graphfix.formats.textproto import quote
from graphfix.modeldir import manifest, openers
from graphfix.modeldir.checkpoint_state import write_state
from graphfix.modeldir.destinations import Destination
from graphfix.modeldir.names import CHECKPOINT, CONFIG
from graphfix.modeldir.search import find_frozen
from graphfix.pipeline_config.edits import ConfigEdit, apply_edits
from graphfix.planning.dtypes import check_types
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
    document = source.config.document
    if source.inferred:
        # A config that was there is left as it is; this one is to be complete.
        checkpoint = quote(os.path.join(destination.place, CHECKPOINT))
        document = apply_edits(document, (ConfigEdit(_FINE_TUNE, checkpoint, "what was thawed"),))
    with destination.staged(inputs + [frozen, source.config_path]) as stage:
        writer.write_bundle(source.store, os.path.join(stage.directory, CHECKPOINT))
        write_state(stage.directory, CHECKPOINT)
        write_file(stage.directory, CONFIG, document.encode())
        _, measured = manifest.write(stage.directory, model=source.model)
        check_copies(CHECKPOINT, source.store, measured)
    return Thawed(
        path,
        len(source.store),
        source.model.family,
        source.model.classes,
        source.findings + graph_findings(source),
    )
