"""The anchor generator of a frozen graph, as the config had it.

All generators of the API lay their anchors by one function (`tile_anchors`), in all revisions:
with s the scales and q the square roots of the aspect ratios, heights are s / q * base, widths
s * q * base, and centres range * stride + offset.  So each feature map shows as one Sqrt with a
division and a multiplication by the same scales, and as two ranges, y before x.
"""

import math
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graphfix.graph_import.config_text import Field, Fields, repeated
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised

# The scope in which a generator's nodes are -> its name in the config.
GENERATORS = (
    ("MultipleGridAnchorGenerator/", "ssd_anchor_generator"),
    ("MultiscaleGridAnchorGenerator/", "multiscale_anchor_generator"),
    ("GridAnchorGenerator/", "grid_anchor_generator"),
    ("FlexibleGridAnchorGenerator/", "flexible_grid_anchor_generator"),
)
_REDUCED = ((0.1, 1.0), (None, 2.0), (None, 0.5))
_REMEDY_IMAGE = "anchors measured in images whose size varies"

Pair = Tuple[float, float]


class Map(NamedTuple):
    """The anchors of a feature map: scale and aspect ratio of each, what they multiply, and how
    the centres run; stride and offset are None where they depend on the image.  `whole` says that
    the base is of a square image, not divided by its sides.  `cells` are the map's rows and
    columns, None where they depend on the image."""

    scales: Tuple[float, ...]
    ratios: Tuple[float, ...]
    base: Pair
    whole: bool
    stride: Optional[Pair]
    offset: Optional[Pair]
    cells: Optional[Pair]


class Anchors(NamedTuple):
    """The generator's message, how many anchors a location of each map has, the maps."""

    fields: Fields
    per_map: Tuple[int, ...]
    maps: Tuple[Map, ...]


def infer_anchors(evidence: GraphEvidence, image: Optional[Pair]) -> Anchors:
    """The anchor generator; `image` is the fixed size (height, width) of the resized images.

    Raises:
      Unrecognised: there is no generator, or it places anchors as none of the known does.
    """
    scope, name = find_generator(evidence)
    maps = generator_maps(evidence, scope)
    infer = {
        "ssd_anchor_generator": _ssd,
        "multiscale_anchor_generator": _multiscale,
        "grid_anchor_generator": _grid,
    }.get(name)
    if infer is None:
        raise Unrecognised(f"the anchors of a {name}")
    fields = infer(maps, image)
    if name == "multiscale_anchor_generator" and not evidence.nodes(
        scope + "ToNormalizedCoordinates"
    ):
        fields.append(Field("normalize_coordinates", False))
    return Anchors([Field(name, fields)], tuple(len(one.scales) for one in maps), maps)


def find_generator(evidence: GraphEvidence) -> Tuple[str, str]:
    """The scope and the name of the anchor generator.

    Raises:
      Unrecognised: there is none.
    """
    for scope, name in GENERATORS:
        if evidence.nodes(scope, "Sqrt"):
            return scope, name
    raise Unrecognised(
        "there is none of the anchor generators "
        f"{', '.join((scope[:-1] for scope, _ in GENERATORS))} in the graph"
    )


def generator_maps(evidence: GraphEvidence, scope: str) -> Tuple[Map, ...]:
    """The anchors of each feature map.

    Raises:
      Unrecognised: they are not laid as `tile_anchors` does.
    """
    roots = evidence.nodes(scope, "Sqrt")
    ranges = evidence.nodes(scope, "Range")
    if len(ranges) != 2 * len(roots):
        raise Unrecognised(
            f"{scope[:-1]} has {len(ranges)} ranges of centres for {len(roots)} feature maps"
        )
    return tuple(
        _map(evidence, root, ranges[2 * number : 2 * number + 2])
        for number, root in enumerate(roots)
    )


def _map(evidence: GraphEvidence, root: Any, ranges: Sequence[Any]) -> Map:
    sides = []
    scales = None
    for operation in ("RealDiv", "Mul"):
        found = evidence.readers(root.name, operation)
        if len(found) != 1:
            raise Unrecognised(f"the anchors of {root.name} have no side by {operation}")
        node, position = found[0]
        scales = evidence.value(evidence.source(node, 1 - position), "the anchors' scale")
        product = evidence.readers(node.name, "Mul")
        if len(product) != 1:
            raise Unrecognised(f"the anchors of {root.name} have no base size")
        node, position = product[0]
        sides.append(_base_size(evidence, evidence.source(node, 1 - position)))
    ratios = evidence.value(evidence.source(root, 0), "the anchors' aspect ratio")
    scales = np.broadcast_to(scales, ratios.shape)
    if ratios.ndim != 1 or not ratios.size or not (ratios > 0).all() or not (scales > 0).all():
        raise Unrecognised(f"the anchors of {root.name} have no scale and aspect ratio each")
    centres = [_centres(evidence, one) for one in ranges]
    pairs = [tuple(one[part] for one in centres) for part in range(3)]
    stride, offset, cells = (None if None in pair else pair for pair in pairs)
    return Map(
        tuple(float(one) for one in scales),
        tuple(float(one) for one in ratios),
        (sides[0][0], sides[1][0]),
        sides[0][1],
        stride,
        offset,
        cells,
    )


