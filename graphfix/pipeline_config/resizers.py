"""How a config's image resizer changes an image's size, computed as the stock API computes it.

- `fixed_shape_resizer` ignores the size.
- `keep_aspect_ratio_resizer` scales by one factor, so that an image fits into `min_dimension` by
  `max_dimension` (the longer side along the image's longer side), and rounds halves to even; it
  may pad below and at the right to a square of `max_dimension`.
- `conditional_shape_resizer` scales down to a longer side of `size_threshold` (GREATER), or up to
  a shorter one (SMALLER), and drops fractions.
- `identity_resizer` changes nothing; `pad_to_multiple_resizer` only pads.

Factors and products are float32, in the API's order of operations: float64 gives other pixels.
Source: object_detection/core/preprocessor.py (resize_to_range, resize_to_min_dimension,
resize_to_max_dimension, resize_pad_to_multiple) and tf.image.resize_images.
"""

from typing import Optional, Tuple

import numpy as np

from graphfix.errors import SourceError

_ONEOF = "image_resizer_oneof"
_MOST_PIXELS = 1 << 20
Size = Tuple[float, float]


def needs_size(resizer) -> bool:
    """Whether the resized image's size depends on the image's own."""
    return resizer.WhichOneof(_ONEOF) != "fixed_shape_resizer"


def constant_size(resizer) -> Optional[Size]:
    """(height, width) in pixels of every image that enters the network; None where it varies, or
    where the resizer asks for a side of less than a pixel."""
    kind = resizer.WhichOneof(_ONEOF)
    size = (0, 0)
    if kind == "fixed_shape_resizer":
        size = (resizer.fixed_shape_resizer.height, resizer.fixed_shape_resizer.width)
    elif kind == "keep_aspect_ratio_resizer":
        keep = resizer.keep_aspect_ratio_resizer
        if keep.pad_to_max_dimension:
            size = (keep.max_dimension, keep.max_dimension)
    return (float(size[0]), float(size[1])) if min(size) >= 1 else None


def largest_size(resizer) -> Size:
    """(height, width) in pixels of an image that enters the network: the constant size, or the
    largest landscape image of a keep_aspect_ratio_resizer (of its defaults, for other resizers)."""
    keep = resizer.keep_aspect_ratio_resizer
    return constant_size(resizer) or (float(keep.min_dimension), float(keep.max_dimension))


def described(resizer) -> str:
    """The images that enter the network, in words."""
    size = constant_size(resizer)
    if size:
        return f"{size[0]:.0f} × {size[1]:.0f}"
    keep = resizer.keep_aspect_ratio_resizer
    if resizer.WhichOneof(_ONEOF) == "keep_aspect_ratio_resizer":
        return f"{keep.min_dimension} pixels, at most {keep.max_dimension} on the longer side"
    return str(resizer.WhichOneof(_ONEOF) or "unknown size")


def check_resizer(resizer, subject: str) -> None:
    """Raises SourceError, naming `subject`, for a resizer that the stock API cannot build."""
    kind = resizer.WhichOneof(_ONEOF)
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
        if not 1 <= getattr(one, name) <= _MOST_PIXELS:
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
    """The images' sizes after scaling, and after padding; float64 [N, 2] each, (height, width).

    `sizes`: [N, 2] before.  Boxes scale with the first; anchors are placed on the second.
    `resizer` must pass `check_resizer`.  A side that would shrink to nothing, on which the API
    fails, is one pixel.
    """
    sizes = np.asarray(sizes, np.float64)
    kind = resizer.WhichOneof(_ONEOF)
    if kind == "fixed_shape_resizer":
        fixed = np.broadcast_to(np.float64(constant_size(resizer)), sizes.shape)
        return fixed, fixed
    if kind == "keep_aspect_ratio_resizer":
        keep = resizer.keep_aspect_ratio_resizer
        scaled = _fit(sizes, keep.min_dimension, keep.max_dimension)
        if keep.pad_to_max_dimension:
            return scaled, np.full_like(scaled, keep.max_dimension)
        return scaled, scaled
    if kind == "conditional_shape_resizer":
        scaled = _clamp(sizes, resizer.conditional_shape_resizer)
        return scaled, scaled
    if kind == "pad_to_multiple_resizer":
        multiple = resizer.pad_to_multiple_resizer.multiple
        # TensorFlow's optimizer turns division by a constant into multiplication, which pads 21
        # to 28 for a multiple of 7.
        steps = np.ceil(np.float32(sizes) * (np.float32(1) / np.float32(multiple)))
        return sizes, steps.astype(np.float64) * multiple
    return sizes, sizes


def _fit(sizes: np.ndarray, short: int, long: int) -> np.ndarray:
    """resize_to_range: the largest size of the same aspect ratio within (short, long)."""
    landscape = sizes[:, :1] < sizes[:, 1:]
    bounds = np.where(landscape, np.float32([short, long]), np.float32([long, short]))
    before = np.float32(sizes)
    factor = (bounds / before).min(axis=1, keepdims=True)
    return np.maximum(np.rint(factor * before), 1).astype(np.float64)


def _clamp(sizes: np.ndarray, one) -> np.ndarray:
    """resize_to_max_dimension (GREATER) and resize_to_min_dimension (SMALLER)."""
    if one.condition == one.GREATER:
        side = sizes.max(axis=1, keepdims=True)
        target = np.minimum(side, one.size_threshold)
    else:
        side = sizes.min(axis=1, keepdims=True)
        target = np.maximum(side, one.size_threshold)
    factor = np.float32(target) / np.float32(side)
    return np.maximum(np.floor(np.float32(sizes) * factor), 1).astype(np.float64)
