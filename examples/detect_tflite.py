#!/usr/bin/env python3
"""Detects in pictures with what `graphfix export tflite` wrote.

    python examples/detect_tflite.py DIRECTORY PICTURE...

Prints what it finds with a score of at least 0.5: class, score, and the box (ymin, xmin, ymax,
xmax) as parts of the picture.  Needs Pillow, and ai-edge-litert or TensorFlow (1.15 or 2).
"""

import json
import os
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


def main(directory, *pictures):
    detector = interpreter(os.path.join(directory, "detect.tflite"))
    with open(os.path.join(directory, "labels.txt"), encoding="utf-8") as file:
        labels = file.read().splitlines()
    with open(os.path.join(directory, "export.json"), encoding="utf-8") as file:
        fed = json.load(file)["details"]
    for path in pictures:
        image = Image.open(path).convert("RGB").resize((fed["width"], fed["height"]))
        pixels = np.asarray(image)[np.newaxis]
        if not fed["quantized"]:
            pixels = (pixels * fed["scale"] + fed["offset"]).astype(np.float32)
        detector.set_tensor(detector.get_input_details()[0]["index"], pixels)
        detector.invoke()
        boxes, classes, scores, count = (
            detector.get_tensor(one["index"])[0] for one in detector.get_output_details()
        )
        # Rows behind the count mean nothing.
        for box, label, score in zip(boxes[: int(count)], classes, scores):
            if score >= 0.5:
                place = " ".join(f"{edge:.2f}" for edge in box)
                print(path, labels[int(label)], f"{score:.2f}", place)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
