"""Holds the anchors that a model was trained with against those that its config means.

Names and shapes of the heads are the same for any order of the anchors at a location.  An API that
lays the same anchors in another order reads other channels for each: they have to be permuted.
"""

from typing import List, Optional, Tuple

from graphfix.detectors.anchor_generators import AnchorSpec, MapAnchors, Pair

# For each feature map, which of the trained anchors each anchor of the config is; () where all of
# them are in place.
Order = Tuple[Tuple[int, ...], ...]
# Of a side: graphs compute in float32.
_SAME = 1e-5
# Of strides and offsets, in pixels.
_SAME_PLACE = 1e-2


def order_of(trained: AnchorSpec, wanted: AnchorSpec) -> Optional[Order]:
    """The order in which the wanted anchors lie among the trained ones, None where they are
    others."""
    if len(trained.maps) != len(wanted.maps) or trained.generator != wanted.generator:
        return None
    order: List[Tuple[int, ...]] = []
    for one, other in zip(trained.maps, wanted.maps):
        places = _places(one, other)
        if places is None or not _same_grid(one, other):
            return None
        order.append(places)
    return tuple(order) if any(list(one) != sorted(one) for one in order) else ()


def _places(trained: MapAnchors, wanted: MapAnchors) -> Optional[Tuple[int, ...]]:
    if len(trained.sizes) != len(wanted.sizes):
        return None
    left = list(range(len(trained.sizes)))
    found: List[int] = []
    for place, size in enumerate(wanted.sizes):
        # Of equal anchors each stays where it is.
        alike = [old for old in left if _alike(trained.sizes[old], size)]
        if not alike:
            return None
        chosen = place if place in alike else alike[0]
        found.append(chosen)
        left.remove(chosen)
    return tuple(found)


def _alike(one: Pair, other: Pair) -> bool:
    return all(abs(a - b) <= _SAME * max(abs(a), abs(b)) for a, b in zip(one, other))


def _same_grid(one: MapAnchors, other: MapAnchors) -> bool:
    """Whether strides and offsets are the same, where both are told."""
    return all(
        a is None or b is None or all(abs(x - y) <= _SAME_PLACE for x, y in zip(a, b))
        for a, b in ((one.stride, other.stride), (one.offset, other.offset))
    )


def on_grid(trained: AnchorSpec, wanted: AnchorSpec) -> AnchorSpec:
    """Trained anchors with the strides and offsets of the config's, where they are the same."""
    maps = [
        MapAnchors(one.sizes, other.stride, other.offset) if _same_grid(one, other) else one
        for one, other in zip(trained.maps, wanted.maps)
    ]
    return AnchorSpec(trained.generator, tuple(maps))


def in_order(wanted: AnchorSpec, order: Order) -> AnchorSpec:
    """The trained anchors of which the wanted ones are those of an order."""
    if not order:
        return wanted
    maps = []
    for one, places in zip(wanted.maps, order):
        sizes = list(one.sizes)
        for place, old in enumerate(places):
            sizes[old] = one.sizes[place]
        maps.append(MapAnchors(tuple(sizes), one.stride, one.offset))
    return AnchorSpec(wanted.generator, tuple(maps))


def described(order: Order) -> str:
    """The first feature map whose anchors are not in place, in words."""
    number = next(place for place, one in enumerate(order) if list(one) != sorted(one))
    return f"map {number}: {' '.join(map(str, order[number]))}"


def difference(trained: AnchorSpec, wanted: AnchorSpec) -> str:
    """How trained anchors differ from those of the config, in words."""
    if trained.generator != wanted.generator:
        return f"those of a {trained.generator}, not of a {wanted.generator}"
    if trained.per_map != wanted.per_map:
        counts = ["/".join(map(str, spec.per_map)) for spec in (trained, wanted)]
        return f"{counts[0]} at a location of the feature maps, not {counts[1]}"
    unit = "of the image's side" if wanted.generator == "ssd_anchor_generator" else "pixels"
    far, number, place = max(
        (max(abs(a - b) for a, b in zip(size, other)), number, place)
        for number, (one, one_wanted) in enumerate(zip(trained.maps, wanted.maps))
        for place, (size, other) in enumerate(zip(one.sizes, one_wanted.sizes))
    )
    sizes = [
        " x ".join(f"{side:.4g}" for side in spec.maps[number].sizes[place])
        for spec in (trained, wanted)
    ]
    if all(
        _alike(a, b)
        for one, two in zip(trained.maps, wanted.maps)
        for a, b in zip(one.sizes, two.sizes)
    ):
        return "the same shapes with other strides or offsets"
    return (
        f"anchor {place} of map {number} is {sizes[0]} and not {sizes[1]} {unit} (height x width), "
        f"the largest difference: {far:.4g}"
    )
