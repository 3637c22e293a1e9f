"""Carries a detector over to other anchors, so that every box it finds stays where it was.

Each new anchor takes the old anchor most like it in shape (intersection over union of the two
laid on one centre) at the same location of the same map, so chosen that none of the old is left
out while there is room: its class rows as they are, its box rows recoded (`model.coders`).  That
is exact where the change is the same at every location that shares a kernel.  Where it is not:

* a kernel that several maps share can follow one change only: maps whose anchors change by
  different ratios get the mean (of logarithms) and a finding with the worst error;
* a region proposal network's anchors are clipped to the image at inference, so that those which
  reach out of it change otherwise than those which do not: a finding gives their share;
* a generator that moves the grid itself (other strides) cannot be followed at all.

Box heads can be started afresh instead; then only class rows follow the anchors.
"""

import math
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graphfix.detectors.anchor_generators import AnchorSpec, MapAnchors, Pair, anchor_boxes
from graphfix.detectors.anchor_order import Order
from graphfix.detectors.box_coders import MEAN_STDDEV, Coder, PlacedAnchor, recode
from graphfix.detectors.channel_layout import BOX_ENCODING
from graphfix.detectors.model_spec import ModelSpec
from graphfix.errors import RequestError
from graphfix.findings import INFO, WARNING, Finding

# Ratios that differ by less are one in float32.
_SAME = 1e-6


class AnchorCarry(NamedTuple):
    """For each feature map: the old anchor of every new one, and the new code's (a, b) for it.

    `sources[map][anchor]` and `recodes[map][anchor][code]`; heads that all maps share have one map.
    Without `recodes` box heads start afresh.
    """

    sources: Tuple[Tuple[int, ...], ...]
    recodes: Optional[Tuple[Tuple[Tuple[Tuple[float, float], ...], ...], ...]]


def carry_anchors(
    old: AnchorSpec, new: AnchorSpec, coder: Coder, *, shared: bool, image: Optional[Pair]
) -> Tuple[AnchorCarry, Tuple[Finding, ...]]:
    """How the heads of `old` become heads of `new`, and what about it is not exact.

    `shared`: one head serves all maps.  `image`: the resized images' size in pixels, if fixed.

    Raises:
      RequestError: the new anchors cannot be had from this model's heads.
    """
    _check_counts(old, new, shared)
    _check_units(old, new, image, absolute=coder.kind == MEAN_STDDEV)
    _check_grid(old, new, image)
    per_map = [
        _map_carry(one, other, coder, old, new, image) for one, other in zip(old.maps, new.maps)
    ]
    findings = [_matches(old, new, [sources for sources, _ in per_map])]
    if not shared:
        return AnchorCarry(
            tuple(sources for sources, _ in per_map), tuple(recodes for _, recodes in per_map)
        ), tuple(findings)
    recodes, error = _common(per_map)
    if error > _SAME:
        findings.append(
            Finding(
                "ANCHORS_INEXACT",
                WARNING,
                "--anchors",
                (
                    "the levels share one head, but their anchors "
                    f"change by different ratios: boxes move by up to {error:.2g} of an anchor's "
                    "side"
                ),
                "scale all levels alike, or fine-tune before use",
            )
        )
    return AnchorCarry((per_map[0][0],), (recodes,)), tuple(findings)


def fresh_anchors(
    old: AnchorSpec, new: AnchorSpec, *, shared: bool, image: Optional[Pair]
) -> Tuple[AnchorCarry, Tuple[Finding, ...]]:
    """As `carry_anchors`, for box heads that start afresh, and so can follow any change.

    Raises:
      RequestError: the new anchors do not fit the model's feature maps.
    """
    _check_counts(old, new, shared)
    _check_units(old, new, image)
    sources = tuple(
        _match(_likeness(*_both(one, other, old, new, image)))
        for one, other in zip(old.maps, new.maps)
    )
    return AnchorCarry(sources[:1] if shared else sources, None), (
        _matches(old, new, sources),
        Finding(
            "BOXES_RANDOM",
            WARNING,
            "--anchor_boxes",
            "the box heads start afresh: until they are trained, no box is where its object is",
            "fine-tune, or leave --anchor_boxes out to keep what the heads know",
        ),
    )


