"""A config that was edited for new classes before its checkpoint was.

Every tutorial has people write the new `num_classes`, label map and records into the
pipeline.config first.  The heads' shapes prove how many classes the checkpoint has, so that the
config can be read with that number, all other edits kept; what it asks for is then the target.
"""

import os
from typing import NamedTuple, Optional, Tuple

from graphfix.detectors.config_heads import Metas
from graphfix.detectors.describe import proven_num_classes
from graphfix.findings import INFO, Finding, count
from graphfix.options import MAX_CLASSES
from graphfix.pipeline_config.document import PipelineConfig, bound_config
from graphfix.pipeline_config.edits import ConfigEdit, apply_edits
from graphfix.pipeline_config.paths import label_map_paths


class Asked(NamedTuple):
    """The classes that an edited config asks for: their number, without a background, and the path
    of their label map as the config has it, "" where it has none."""

    num_classes: int
    label_map_path: str


class Settled(NamedTuple):
    """A config with the number of classes that the checkpoint has; what it asked for instead, None
    where it was not edited; and findings."""

    config: PipelineConfig
    asked: Optional[Asked]
    findings: Tuple[Finding, ...]


def settle(config: PipelineConfig, metas: Metas, *, checkpoint: str) -> Settled:
    """The config with the number of classes that the heads of a checkpoint have; `checkpoint` is
    its path."""
    name = config.document.subject
    meta = config.message.model.WhichOneof("model")
    proven = proven_num_classes(config.message, metas, config=name, checkpoint=checkpoint)
    if proven is None:
        return Settled(config, None, ())
    body = getattr(config.message.model, meta)
    given = body.num_classes
    if proven == given:
        return Settled(config, None, ())
    counted = 1 if meta == "ssd" and body.explicit_background_class else 0
    asked = None
    if 1 <= given - counted <= MAX_CLASSES:
        paths = label_map_paths(config.message)
        asked = Asked(given - counted, paths[0] if paths else "")
    edit = ConfigEdit(("model", meta, "num_classes"), str(proven), "what the heads have")
    finding = Finding(
        "CONFIG_EDITED",
        INFO,
        os.path.basename(name),
        f"has num_classes {given}, and the heads of {os.path.basename(checkpoint)} have "
        f"{count(proven - counted, 'class', 'classes')}: the source has those, and what else "
        "the config says is kept",
        "if the config is another model's, pass the checkpoint's own as --pipeline_config_path",
    )
    return Settled(bound_config(apply_edits(config.document, (edit,))), asked, (finding,))
