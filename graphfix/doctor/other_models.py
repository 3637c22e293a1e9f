"""Checks of parts that the API builds, and that only another kind of model can use."""

from typing import Iterator, NamedTuple, Tuple

from graphfix.detectors.box_coders import KEYPOINT
from graphfix.detectors.families import FAMILIES, PREDICTOR_FIELD, SSD
from graphfix.doctor.builders import Path, value_at
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR


class Part(NamedTuple):
    """A part that no model of a meta-architecture can use: its block's path, its name, whose it is,
    and what to write."""

    meta: str
    path: Path
    name: str
    whose: str
    remedy: str


# Measured: each is built, and the first step stops at it.
_PARTS = (
    Part(
        SSD,
        ("loss", "localization_loss"),
        "l1_localization_loss",
        "CenterNet's",
        "write weighted_smooth_l1 {}",
    ),
)


def _of_others(setup: Setup) -> Iterator[Symptom]:
    for meta, path, name, whose, remedy in _parts(setup):
        block = value_at(setup.body, path) if meta == setup.meta else None
        if block is not None and block.HasField(name):
            where = setup.where("model", meta, *path, name)
            yield Symptom(where, f"{name} is {whose}", remedy)
    reads = any(reader.num_keypoints > 0 for _, reader in setup.readers())
    if setup.meta == SSD and setup.body.box_coder.HasField(KEYPOINT) and not reads:
        yield Symptom(
            setup.where("model", SSD, "box_coder", KEYPOINT),
            f"{KEYPOINT} codes keypoints, and no input reader reads any",
            "write faster_rcnn_box_coder, with the scales of the model's sample config",
        )


def _parts(setup: Setup) -> Iterator[Part]:
    yield from _PARTS
    name = setup.predictor[0]
    usual = sorted({one.predictor for one in FAMILIES if one.meta == setup.meta})
    known = {one.predictor for one in FAMILIES}
    if name in known and name not in usual:
        yield Part(
            setup.meta,
            (PREDICTOR_FIELD[setup.meta],),
            name,
            "another kind of model's",
            f"write {' or '.join(usual)}",
        )


CHECKS: Tuple[Check, ...] = (
    Check(
        "PART_OF_OTHER_MODEL",
        ERROR,
        "The API builds this part, and the first step stops at it: only another kind of model can "
        'use it ("Currently FullyConnectedBoxPredictor only supports predicting a single box per '
        'class per location.", "missing 1 required positional argument: \'proposal_boxes\'", '
        '"field keypoints does not exist", "weights can not be broadcast to values. '
        'values.rank=3.").',
        "copy the block from the model's sample config",
        _of_others,
    ),
)
