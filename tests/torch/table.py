#!/usr/bin/env python3
"""How far detectors in PyTorch are from the stock API's, into docs/torch.md.

    table.py --work DIR [--rows REGEX] [--write]

Runs under a Python that has PyTorch; the stock API has its own.  DIR keeps the figures: a run that
was stopped goes on where it was.  Exit status 1 says that a figure is beyond its limit, or that
detections have other classes or another order.
"""

import argparse
import json
import os
import re
import shutil
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]

import cases
import comparing
import conftest
import detectors
import repository
import torch
from environment_python import python_of

from graphfix.torch.mask_rcnn import MaskRcnn

PAGE = os.path.join(repository.TOP, "docs", "torch.md")
BEGIN, END = "<!-- by tests/torch/table.py --write -->\n", "<!-- end of the table -->\n"
LAYERS, MAPS, RAW, BOXES, MASKS, LOSSES, GRADIENTS = COLUMNS = (
    "layers",
    "feature maps",
    "encodings, logits",
    "boxes, scores",
    "masks",
    "losses",
    "gradients of heads",
)
# By how what is compared is called in comparing.py; the rest are layers.
KINDS = {
    "features": MAPS,
    "map": MAPS,
    "encodings": RAW,
    "logits": RAW,
    "mask": RAW,
    "boxes": BOXES,
    "anchors": BOXES,
    "proposals": BOXES,
}
EQUAL = ("preprocessed", "counts")
LIMITS = dict.fromkeys(COLUMNS, comparing.ALIKE)
LIMITS[LOSSES] = LIMITS[GRADIENTS] = comparing.ALIKE_GRADIENTS


def measured(title, work):
    """The largest figure of each column, and what is not equal that should be."""
    shutil.rmtree(work, ignore_errors=True)
    os.mkdir(work)
    text = detectors.config_of(*cases.ALL[title])
    (case,) = detectors.judge(python_of("stock-2021"), work, [(cases.ALL[title][0], text)])
    found, unequal = {}, []

    def note(column, value):
        found[column] = max(found.get(column, 0.0), float(value))

    for name, value in comparing.differences(comparing.load(case), case):
        if name in EQUAL:
            unequal += [name] if value else []
        else:
            note(KINDS.get(name.split(" ")[0], LAYERS), value)
    for ours, stock in comparing.detections(comparing.load(case), case):
        if ours[1] != stock[1] or not stock[1]:
            unequal.append(f"labels {ours[1]}, and not {stock[1]}")
        else:
            note(BOXES, comparing.gap(ours[0], stock[0]))
            note(BOXES, comparing.gap(ours[2], stock[2]))
    detector = comparing.load(case)
    if isinstance(detector, MaskRcnn):
        for (own, image), (stock, pasted) in comparing.masks(detector, case):
            both = (image.numpy() > 0) & (pasted > 0)
            note(MASKS, comparing.gap(own, stock))
            note(MASKS, comparing.gap(image.numpy()[both], pasted[both]))
    for name, value in comparing.trained(comparing.load(case), case):
        if name in comparing.LOSSES:
            note(LOSSES, value)
        elif name in ("sampled", "counts"):
            note(BOXES, value)
        elif comparing.is_head(name):
            note(GRADIENTS, value)
    shutil.rmtree(work)
    return dict(found, unequal=unequal)


def is_right(answer):
    return not answer["unequal"] and all(
        answer.get(name, 0.0) <= limit for name, limit in LIMITS.items()
    )


def table(answers):
    lines = [f"| detector | {' | '.join(COLUMNS)} |", "|---|" + "---|" * len(COLUMNS)]
    for title in cases.ALL:
        if title in answers:
            figures = (answers[title].get(name) for name in COLUMNS)
            cells = (
                "" if one is None else "0" if not one else f"{one:.1e}".replace("e-0", "e-")
                for one in figures
            )
            lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", required=True, metavar="DIR")
    parser.add_argument("--rows", default="", metavar="REGEX")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args(arguments)
    conftest.pytest_configure(None)
    path, answers = os.path.join(args.work, "answers.json"), {}
    os.makedirs(args.work, exist_ok=True)
    if os.path.exists(path):
        with open(path) as file:
            answers = json.load(file)
    for title in cases.ALL:
        if title in answers or not re.search(args.rows, title) or not cases.is_there(title):
            continue
        answers[title] = measured(title, os.path.join(args.work, "case"))
        print(title, answers[title], flush=True)
        with open(path, "w") as file:
            json.dump(answers, file, indent=1)
    if args.write:
        with open(PAGE) as file:
            before, _, rest = file.read().partition(BEGIN)
        _, _, behind = rest.partition(END)
        made_by = (
            f"Measured {time.strftime('%Y-%m-%d')} with `tests/torch/table.py`, PyTorch "
            f"{torch.__version__.partition('+')[0]} and the API of 2021:\n\n"
        )
        with open(PAGE, "w") as file:
            file.write(before + BEGIN + "\n" + made_by + table(answers) + "\n" + END + behind)
    return 0 if all(is_right(one) for one in answers.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