def reordered(order: Order, model: ModelSpec) -> Optional[AnchorCarry]:
    """How heads follow the same anchors in another order, None where that is none: every channel
    goes with its anchor, and no code changes."""
    if not order:
        return None
    codes = max(
        head.layout.size(BOX_ENCODING) for head in model.heads if head.layout.has(BOX_ENCODING)
    )
    same = tuple(tuple(((1.0, 0.0),) * codes for _ in places) for places in order)
    shared = all(head.map is None for head in model.heads)
    return AnchorCarry(order[:1], same[:1]) if shared else AnchorCarry(order, same)


def clipped(old: AnchorSpec, new: AnchorSpec, carry: AnchorCarry, image: Pair) -> Finding:
    """How exact a first stage's carry is, for images of a size: anchors are clipped to the image.

    The error of an anchor is how far a corner moves, in pixels, for the box that is the old anchor
    itself (a code of zeros).
    """
    one, other = old.maps[0], new.maps[0]
    assert one.stride is not None  # a grid anchor generator's is always given
    height, width = (int(math.ceil(side / step)) for side, step in zip(image, one.stride))
    shape = height, width
    before = anchor_boxes(one, old.generator, shape, image).reshape(-1, len(one.sizes), 4)
    after = anchor_boxes(other, new.generator, shape, image).reshape(-1, len(other.sizes), 4)
    before = before[:, list(carry.sources[0])]
    limit = np.asarray(image + image)
    cut_before, cut_after = np.clip(before, 0, limit), np.clip(after, 0, limit)
    inside = (cut_before == before).all(-1) & (cut_after == after).all(-1)
    middle, side = _centre_size(cut_after)
    exact, exact_side = _centre_size(before)
    whole, whole_side = _centre_size(after)
    # What the recoded zeros decode to on the clipped anchor.
    found = middle + (exact - whole) / whole_side * side
    found_side = exact_side / whole_side * side
    wanted, wanted_side = _centre_size(cut_before)
    error = np.abs(
        np.concatenate(
            [
                found - found_side / 2 - (wanted - wanted_side / 2),
                found + found_side / 2 - (wanted + wanted_side / 2),
            ],
            -1,
        )
    )
    share = 100.0 * inside.mean()
    worst = error[~inside].max() if not inside.all() else 0.0
    return Finding(
        "ANCHORS_CLIPPED",
        WARNING if worst > 1 else INFO,
        "--anchors",
        (
            f"proposals of {share:.0f}% of the "
            f"first stage's anchors are exactly where they were on {image[0]:g}x{image[1]:g} "
            "images; the others reach out of "
            f"the image, are clipped there, and their proposals move by up to {worst:.0f} pixels"
        ),
        "fine-tune before use",
    )


