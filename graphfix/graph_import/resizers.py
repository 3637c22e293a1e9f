"""The image resizer of a frozen graph."""

from typing import NamedTuple, Optional, Tuple

from graphfix.graph_import import training
from graphfix.graph_import.config_text import Enum, Field, Fields
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised

METHODS = {
    "ResizeBilinear": "BILINEAR",
    "ResizeNearestNeighbor": "NEAREST_NEIGHBOR",
    "ResizeBicubic": "BICUBIC",
    "ResizeArea": "AREA",
}
_PREPROCESSOR = r"(.*/)?Preprocessor(_\d+)?/"
_FIXED, _RANGE = "ResizeImage/", "ResizeToRange/"


class Images(NamedTuple):
    """The resizer's message; height and width of every resized image, where they are fixed."""

    fields: Fields
    fixed: Optional[Tuple[float, float]]


def infer_images(evidence: GraphEvidence) -> Images:
    """The image resizer.

    Raises:
      Unrecognised: it is neither of fixed shape nor keeps the aspect ratio.
    """
    if evidence.trains:
        evidence = training.input_pipeline(evidence)
    resizes = evidence.nodes(_PREPROCESSOR, *METHODS)
    methods = {METHODS[node.op] for node in resizes}
    if len(methods) != 1:
        raise Unrecognised("there is no one resizing of images under Preprocessor/")
    method = methods.pop()
    more = [] if method == "BILINEAR" else [Field("resize_method", Enum(method))]
    if evidence.nodes(_PREPROCESSOR + ".*rgb_to_grayscale"):
        more.append(Field("convert_to_grayscale", True))
    if all(_FIXED in node.name for node in resizes):
        sizes = {
            tuple(
                int(side) for side in evidence.value(evidence.source(node, 1), "the size of images")
            )
            for node in resizes
        }
        if len(sizes) != 1 or len(next(iter(sizes))) != 2:
            raise Unrecognised("the size that images are resized to")
        ((height, width),) = sizes
        return Images(
            [Field("fixed_shape_resizer", [Field("height", height), Field("width", width)] + more)],
            (float(height), float(width)),
        )
    if all(_RANGE in node.name for node in resizes):
        return Images([Field("keep_aspect_ratio_resizer", _range(evidence) + more)], None)
    raise Unrecognised(f"images are resized by {resizes[0].name.rsplit('/', 1)[0]}")


def _range(evidence: GraphEvidence) -> Fields:
    """The two bounds of the sides: constants that a side is compared with or scaled to."""
    bounds = set()
    for node in evidence.nodes(
        _PREPROCESSOR + ".*" + _RANGE, "RealDiv", "Minimum", "Less", "Greater", "Pack"
    ):
        for position in range(2):
            value = evidence.maybe(evidence.source(node, position))
            if value is not None and value.size == 1 and float(value.reshape(())) > 1:
                bounds.add(int(round(float(value.reshape(())))))
    if not 1 <= len(bounds) <= 2:
        raise Unrecognised(
            f"the bounds that images are resized to (found {sorted(bounds) or 'none'})"
        )
    fields = [Field("min_dimension", min(bounds)), Field("max_dimension", max(bounds))]
    if evidence.nodes(_PREPROCESSOR + ".*" + _RANGE, "Pad", "PadV2"):
        fields.append(Field("pad_to_max_dimension", True))
    return fields
