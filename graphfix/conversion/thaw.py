"""thaw: a frozen graph turned back into a checkpoint that trains."""

import os
from typing import Optional, Tuple

from graphfix.conversion.graphs import graph_findings
from graphfix.errors import RequestError
from graphfix.findings import Finding
from graphfix.formats import durable
from graphfix.formats.checkpoint import writer
from graphfix.formats.textproto import quote
from graphfix.modeldir import manifest, publishing
from graphfix.modeldir import openers as sources
from graphfix.modeldir.checkpoint_state import write_state
from graphfix.pipeline_config.edits import ConfigEdit, apply_edits
from graphfix.planning.dtypes import check_types
from graphfix.report.report import CHECKPOINT
from graphfix.verification.copies import check_copies

_FINE_TUNE = ("train_config", "fine_tune_checkpoint")


def thaw(
    path: str, *, output_directory: str, overwrite: bool, config_path: Optional[str], partial: bool
) -> Tuple[str, Tuple[Finding, ...]]:
    """Writes the variables of a frozen graph as a checkpoint, beside its config, which is inferred
    where there is none.

    Raises:
      GraphfixError: nothing was published.
    """
    inputs = [one for one in (path, config_path) if one]
    publishing.check_destinations([output_directory], overwrite=overwrite, inputs=inputs)
    frozen = sources.find_frozen(path)
    if frozen is None:
        raise RequestError(
            path,
            "is no frozen graph and no SavedModel",
            "name a frozen_inference_graph.pb or the directory of one",
        )
    source = sources.open_frozen(frozen, config_path=config_path, partial=partial)
    check_types(source.model, source.metas, subject=path)
    with publishing.staged(
        output_directory, overwrite=overwrite, inputs=inputs + [frozen, source.config_path]
    ) as stages:
        prefix = os.path.join(stages[0], CHECKPOINT)
        writer.write_bundle(source.store, prefix)
        write_state(stages[0], CHECKPOINT)
        document = source.config.document
        if source.inferred:
            # A config that was there is left as it is; this one is to be complete.
            document = apply_edits(
                document,
                (
                    ConfigEdit(
                        _FINE_TUNE,
                        quote(os.path.join(os.path.abspath(output_directory), CHECKPOINT)),
                        "what was thawed",
                    ),
                ),
            )
        durable.write(os.path.join(stages[0], sources.CONFIG), document.encode())
        _, measured = manifest.write(stages[0], model=source.model)
        check_copies(CHECKPOINT, source.store, measured)
    return (
        f"{len(source.store)} variables recovered: {source.model.family} of "
        f"{source.model.classes} classes",
        source.findings + graph_findings(source),
    )
