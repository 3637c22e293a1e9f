"""What a converted model can be exported to, as a report keeps it."""

import dataclasses
from typing import Optional, Tuple


@dataclasses.dataclass(frozen=True)
class Suppression:
    """How an SSD's candidates become detections, in the words of TensorRT's plugin
    EfficientNMS_TRT, and the size of its pictures in pixels.

    `background_class` is 0, or -1 where there is none.
    """

    height: int
    width: int
    score_threshold: float
    iou_threshold: float
    max_output_boxes: int
    background_class: int
    class_agnostic: bool


@dataclasses.dataclass(frozen=True)
class Export:
    """A `target` of `graphfix export`, and what is in the way (`problems`).

    `title` is its name; `python` says which Python it needs, "" where none; `drop_quantization`:
    only without the ranges of quantization; `suppression` is what TensorRT needs to know besides
    (onnx alone).
    """

    target: str
    title: str
    python: str = ""
    drop_quantization: bool = False
    problems: Tuple[str, ...] = ()
    suppression: Optional[Suppression] = None
