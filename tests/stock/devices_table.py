#!/usr/bin/env python3
"""What devices' runtimes detect beside TensorFlow, on the validation pictures of testdata: the
figures of docs/devices.md.

    devices_table.py TF1_PYTHON [NAME=PYTHON...] [--page docs/devices.md]

NAME is a target, with what distinguishes its Pythons after a dash: onnx, openvino, opencv-4.  Each
exports the detector as it is, and of three of its classes in another order; rows of other runtimes
stay in the page.  A .tflite is made by TF1_PYTHON, which has the stock API, and judged by PYTHON:
tflite-litert, tflite-tensorflow.
"""

import argparse
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]

import pathlib  # noqa: E402

import repository  # noqa: E402
import shapes_pictures  # noqa: E402

import graphfix  # noqa: E402

CLASSES = {"its 8": None, "star, circle, ring": "star,circle,ring"}
TITLES = (
    "| runtime | classes | detections found alike | scores differ by | edges differ by |",
    "|---|---|---|---|---|",
)


def row(target, python, tf1, classes, pictures):
    options = graphfix.ConvertOptions(**({"classes": CLASSES[classes]} if CLASSES[classes] else {}))
    maker = tf1 if target == "tflite" else python
    with tempfile.TemporaryDirectory() as top:
        out = os.path.join(top, "out")
        graphfix.export(
            target, repository.DETECTOR, out, options, runtime_python=maker, compare=False
        )
        found = graphfix.try_with_stock_api(
            out, stock_python=python, tf1_python=tf1, images=pictures
        )
    (outputs,) = found.outputs
    alike = re.match(r"(\d+ of \d+) detections", outputs.summary)[1]
    figures = " | ".join(f"{one.difference:.1e}" for one in outputs.figures)
    return f"| {outputs.api} | {classes} | {alike} | {figures} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tf1")
    parser.add_argument("pythons", nargs="+", metavar="NAME=PYTHON")
    parser.add_argument("--page")
    args = parser.parse_args()
    lines = list(TITLES)
    with tempfile.TemporaryDirectory() as top:
        pictures = shapes_pictures.written(pathlib.Path(top))
        for one in args.pythons:
            name, python = one.split("=", 1)
            for classes in CLASSES:
                lines.append(row(name.partition("-")[0], python, args.tf1, classes, pictures))
                print(lines[-1], flush=True)
    if args.page:
        written(args.page, lines[len(TITLES) :])


def written(page, lines):
    """Puts rows into a page, in the place of those of the same runtime."""
    with open(page) as file:
        text = file.read()
    pattern = r"(<!-- measured -->\n)(.*?)(<!-- end -->)"
    match = re.search(pattern, text, re.DOTALL)
    assert match
    measured = {line.split(" | ")[0] for line in lines}
    kept = [one for one in match[2].splitlines()[2:] if one.split(" | ")[0] not in measured]
    table = "\n".join([*TITLES, *kept, *lines]) + "\n"
    with open(page, "w") as file:
        file.write(text[: match.start(2)] + table + text[match.end(2) :])


if __name__ == "__main__":
    main()
