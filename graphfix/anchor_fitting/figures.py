"""Figures of how anchors cover boxes: over all, per class, per size, per anchor."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from graphfix.anchor_fitting.coverage import SSD_GENERATOR, Best
from graphfix.anchor_fitting.data import BoxSet
from graphfix.anchor_fitting.limits import image_limit, larger_than
from graphfix.anchor_fitting.objective import Matching
from graphfix.detectors.anchor_generators import AnchorSpec
from graphfix.findings import count

# Of the square root of a box's area, in pixels of the resized image.
SIZES = (16, 32, 64, 128, 256)
HALF = 0.5


def figures(
    boxes: BoxSet,
    spec: AnchorSpec,
    best: Best,
    matching: Matching,
    image: Optional[Tuple[float, float]],
) -> Dict[str, Any]:
    """All figures as JSON has them.

    `mean_best_iou`; `recall`: the share of boxes that reach the matcher's threshold with some
    anchor; `recall_at_50`; `best_possible_recall`: the same with whatever anchor suits each box
    best on the model's grids, which no settings exceed; `without_anchor`: the share of boxes that
    no anchor reaches; `larger_than_image`: how many anchors of a location are higher or wider than
    the largest image.  Each box counts as if it were alone in its image.  Anchors' sizes are pixels
    where `image`, the size of all images, is given, else as `spec` has them.
    """
    threshold = matching.threshold
    return dict(
        summary(best, threshold, slice(None)),
        per_class=_groups(boxes.classes, boxes.names, best, threshold),
        per_size=_groups(
            np.searchsorted(SIZES, boxes.sides, side="right"), size_names(), best, threshold
        ),
        unmatched_anchors=_unmatched(spec, best, matching.forced, image),
        larger_than_image=larger_than(spec, image_limit(spec, boxes.images)),
    )


def size_names() -> Tuple[str, ...]:
    return (
        f"below {SIZES[0]} px",
        *(f"{low} to {high} px" for low, high in zip(SIZES, SIZES[1:])),
        f"{SIZES[-1]} px and more",
    )


def summary(best: Best, threshold: float, which: Any) -> Dict[str, Any]:
    """The figures of some boxes: an index or a slice."""
    iou, possible = best.iou[which], best.possible[which]
    recall = float((iou >= threshold).mean())
    return {
        "boxes": len(iou),
        "mean_best_iou": float(iou.mean(dtype=np.float64)),
        "recall": recall,
        "recall_at_50": float((iou >= HALF).mean()),
        "best_possible_recall": float((possible >= threshold).mean()),
        "without_anchor": 1 - recall,
    }


def _groups(
    group_of: np.ndarray, names: Sequence[str], best: Best, threshold: float
) -> Dict[str, Any]:
    order = np.argsort(group_of, kind="mergesort")
    starts = np.searchsorted(group_of[order], np.arange(len(names) + 1))
    return {
        name: summary(best, threshold, order[start:end])
        for name, start, end in zip(names, starts, starts[1:])
        if end > start
    }


def _unmatched(
    spec: AnchorSpec, best: Best, forced: bool, image: Optional[Tuple[float, float]]
) -> List[Dict[str, Any]]:
    """Anchors that the matcher gives to no box: they reach the threshold with none and, where it
    forces matches, are no box's best."""
    out = []
    scaled = spec.generator == SSD_GENERATOR
    unit = min(image) if scaled and image else 1
    for level, one in enumerate(spec.maps):
        for anchor, size in enumerate(one.sizes):
            best_of = forced and best.best_of[level][anchor]
            if not best.matched[level][anchor] and not best_of:
                out.append(
                    {
                        "map": level,
                        "anchor": anchor,
                        "height": size[0] * unit,
                        "width": size[1] * unit,
                        "unit": "of the shorter side" if scaled and not image else "px",
                        "best_iou": float(best.reached[level][anchor]),
                    }
                )
    return out


_ROWS = (
    ("mean best IoU", "mean_best_iou", ".3f"),
    ("recall at {threshold:g} (the matcher's)", "recall", ".1%"),
    ("recall at 0.5", "recall_at_50", ".1%"),
    ("best possible recall", "best_possible_recall", ".1%"),
    ("boxes without an anchor", "without_anchor", ".1%"),
    ("anchors larger than the image", "larger_than_image", "d"),
)
_CLASSES, _ANCHORS = 20, 10  # in the table; the JSON has all


def table(before: Dict[str, Any], after: Dict[str, Any], threshold: float) -> List[str]:
    """Lines that show two sets of figures side by side."""
    rows = [f"{'':34} {'before':>10} {'after':>10}"]
    for title, key, form in _ROWS:
        if key == "recall_at_50" and abs(threshold - HALF) < 1e-6:
            continue
        old, new = (format(one[key], form) for one in (before, after))
        rows.append(f"{title.format(threshold=threshold):34} {old:>10} {new:>10}")
    for title, key in (("by class", "per_class"), ("by size", "per_size")):
        names = (
            sorted(before[key], key=lambda name: -before[key][name]["boxes"])
            if key == "per_class"
            else list(before[key])
        )
        rows.append(f"{title + ', boxes':34} {'mean best IoU':>21} {'recall':>21}")
        for name in names[:_CLASSES]:
            old, new = before[key][name], after[key][name]
            rows.append(
                f"  {name[:23]:23} {old['boxes']:8d} "
                f"{old['mean_best_iou']:12.3f} -> {new['mean_best_iou']:5.3f} "
                f"{100 * old['recall']:11.1f}% -> {100 * new['recall']:5.1f}%"
            )
        if len(names) > _CLASSES:
            rows.append(
                f"  and {count(len(names) - _CLASSES, 'more class', 'more classes')}, in the JSON"
            )
    return rows


def held_out_table(data: Dict[str, Any]) -> List[str]:
    """Lines that show present and found anchors on the boxes fitted to and on those held out."""
    rows = [f"{'':34} {'present':>10} {'found':>10}"]
    for key, what in (("fitted_boxes", "fitted to"), ("held_out_boxes", "held out")):
        one = data[key]
        for title, name, form in _ROWS[:2] if one["boxes"] else ():
            old, new = (format(one[when][name], form) for when in ("present", "found"))
            title = f"{title.split(' at ')[0]}, {one['boxes']} {what}"
            rows.append(f"{title:34} {old:>10} {new:>10}")
    return rows


def unmatched(found: Sequence[Dict[str, Any]]) -> List[str]:
    """Lines about anchors that nothing is matched to."""
    if not found:
        return ["every anchor is matched to a box"]
    anchors = count(len(found), "anchor is", "anchors are")
    rows = [f"{anchors} matched to no box (height by width):"]
    rows += [
        f"  map {one['map']}, anchor {one['anchor']}: {one['height']:.4g} by {one['width']:.4g} "
        f"{one['unit']}, best IoU {one['best_iou']:.2f}"
        for one in found[:_ANCHORS]
    ]
    return rows + [f"  and {len(found) - _ANCHORS} more, in the JSON"] * (len(found) > _ANCHORS)