def _base_size(evidence: GraphEvidence, node: Any) -> Tuple[float, bool]:
    """What a side is a multiple of, and whether that is before it is divided by the image's side,
    which some exporters leave to be worked out when the graph runs."""
    value = evidence.maybe(node)
    if value is None and node.op == "Mul":
        known = [evidence.maybe(evidence.source(node, position)) for position in range(2)]
        value = known[0] if known[1] is None else known[1]
        if value is not None and value.size == 1:
            return float(value.reshape(())), True
    if value is None or value.size != 1:
        raise Unrecognised(f"the anchors' base size at the node {node.name}")
    return float(value.reshape(())), False


def _centres(evidence: GraphEvidence, run: Any):
    """(stride, offset, cells) of the centres along an axis, None for what the image decides."""
    product = evidence.readers(run.name, "Mul")
    total = evidence.readers(product[0][0].name, "Add", "AddV2") if len(product) == 1 else []
    if len(total) != 1:
        raise Unrecognised(f"the anchors' centres at {run.name}")
    found = []
    for node, position in (product[0], total[0], (run, 0)):
        value = evidence.maybe(evidence.source(node, 1 - position))
        found.append(None if value is None or value.size != 1 else float(value.reshape(())))
    return tuple(found)


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-5 * max(abs(one), abs(other))


def _ssd(maps: Tuple[Map, ...], image: Optional[Pair]) -> Fields:
    pairs = [list(zip(one.scales, one.ratios)) for one in maps]
    reduced = (
        len(pairs[0]) == 3
        and all(
            ratio == wanted and (size is None or _close(scale, size))
            for (scale, ratio), (size, wanted) in zip(pairs[0], _REDUCED)
        )
        and pairs[0][1][0] == pairs[0][2][0]
        and (pairs[0][0][0] != pairs[0][1][0] or any(one.ratios != maps[0].ratios for one in maps))
    )
    full = pairs[1:] if reduced else pairs
    scales = [pairs[0][1][0]] if reduced else []
    if not full:
        # A single feature map of reduced boxes has the same ones for any aspect ratios.
        return (
            [Field("num_layers", 1), Field("scales", scales[0]), Field("aspect_ratios", 1.0)]
            + _base(maps, image)
            + _strides(maps, image)
        )
    scales += [one[0][0] for one in full]
    full = [_interpolated_last(one) for one in full]
    # What the last scale is interpolated with is 1.
    after = scales[1:] + [1.0]
    interpolated = None
    middle = [one[-1] for one in full]
    if all(len(one) > 1 and not _close(one[-1][0], one[0][0]) for one in full):
        interpolated = middle[0][1]
        expected = [math.sqrt(one * other) for one, other in zip(scales, after)][-len(full) :]
        if any(
            ratio != interpolated or not _close(scale, wanted)
            for (scale, ratio), wanted in zip(middle, expected)
        ):
            raise Unrecognised("the scales between those of the feature maps")
        full = [one[:-1] for one in full]
    ratios = [ratio for _, ratio in full[0]]
    if any(
        [ratio for _, ratio in one] != ratios or any(scale != one[0][0] for scale, _ in one)
        for one in full
    ):
        raise Unrecognised("anchors whose scales differ between aspect ratios")
    fields = [Field("num_layers", len(maps))]
    if _spaced(scales):
        fields += [Field("min_scale", scales[0]), Field("max_scale", scales[-1])]
    else:
        fields += repeated("scales", scales)
    fields += repeated("aspect_ratios", ratios)
    if interpolated != 1.0:
        fields.append(Field("interpolated_scale_aspect_ratio", interpolated or 0.0))
    if not reduced:
        fields.append(Field("reduce_boxes_in_lowest_layer", False))
    return fields + _base(maps, image) + _strides(maps, image)


def _interpolated_last(pairs: List[Pair]) -> List[Pair]:
    """A map's anchors in the order of today: until 2017-10 the interpolated one came right behind
    aspect ratio 1, since then it is last."""
    others = [
        place for place, (scale, _) in enumerate(pairs[1:], 1) if not _close(scale, pairs[0][0])
    ]
    if len(others) == 1 and pairs[others[0] - 1][1] == 1.0 and pairs[others[0]][1] == 1.0:
        return pairs[: others[0]] + pairs[others[0] + 1 :] + [pairs[others[0]]]
    return pairs


