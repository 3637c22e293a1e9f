#!/usr/bin/env python3
"""Published layouts: the graph of each one's `.meta` beside the stock graph built from the output.

    outputs_table.py [--output docs/outputs.md] [--rows REGEX] [--eras 2019-07,...]

Runs under a Python that has TensorFlow 1.15; the eras' own compute.  The weights of the published
models are too large to keep: seeded values take their places (`cells.perturbed`).  graphfix
converts each to two of its classes, in another order, and a new one, and the stock API compares as
`verify --stock` does.  Exit status 1 says that outputs are not equal.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]

import cells  # noqa: E402
import numpy as np  # noqa: E402
import replica  # noqa: E402
import tensorflow.compat.v1 as tf  # noqa: E402
import zoo  # noqa: E402

import graphfix  # noqa: E402
from graphfix.planning.plan_json import read_plan  # noqa: E402
from graphfix.stock_api import agreement, runner  # noqa: E402
from graphfix.verification import equality, sides  # noqa: E402

# Where a model has no pipeline.config, or another's, the file that is its own.
CONFIGS = {
    "ssdlite_mobilenet_v2_coco_2018_05_09": "pipeline.config.floydhub_nc90",
    "field/old_anchor_order": "ssd_mobilenet_v1_coco.config",
}
ERAS = ("2019-07", "2021")
PAGE = """\
# Outputs beside the source's own graph

Made by `tests/stock/outputs_table.py`{revision}. For every published layout of which the `.meta` is
there, the graph in it is run beside the stock graph that is built from the converted checkpoint and
config, with the same seeded values and on the same two images of noise. Compared are, before
suppression and anchor by anchor, the class logits and decoded boxes of the two carried classes; of
two-stage detectors both stages, the second one on the same proposals.

Equal is what differs by no more than {tolerance:g} of the largest value of its tensor, of which the
figures are parts: two graphs of one network add up the same float32 products in another order at
most. A dash means that the revision does not have the model.

Quantized models round to 8 bits, and a value between two steps may be rounded up in one graph and
down in the other. Behind such values, which are known by equal inputs and a difference of one step,
the source's values are taken.

| layout | revision | outputs | max Δlogit | max Δbox | anchors |
|---|---|---|---|---|---|
"""


# Whose outputs cannot be equal, and why.
KNOWN = {
    "field/old_anchor_order": (
        "trained in mid-2017 from a revision in which the added layers of an SSD join zeros to an "
        "input of odd size, at the right and bottom; no config makes the API of today do so, and "
        "`convert` says so (`LAYERS_PADDED`). Up to those layers the outputs are equal, and the "
        "heads follow the order of the anchors"
    )
}


def models():
    """The names of all models of which the graph is there."""
    found = glob.glob(os.path.join(zoo.DIRECTORY, "**", "*.meta"), recursive=True)
    return sorted(os.path.relpath(os.path.dirname(one), zoo.DIRECTORY) for one in found)


def make(name, directory):
    """A model's directory, with values of its own."""
    model = os.path.join(zoo.DIRECTORY, name)
    (meta,) = glob.glob(os.path.join(model, "*.meta"))
    prefix = os.path.join(directory, "model.ckpt")
    found = tf.train.NewCheckpointReader(meta[: -len(".meta")])
    dtypes = found.get_variable_to_dtype_map()
    replica.save(
        {
            one: np.asarray(cells.perturbed(one, np.zeros(shape, dtypes[one].as_numpy_dtype)))
            for one, shape in found.get_variable_to_shape_map().items()
        },
        prefix,
    )
    shutil.copy(meta, prefix + ".meta")
    config = os.path.join(model, CONFIGS.get(name, "pipeline.config"))
    shutil.copy(config, os.path.join(directory, "pipeline.config"))
    return directory


def judge(source, era, scratch):
    """The cells of a row behind its name and revision, and whether the outputs are equal."""
    out = os.path.join(scratch, "out-" + era.name)
    model = graphfix.open_model(source)
    # The last class becomes the first, so that no two are in their old places.
    pairs = [f"1={model.model.classes}"] + ["3=1"] * (model.model.classes > 1)
    options = graphfix.ConvertOptions(num_classes=3, map=pairs, target_api=era.revision)
    try:
        graphfix.convert(model, out, options)
    except graphfix.GraphfixError as error:
        print(error, file=sys.stderr)
        return ["-"] * 4, True
    plan = read_plan(os.path.join(out, "plan.json"))
    with sides.opened(out, plan, model, allow_effects=False, pictures=False) as both:
        job = equality.comparison_job(model.model, plan, [both.source] + both.outputs, ())
        (answer,) = runner.run_jobs([job], python=era.python)
    print(answer.get("error"), both.what, file=sys.stderr)
    found, unknown = equality.outcomes(answer, plan, names=both.names, source=".meta", images=())
    if not found:
        return [unknown[0], "", "", ""], False
    one = found[0]
    worst = {}
    for figure in one.figures:
        kind = figure.name.split()[-1]
        part = np.inf if figure.difference is None else figure.difference / figure.largest
        worst[kind] = max(part, worst.get(kind, 0))
    (stage, *_) = answer["compared"][0]["stages"]
    words = "equal" if one.equal else answer["compared"][0]["part"][1]
    ordered = [note for note in one.notes if "order" in note]
    words = "; ".join([words] + ordered)
    return [words, f"{worst['logit']:.0e}", f"{worst['box']:.0e}", str(stage["rows"])], one.equal


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output")
    parser.add_argument("--rows", default="")
    parser.add_argument("--eras", default=",".join(ERAS))
    args = parser.parse_args()
    eras = [cells.era(name) for name in args.eras.split(",")]
    lines, fine, started = [], True, time.time()
    for name in models():
        if not re.search(args.rows, name):
            continue
        with tempfile.TemporaryDirectory(prefix="graphfix-outputs-") as scratch:
            source = os.path.join(scratch, "model")
            os.mkdir(source)
            make(name, source)
            for era in eras:
                row, equal = judge(source, era, scratch)
                fine = fine and (equal or name in KNOWN)
                row[0] += "¹" * (not equal and name in KNOWN)
                lines.append(f"| `{name}` | {era.revision} | {' | '.join(row)} |")
                print(f"{time.time() - started:5.0f} s {lines[-1]}", file=sys.stderr, flush=True)
    revision = subprocess.run(
        ["git", "-C", HERE, "rev-parse", "--short", "HEAD"],
        stdout=subprocess.PIPE,
        universal_newlines=True,
        check=True,
    ).stdout.strip()
    page = PAGE.format(revision=f" at revision {revision}", tolerance=agreement.TOLERANCE)
    page += "\n".join(lines) + "\n"
    page += "".join(f"\n¹ `{name}`: {why}.\n" for name, why in KNOWN.items())
    if args.output:
        with open(args.output, "w", encoding="utf-8") as file:
            file.write(page)
    else:
        print(page)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
