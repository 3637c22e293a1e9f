#!/usr/bin/env python3
"""Detects in pictures with a TFLite detector of the Object Detection API.

    python examples/detect_tflite.py detect.tflite label_map.pbtxt PICTURE...

Prints what it finds with a score of at least 0.5: class, score, and the box as parts of the image.
Needs Pillow and TensorFlow (of 1.15, or of 2), or else ai-edge-litert.
"""

import re
import sys

import numpy as np
from PIL import Image


def interpreter(path):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tensorflow import lite

        Interpreter = lite.Interpreter
    one = Interpreter(model_path=path)
    one.allocate_tensors()
    return one


def names(path):
    """The names of a label map by id."""
    with open(path, encoding="utf-8") as file:
        items = re.findall(r"item\s*\{(.*?)\}", file.read(), re.S)
    return {
        int(re.search(r"\bid:\s*(\d+)", one).group(1)): re.search(
            r"\bname:\s*[\"'](.*?)[\"']", one
        ).group(1)
        for one in items
    }


def main(model, label_map, *pictures):
    detector, labels = interpreter(model), names(label_map)
    (fed,) = detector.get_input_details()
    _, height, width, _ = fed["shape"]
    for path in pictures:
        image = Image.open(path).convert("RGB").resize((width, height), Image.BILINEAR)
        pixels = np.asarray(image)[np.newaxis]
        if fed["dtype"] == np.float32:
            # MobileNets want -1 to 1; a quantized detector takes bytes.
            pixels = pixels.astype(np.float32) * (2 / 255) - 1
        detector.set_tensor(fed["index"], pixels)
        detector.invoke()
        boxes, classes, scores, count = (
            detector.get_tensor(one["index"])[0] for one in detector.get_output_details()
        )
        # Rows behind the count mean nothing.
        for box, label, score in zip(boxes[: int(count)], classes, scores):
            if score >= 0.5:
                # A TFLite detector counts classes from 0.
                found = labels[int(label) + 1]
                print(path, found, f"{score:.2f}", " ".join(f"{edge:.2f}" for edge in box))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