def _spaced(scales: Sequence[float]) -> bool:
    """Whether evenly spaced scales, as the API computes them, are these to the bit."""
    if len(scales) < 2:
        return False
    first, step = scales[0], scales[-1] - scales[0]
    return all(
        np.float32(first + step * number / (len(scales) - 1)) == np.float32(scale)
        for number, scale in enumerate(scales)
    )


def _base(maps: Tuple[Map, ...], image: Optional[Pair]) -> Fields:
    if len({(one.base, one.whole) for one in maps}) != 1:
        raise Unrecognised("anchors whose base size differs between feature maps")
    base = maps[0].base
    if maps[0].whole:
        image = (1.0, 1.0)
    if image is None:
        if base != (1.0, 1.0):
            raise Unrecognised(_REMEDY_IMAGE)
        return []
    sizes = [side * length / min(image) for side, length in zip(base, image)]
    return [
        Field("base_anchor_" + name, float(np.float32(round(size, 6))))
        for name, size in zip(("height", "width"), sizes)
        if not _close(size, 1.0)
    ]


def _strides(maps: Tuple[Map, ...], image: Optional[Pair]) -> Fields:
    """Nothing where the anchors lie in the middle of the feature maps' cells."""
    if all(_is_default(one) for one in maps):
        return []
    if image is None or any(one.stride is None or one.offset is None for one in maps):
        raise Unrecognised(_REMEDY_IMAGE)
    fields: Fields = []
    for part in ("stride", "offset"):
        for axis, name in enumerate(("height", "width")):
            pixels = [getattr(one, part)[axis] * image[axis] for one in maps]
            if any(abs(one - round(one)) > 1e-2 for one in pixels):
                raise Unrecognised(f"anchors whose {part} is not a whole number of pixels")
            fields += repeated(f"{name}_{part}", [int(round(one)) for one in pixels])
    return fields


def _is_default(one: Map) -> bool:
    if one.stride is None:
        return True  # by the size of the feature map, which the image decides
    return (
        one.cells is not None
        and one.offset is not None
        and all(
            _close(stride * cells, 1.0) and _close(offset, stride / 2)
            for stride, offset, cells in zip(one.stride, one.offset, one.cells)
        )
    )


def _products(one: Map) -> Tuple[List[float], List[float]]:
    """Scales and aspect ratios of which the anchors are all combinations, the ratios outside."""
    count = next(
        (number for number in range(1, len(one.scales)) if one.scales[number] == one.scales[0]),
        len(one.scales),
    )
    scales, ratios = list(one.scales[:count]), list(one.ratios[::count])
    if [(scale, ratio) for ratio in ratios for scale in scales] != list(
        zip(one.scales, one.ratios)
    ):
        raise Unrecognised("anchors that are not all combinations of scales and aspect ratios")
    return scales, ratios


def _grid(maps: Tuple[Map, ...], image: Optional[Pair]) -> Fields:
    (one,) = maps if len(maps) == 1 else (None,)
    if one is None or one.stride is None or one.offset is None:
        raise Unrecognised(f"a grid of anchors on {len(maps)} feature maps")
    scales, ratios = _products(one)
    whole = [int(round(side)) for side in one.base + one.stride + one.offset]
    if [float(side) for side in whole] != [
        float(side) for side in one.base + one.stride + one.offset
    ]:
        raise Unrecognised("a grid of anchors that is not in whole pixels")
    names = ("height", "width", "height_stride", "width_stride", "height_offset", "width_offset")
    return (
        [Field(name, side) for name, side in zip(names, whole)]
        + repeated("scales", scales)
        + repeated("aspect_ratios", ratios)
    )


def _multiscale(maps: Tuple[Map, ...], image: Optional[Pair]) -> Fields:
    levels, shapes = [], set()
    for one in maps:
        if one.stride is None:
            raise Unrecognised("anchors whose stride is not constant")
        level = int(round(math.log(one.stride[0], 2))) if one.stride[0] > 0 else -1
        scales, ratios = _products(one)
        octave = [2.0 ** (step / len(scales)) for step in range(len(scales))]
        if (
            one.stride != (2.0**level,) * 2
            or one.base[0] != one.base[1]
            or not all(_close(scale, wanted) for scale, wanted in zip(scales, octave))
        ):
            raise Unrecognised("anchors that do not grow by powers of two")
        levels.append(level)
        shapes.add((one.base[0] / 2.0**level, len(scales), tuple(ratios)))
    if len(shapes) != 1 or levels != list(range(levels[0], levels[0] + len(levels))):
        raise Unrecognised("anchors that differ between levels")
    ((base, octave_scales, ratios_),) = shapes
    return (
        [Field("min_level", levels[0]), Field("max_level", levels[-1]), Field("anchor_scale", base)]
        + repeated("aspect_ratios", ratios_)
        + [Field("scales_per_octave", octave_scales)]
    )
