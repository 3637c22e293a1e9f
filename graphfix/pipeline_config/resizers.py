"""What a config's image resizer makes of an image's size, as the stock API's resizers do.

`fixed_shape_resizer` ignores the size; `keep_aspect_ratio_resizer` scales the shorter side to
`min_dimension`, or the longer one to `max_dimension` where it would get longer than that, rounds
halves to even, and may pad below and at the right to a square of `max_dimension`;
`conditional_shape_resizer` scales down to a longer side, or up to a shorter one, of
`size_threshold` in float32, and cuts fractions off; `identity_resizer` changes nothing;
`pad_to_multiple_resizer` pads.
"""

from typing import Optional, Tuple

import numpy as np

from graphfix.errors import SourceError

_NAME = "image_resizer_oneof"


def needs_size(resizer) -> bool:
    """Whether it depends on an image's size what the resizer makes of it."""
    return resizer.WhichOneof(_NAME) != "fixed_shape_resizer"


def constant_size(resizer) -> Optional[Tuple[float, float]]:
    """(height, width) of every image that enters the network, None where it varies."""
    kind = resizer.WhichOneof(_NAME)
    if kind == "fixed_shape_resizer":
        return float(resizer.fixed_shape_resizer.height), float(resizer.fixed_shape_resizer.width)
    keep = resizer.keep_aspect_ratio_resizer
    if kind == "keep_aspect_ratio_resizer" and keep.pad_to_max_dimension:
        return float(keep.max_dimension), float(keep.max_dimension)
    return None


def check_resizer(resizer, subject: str) -> None:
    """Raises SourceError, naming `subject`, for a resizer that the stock API does not build."""
    kind = resizer.WhichOneof(_NAME)
    if kind is None:
        raise SourceError(
            subject, "has no image_resizer", "give it the one the model is trained with"
        )
    one = getattr(resizer, kind)
    sides = {
        "fixed_shape_resizer": ("height", "width"),
        "keep_aspect_ratio_resizer": ("min_dimension", "max_dimension"),
        "conditional_shape_resizer": ("size_threshold",),
        "pad_to_multiple_resizer": ("multiple",),
    }.get(kind, ())
    for name in sides:
        if not 1 <= getattr(one, name) <= 1 << 20:
            raise SourceError(
                subject,
                f"has a {kind} with {name}: {getattr(one, name)}",
                "give it a size in pixels",
            )
    if kind == "keep_aspect_ratio_resizer" and one.min_dimension > one.max_dimension:
        raise SourceError(
            subject,
            "has a keep_aspect_ratio_resizer whose min_dimension is larger than its max_dimension",
            "exchange them",
        )


def resized(resizer, sizes: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """The images' sizes after scaling, and with padding; float64 [N, 2] each, (height, width).

    `sizes`: [N, 2] before.  Boxes scale with the first, anchors are placed on the second.
    """
    sizes = np.asarray(sizes, np.float64)
    kind = resizer.WhichOneof(_NAME)
    if kind == "fixed_shape_resizer":
        out = np.broadcast_to(np.float64(constant_size(resizer)), sizes.shape)
        return out, out
    if kind == "keep_aspect_ratio_resizer":
        keep = resizer.keep_aspect_ratio_resizer
        large = np.rint(sizes * (keep.min_dimension / sizes.min(axis=1, keepdims=True)))
        small = np.rint(sizes * (keep.max_dimension / sizes.max(axis=1, keepdims=True)))
        scaled = np.where(large.max(axis=1, keepdims=True) > keep.max_dimension, small, large)
        if keep.pad_to_max_dimension:
            return scaled, np.full_like(scaled, keep.max_dimension)
        return scaled, scaled
    if kind == "conditional_shape_resizer":
        one = resizer.conditional_shape_resizer
        if one.condition == one.GREATER:
            side = sizes.max(axis=1, keepdims=True)
            target = np.minimum(side, one.size_threshold)
        else:
            side = sizes.min(axis=1, keepdims=True)
            target = np.maximum(side, one.size_threshold)
        scaled = np.floor(np.float32(sizes) * (np.float32(target) / np.float32(side)))
        scaled = np.maximum(scaled.astype(np.float64), 1)
        return scaled, scaled
    if kind == "pad_to_multiple_resizer":
        multiple = resizer.pad_to_multiple_resizer.multiple
        return sizes, np.ceil(sizes / multiple) * multiple
    return sizes, sizes