def _centre_size(boxes: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    return (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]


def _check_counts(old: AnchorSpec, new: AnchorSpec, shared: bool) -> None:
    if len(old.maps) != len(new.maps):
        raise RequestError(
            "--anchors",
            f"are for {len(new.maps)} feature maps, but the model has {len(old.maps)}",
            "give anchors for each of the model's feature maps",
        )
    if shared and len(set(new.per_map)) != 1:
        raise RequestError(
            "--anchors",
            (
                f"place {'/'.join(map(str, new.per_map))} anchors at a location, but one head "
                "serves all "
                "maps"
            ),
            "place as many anchors on every map",
        )


def _check_units(
    old: AnchorSpec, new: AnchorSpec, image: Optional[Pair], *, absolute: bool = False
) -> None:
    """`absolute`: sizes in pixels are wanted, and not only their ratios."""
    units = {spec.generator == "ssd_anchor_generator" for spec in (old, new)}
    if image is None and (len(units) > 1 or absolute):
        raise RequestError(
            "--anchors",
            "cannot be compared with the model's: the config's image resizer fixes no size",
            "keep the model's anchor generator",
        )


def _check_grid(old: AnchorSpec, new: AnchorSpec, image: Optional[Pair]) -> None:
    for number, (one, other) in enumerate(zip(old.maps, new.maps)):
        if one.stride != other.stride:
            raise RequestError(
                "--anchors",
                (
                    f"have other strides than the model's on map {number}, which "
                    "no box head can follow"
                ),
                "keep the strides of the model's generator, or start the "
                "box heads afresh with --anchor_boxes random",
            )
        if one.offset != other.offset and image is None and old.generator == "ssd_anchor_generator":
            raise RequestError(
                "--anchors",
                (
                    f"have other offsets than the model's on map {number}, and the "
                    "image has no fixed size to measure them by"
                ),
                "keep the offsets of the model's generator, or start the "
                "box heads afresh with --anchor_boxes random",
            )


def _map_carry(
    old: MapAnchors,
    new: MapAnchors,
    coder: Coder,
    before: AnchorSpec,
    after: AnchorSpec,
    image: Optional[Pair],
):
    olds, news = _both(old, new, before, after, image)
    sources = _match(_likeness(olds, news))
    return sources, tuple(recode(coder, olds[source], one) for source, one in zip(sources, news))


def _both(
    old: MapAnchors, new: MapAnchors, before: AnchorSpec, after: AnchorSpec, image: Optional[Pair]
) -> Tuple[List[PlacedAnchor], List[PlacedAnchor]]:
    return (
        [_placed(old, size, before.generator, image) for size in old.sizes],
        [_placed(new, size, after.generator, image) for size in new.sizes],
    )


def _likeness(olds: Sequence[PlacedAnchor], news: Sequence[PlacedAnchor]) -> List[List[float]]:
    return [[_iou(one.size, other.size) for one in olds] for other in news]


def _match(likeness: Sequence[Sequence[float]]) -> Tuple[int, ...]:
    """The old anchor of each new one, from `likeness[new][old]`: the one most like it, but no old
    anchor goes without a successor while another has several."""
    sources = [max(range(len(row)), key=row.__getitem__) for row in likeness]
    for lost in sorted(set(range(len(likeness[0]))) - set(sources)):
        spare = [new for new, old in enumerate(sources) if sources.count(old) > 1]
        if spare:
            sources[max(spare, key=lambda new: likeness[new][lost])] = lost
    return tuple(sources)


def _placed(one: MapAnchors, size: Pair, generator: str, image: Optional[Pair]) -> PlacedAnchor:
    """An anchor in pixels where the image has a size, else in the generator's own unit."""
    unit = (1.0, 1.0)
    if generator == "ssd_anchor_generator":
        unit = image or unit
    return PlacedAnchor(one.offset or (0.0, 0.0), (size[0] * unit[0], size[1] * unit[1]))


def _iou(one: Pair, other: Pair) -> float:
    both = min(one[0], other[0]) * min(one[1], other[1])
    return both / (one[0] * one[1] + other[0] * other[1] - both)


def _common(per_map: Sequence):
    """One recode for all maps, and how far the worst map is from it."""
    worst = 0.0
    merged = []
    for anchor in range(len(per_map[0][1])):
        codes = []
        for code in range(len(per_map[0][1][anchor])):
            values = [recodes[anchor][code] for _, recodes in per_map]
            scale = math.exp(sum(math.log(a) for a, _ in values) / len(values))
            shift = sum(b for _, b in values) / len(values)
            worst = max([worst] + [max(abs(a / scale - 1), abs(b - shift)) for a, b in values])
            codes.append((scale, shift))
        merged.append(tuple(codes))
    if len({sources for sources, _ in per_map}) > 1:
        worst = max(worst, 1.0)
    return tuple(merged), worst


def _matches(old: AnchorSpec, new: AnchorSpec, sources) -> Finding:
    """Which old anchors have no successor, and which have several."""
    lost = sum(count - len(set(taken)) for count, taken in zip(old.per_map, sources))
    before, after = ("/".join(map(str, spec.per_map)) for spec in (old, new))
    words = f"{before} anchors at a location become {after}"
    if lost:
        return Finding(
            "ANCHORS",
            WARNING,
            "--anchors",
            (
                f"{words}; {lost} of the old ones have no successor, "
                "and what only they found is lost"
            ),
            "keep an anchor of each old shape to lose nothing",
        )
    return Finding(
        "ANCHORS",
        INFO,
        "--anchors",
        words + "; every old one has a successor",
        "boxes are where they were; fine-tune so that they fit the new anchors",
    )
