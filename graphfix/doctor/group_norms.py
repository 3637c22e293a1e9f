"""Checks of hyperparameters with group_norm, which parts channels into a fixed number of groups."""

from typing import Dict, Iterator, Optional

from graphfix.detectors.layer_variables import Unknown
from graphfix.detectors.variables import model_variables
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.choices import Path, hyperparams
from graphfix.doctor.config_revision import is_keras
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.resizers import constant_size

# tf.contrib.layers.group_norm has so many where it is not told, and the API does not tell it.
_GROUPS = 32
_NORM, _DENSE = "group_norm", "fc_hyperparams"
_MEAN = "/BatchNorm/moving_mean"


def _uneven(setup: Setup) -> Iterator[Symptom]:
    if is_keras(setup):
        return
    for path, block in hyperparams(setup):
        if not block.HasField(_NORM):
            continue
        if path[-1] == _DENSE:
            # The heads themselves: 4 or 4K channels of boxes, and K + 1 of classes.
            yield Symptom(
                setup.where("model", setup.meta, *path, _NORM),
                f"{_NORM} is of {_GROUPS} groups, and {_DENSE} are those of the heads, of which "
                "they divide at most one",
                f"remove {_NORM}",
                (ConfigEdit(("model", setup.meta, *path, _NORM), None, "heads have no norm"),),
            )
            continue
        if constant_size(setup.body.image_resizer) is None:
            yield Symptom(
                setup.where("model", setup.meta, *path, _NORM),
                f"{_NORM} needs to know the images' size, and the image_resizer makes several",
                "write batch_norm, or a fixed_shape_resizer",
            )
            continue
        normalized, others = _widths(setup, path, True), _widths(setup, path, False)
        if normalized is None or others is None:
            continue
        wrong = [name for name in normalized if name not in others and normalized[name] % _GROUPS]
        if wrong:
            yield Symptom(
                setup.where("model", setup.meta, *path, _NORM),
                f"{_NORM} is of {_GROUPS} groups, and {wrong[0]} has {normalized[wrong[0]]} "
                "channels",
                "write batch_norm as the model's sample config has it",
            )


def _widths(setup: Setup, path: Path, normalizes: bool) -> Optional[Dict[str, int]]:
    """{layer: channels} of the layers with a BatchNorm, if the hyperparameters at a path have one
    or none; None where the model's variables are not known.  The layers of the one and not of the
    other are those that the hyperparameters normalize."""
    message = setup.message.__class__()
    message.CopyFrom(setup.message)
    block = getattr(message.model, setup.meta)
    for step in path:
        block = getattr(block, step)
    block.ClearField(_NORM)
    if normalizes:
        block.batch_norm.SetInParent()
    try:
        found = model_variables(message, revision=setup.options.revision, config=setup.path)
    except (Unknown, AssertionError):
        return None
    return {one.name[: -len(_MEAN)]: one.shape[-1] for one in found if one.name.endswith(_MEAN)}


CHECKS = (
    Check(
        "GROUP_NORM_UNEVEN",
        ERROR,
        'group_norm needs channels that its groups part evenly ("Invalid groups 32 for 12 '
        'channels."), and images of one size ("has undefined dimensions 1").',
        "write batch_norm",
        _uneven,
    ),
)
