"""Whether a checkpoint is of the config's feature extractor: by the name and the width of its first
convolution, so that a config of another model than the checkpoint's is found out."""

from typing import Iterator, Mapping

from graphfix.detectors.extractors.loader import Extractor
from graphfix.detectors.extractors.widths import Widths, is_fixed
from graphfix.errors import Problem
from graphfix.formats.tensors import TensorMeta

_REMEDY = "give the pipeline.config that this checkpoint was trained with"
_MOST = 1000  # as a depth_multiplier


def check_extractor(
    extractor: Extractor, message, metas: Mapping[str, TensorMeta], config: str, checkpoint: str
) -> Iterator[Problem]:
    """What shows that a checkpoint is not of the config's feature extractor.

    `message` is the config's feature_extractor, `metas` the checkpoint's tensors by name, `config`
    and `checkpoint` are what the problems call the files.
    """
    first = extractor.first
    found = metas.get(first.name)
    if found is None:
        if any(name.startswith(extractor.network + "/") for name in metas):
            yield Problem(
                checkpoint,
                "is a classification checkpoint, not a detector",
                "train from it with from_detection_checkpoint: false; there are no "
                "heads to carry over",
            )
            return
        scopes = sorted(
            {
                "/".join(name.split("/")[:2])
                for name in metas
                if "FeatureExtractor/" in name or "feature_extractor/" in name
            }
        )
        yield Problem(
            config,
            f"describes a {extractor.type}, but {checkpoint} has no variable {first.name} (it has "
            f"{', '.join(scopes[:5]) or 'no feature extractor at all'})",
            _REMEDY,
        )
        return
    fixed = is_fixed(first.width)
    multiplier = 1.0 if fixed else message.depth_multiplier
    width = -1
    if 0 < multiplier <= _MOST:
        width = Widths(multiplier, 0 if fixed else message.min_depth).of(first.width)
    if len(found.shape) != 4 or found.shape[-1] != width:
        because = "" if fixed else f" (depth_multiplier {multiplier:g})"
        yield Problem(
            config,
            f"gives {first.name} a width of {width}{because}, but in {checkpoint} its shape is "
            f"{list(found.shape)}",
            _REMEDY,
        )
