#!/usr/bin/env python3
"""What carrying boxes over to new anchors is worth: fine-tuning on a data set of wide objects.

    anchors_transfer.py [--steps 50,150,300] [--seeds 3] [--work DIR] [--write]

The detector in testdata/ knows shapes about as wide as high.  Its shapes are drawn again, three
times as wide as high; `graphfix anchors fit` finds anchors for them.  The stock model_main then
fine-tunes, with those anchors and equal steps, from three checkpoints:

* carried: by `graphfix convert --anchors`
* unchanged: the detector's own; as many anchors, so its heads fit, and mean other boxes
* new heads: the detector's without its heads, which the stock API then initialises

mAP at IoU 0.5 is the stock evaluator's.  --write puts figures and curves into docs/.  Needs a
Python with TensorFlow 1.15, the stock API, Pillow and, with --write, another with matplotlib
(--plot_python).  What is done is kept in the work directory, so that a second run goes on.
"""

import argparse
import functools
import json
import os
import time

from training import (
    DETECTOR,
    DOCS,
    LABELS,
    add_arguments,
    convert,
    fine_tune,
    graphfix,
    open_work,
    replaced,
    run_all,
    spread,
    write_docs,
    write_records,
)

from graphfix.formats.checkpoint import reader, writer
from graphfix.formats.tensors import TensorStore

ARMS = ("carried", "unchanged", "new heads")
PICTURES = {"train": 1500, "val": 200}
WIDER = 1.7  # and as much lower


def draw(work):
    """The wide shapes, as records: {split: path}."""
    import make_shapes
    import numpy as np
    from PIL import Image

    stencil = make_shapes._stencil

    def wide(name, rng):
        coverage = stencil(name, rng)
        height, width = coverage.shape
        size = (int(round(width * WIDER)), max(4, int(round(height / WIDER))))
        return np.asarray(
            Image.fromarray(coverage.astype(np.float32), mode="F").resize(size, Image.BILINEAR)
        ).clip(0, 1)

    make_shapes._stencil = wide
    return write_records(work, PICTURES, make_shapes.SEED)


def prepare(work, records):
    """Configs of the arms: {arm: config}; and what fitting the anchors said."""
    anchors, out, bare = (
        os.path.join(work, name) for name in ("anchors.pbtxt", "carried", "headless.ckpt")
    )
    said = json.loads(
        graphfix(
            "anchors",
            "fit",
            os.path.join(DETECTOR, "pipeline.config"),
            "--train_record",
            records["train"],
            "--label_map_path",
            LABELS,
            "--output",
            anchors,
            "--overwrite",
            "--json",
        )
    )
    convert(out, records, "--anchors", anchors)
    store = reader.open_bundle(os.path.join(DETECTOR, "model.ckpt"))
    writer.write_bundle(
        TensorStore(view for name, view in store.items() if not name.startswith("BoxPredictor_")),
        bare,
    )
    with open(os.path.join(out, "pipeline.config")) as file:
        config = file.read()
    carried = os.path.join(out, "model.ckpt")
    paths = {}
    for arm, checkpoint in zip(ARMS, (carried, os.path.join(DETECTOR, "model.ckpt"), bare)):
        paths[arm] = os.path.join(work, arm.replace(" ", "_") + ".config")
        with open(paths[arm], "w") as file:
            file.write(replaced(config, {carried: checkpoint}))
    return paths, said


def run(work, arm, seed, config, steps, record):
    """mAP of an arm at step 0 (where it has heads) and at each of `steps`."""
    figures = fine_tune(
        work,
        f"{arm.replace(' ', '_')}-{seed}",
        config,
        steps if arm == "new heads" else [0] + steps,
        seed,
        record,
        LABELS,
    )
    return {step: one["map"] for step, one in figures.items()}


def report(figures, recall, steps, seeds):
    """The lines of the document."""
    yield "# Anchors carried over: what that is worth"
    yield ""
    yield "<!-- Written by benchmarks/anchors_transfer.py --write; the figures are measured. -->"
    yield ""
    yield __doc__[__doc__.index("The detector") : __doc__.index("--write puts")].strip()
    yield ""
    yield "At step 0 nearly nothing is found, in any arm: the detector never saw a shape so wide."
    yield ""
    yield (
        f"Measured {time.strftime('%Y-%m-%d')} with `benchmarks/anchors_transfer.py --steps "
        f"{','.join(map(str, steps))} --seeds {seeds}`: {PICTURES['train']} pictures to "
        f"train with, {PICTURES['val']} to evaluate, batches of 16. The fitted anchors raise the "
        "recall of the "
        f"matcher from {100 * recall[0]:.1f}% to {100 * recall[1]:.1f}% of the boxes."
    )
    yield ""
    yield f"mAP, the mean of {seeds} seeds, and the least and the most of them:"
    yield ""
    columns = [0] + list(steps)
    yield "| checkpoint | " + " | ".join(f"{step} steps" for step in columns) + " |"
    yield f"|---|{'---|' * len(columns)}"
    for arm in ARMS:
        row = [spread([one[step] for one in figures[arm] if step in one]) for step in columns]
        yield f"| {arm} | {' | '.join(row)} |"
    yield ""
    yield "![mAP by steps](anchors_transfer.png)"
    yield ""
    yield "The raw figures are in `anchors_transfer.json`."


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser, steps="50,150,300", work="anchors-transfer")
    args = parser.parse_args()
    work, steps = os.path.abspath(args.work), [int(step) for step in args.steps.split(",")]
    open_work(work, {"steps": steps, "pictures": PICTURES})
    records = draw(work)
    configs, said = prepare(work, records)
    runs = run_all(
        {
            (arm, seed): functools.partial(
                run, work, arm, seed, configs[arm], steps, records["val"]
            )
            for seed in range(args.seeds)
            for arm in ARMS
        },
        args.jobs,
    )
    figures = {arm: [runs[arm, seed] for seed in range(args.seeds)] for arm in ARMS}
    recall = [said[when]["recall"] for when in ("before", "after")]
    text = "\n".join(report(figures, recall, steps, args.seeds)) + "\n"
    print(text)
    if args.write:
        write_docs(
            DOCS,
            "anchors_transfer",
            text,
            figures,
            [{"title": "", "ylabel": "mAP at IoU 0.5", "curves": figures}],
            args.plot_python,
        )


if __name__ == "__main__":
    main()
