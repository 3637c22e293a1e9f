#!/usr/bin/env python3
"""Suppression by torchvision's operator beside suppression in plain PyTorch.

    torch_suppression.py [--repetitions N] [--write]

Made boxes: some objects, each with twenty boxes close to it, among boxes that show nothing.  Both
ways take turns with the same ones, in one process and one thread, and have to find the same.
Prints a table of the processor's milliseconds; --write puts it into docs/torch.md.  Needs PyTorch
and torchvision (the environment torchvision of tests/environments/make.py).
"""

import argparse
import os
import statistics
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

PAGE = os.path.join(ROOT, "docs", "torch.md")
BEGIN, END = "<!-- by benchmarks/torch_suppression.py --write -->\n", "<!-- end of it -->\n"

# What, classes, boxes, whether each class has its own, and the limits of score, overlap, class and
# image; of hard example mining the overlap alone.
CASES = (
    ("SSD, 90 classes, 1,917 anchors", 90, 1917, False, (1e-8, 0.6, 100, 100)),
    ("the same, scores above 0.3", 90, 1917, False, (0.3, 0.6, 100, 100)),
    ("RetinaNet, 90 classes, 51,150 anchors", 90, 51150, False, (1e-8, 0.6, 100, 100)),
    ("Faster R-CNN, first stage, 29,184 anchors", 1, 29184, False, (0.0, 0.7, 300, 300)),
    ("its second stage, 90 classes, 300 proposals", 90, 300, True, (0.0, 0.6, 100, 300)),
    ("the same, scores above 0.3", 90, 300, True, (0.3, 0.6, 100, 300)),
    ("hard example mining, 1,917 anchors", 1, 1917, False, 0.99),
)
OBJECTS, NEAR = 5, 20


def made(torch, classes, number, own, seed):
    """Boxes and scores of an image."""
    random = torch.Generator().manual_seed(seed)
    kinds = classes if own else 1
    low, sides = torch.rand(2, kinds, number, 2, generator=random)
    boxes = torch.cat([low * 0.8, low * 0.8 + 0.02 + sides * 0.3], dim=-1)
    logits = torch.randn(classes, number, generator=random) - 5
    for _ in range(OBJECTS):
        near = torch.randint(0, number, (NEAR,), generator=random)
        kind = int(torch.randint(0, classes, (1,), generator=random))
        moved = torch.randn(kinds, NEAR, 4, generator=random) * 0.01
        boxes[:, near] = boxes[:, near[:1]] + moved
        logits[kind, near] = torch.rand(NEAR, generator=random) * 4
    return boxes, torch.sigmoid(logits)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()

    import torch
    import torchvision

    from graphfix.torch import suppression

    torch.set_num_threads(1)
    window = torch.tensor([0.0, 0.0, 1.0, 1.0])
    operator = suppression.operator_for(window)
    if operator is None:
        sys.exit("torchvision's operator is not used here")
    ways = {"plain": None, "torchvision": operator}

    def found(boxes, scores, limits):
        if isinstance(limits, float):
            kept = suppression.keep_apart(boxes[0], scores[0], limits, len(boxes[0]))
            return kept, torch.tensor(len(kept))
        return suppression.suppress(boxes, scores, window, suppression.Limits(*limits))[:4]

    rows = []
    for what, classes, number, own, limits in CASES:
        spent, counts = {way: [] for way in ways}, []
        for turn in range(arguments.repetitions):
            given = made(torch, classes, number, own, turn)
            results = {}
            for way in sorted(ways, reverse=bool(turn % 2)):
                suppression.operator_for = lambda boxes, way=way: ways[way]
                started = time.process_time()
                results[way] = found(*given, limits)
                spent[way].append(1000 * (time.process_time() - started))
            for one, other in zip(*results.values()):
                assert torch.equal(one, other), what
            counts.append(int(results["plain"][-1]))
        plain, other = (statistics.median(spent[way]) for way in ways)
        rows.append(f"| {what} | {statistics.median(counts):g} | {plain:.1f} | {other:.1f} |")
        print(rows[-1], flush=True)
    text = (
        f"Measured {time.strftime('%Y-%m-%d')} with `benchmarks/torch_suppression.py`, torch "
        f"{torch.__version__} and torchvision {torchvision.__version__}, the\nprocessor's "
        f"milliseconds, one thread, medians of {arguments.repetitions} images:\n\n"
        "| suppression of | kept | plain PyTorch | torchvision |\n|---|---|---|---|\n"
    )
    if arguments.write:
        with open(PAGE, encoding="utf-8") as file:
            before, _, rest = file.read().partition(BEGIN)
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(before + BEGIN + "\n" + text + "\n".join(rows) + "\n\n" + END)
            file.write(rest.partition(END)[2])


if __name__ == "__main__":
    main()
