#!/usr/bin/env python3
"""What carried classes are worth: the same detector, fine-tuned on new classes from several starts.

    python benchmarks/transfer [--steps 20,40,70,100,150] [--seeds 3] [--work DIR] [--write]

The detector in testdata/ was trained on eight shapes (`testdata/train_shapes.py`).  The stock
model_main fine-tunes it on three data sets of the same generator, whose pictures it never saw:

* 3 kept, reordered: crescent, star, circle
* 2 kept and 2 new: arrow (new), ring, heart (new), triangle
* 4 new: arrow, heart, bolt, drop

from these starts, with equal steps, pictures, batches and learning rates:

* stock defaults: the detector's checkpoint, `from_detection_checkpoint`; restores the backbone
* stock load_all: the same with `load_all_detection_checkpoint_vars`; the class heads have another
  shape and are dropped, the box heads are restored
* graphfix: `graphfix convert` with the new label map
* graphfix, frozen backbone: the same with `--freeze backbone`
* graphfix, new rows X (where there are new classes): the same with `--new_rows X`, which is `prior`
  otherwise

Step 0 is the model as the trainer has initialised and restored it.  mAP is at IoU 0.5, by the stock
evaluator.  Needs a Python with TensorFlow 1.15, the stock API and Pillow, and, with --write,
another with matplotlib (--plot_python).  A run that is done is kept in the work directory, so that
a second call goes on.
"""

import argparse
import functools
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import training
from transfer import report, targets

# arm: flags of `graphfix convert`, and what the config then gets in place of what it says.
LOAD_ALL = "load_all_detection_checkpoint_vars: "
ARMS = {
    report.DEFAULTS: ((), {LOAD_ALL + "true": LOAD_ALL + "false"}),
    report.LOAD_ALL: ((), {}),
    report.GRAPHFIX: ((), None),
    report.FROZEN: (("--freeze", "backbone"), None),
}
ROWS = {report.ROWS % rows: (("--new_rows", rows), None) for rows in ("mean", "random", "zero")}
LEARNING_RATE, WARM_UP_FROM = 0.0015, 0.0003  # the tenth part of the steps warms up


def arms_of(target):
    """The arms of a target, in the order they run and are told."""
    return dict(ARMS, **(ROWS if len(target.kept) < len(target.classes) else {}))


def write_config(directory, arm, settings, seed, records, labels):
    """Converts for an arm and a seed, and writes the config to train with: its path."""
    flags, changes = dict(ARMS, **ROWS)[arm]
    out = os.path.join(directory, f"converted-{report.slug(arm)}-{seed}")
    training.convert(out, records, "--label_map_path", labels, "--seed", str(seed), *flags)
    with open(os.path.join(out, "pipeline.config")) as file:
        text = file.read()
    if changes is not None:  # a stock arm: the same config, but the detector's own checkpoint
        text = training.replaced(
            text,
            dict(
                changes,
                **{os.path.join(out, "model.ckpt"): os.path.join(training.DETECTOR, "model.ckpt")},
            ),
        )
    text = training.replaced(
        text,
        {
            "learning_rate_base: 0.0015": f"learning_rate_base: {LEARNING_RATE:g}",
            "warmup_learning_rate: 0.0003": f"warmup_learning_rate: {WARM_UP_FROM:g}",
            "warmup_steps: 200": f"warmup_steps: {max(settings['steps']) // 10}",
            "total_steps: 6000": f"total_steps: {max(settings['steps'])}",
            "batch_size: 16": f"batch_size: {settings['batch']}",
        },
    )
    path = os.path.join(out, "train.config")
    with open(path, "w") as file:
        file.write(text)
    return path


def run(directory, arm, settings, seed, records, labels):
    """{step: {"map", "ap"}} of one arm and seed on one target."""
    config = write_config(directory, arm, settings, seed, records, labels)
    return training.fine_tune(
        directory,
        f"{report.slug(arm)}-{seed}",
        config,
        settings["steps"],
        seed,
        records["val"],
        labels,
    )


def main():
    parser = argparse.ArgumentParser(prog="transfer", description=__doc__.splitlines()[0])
    training.add_arguments(parser, steps="20,40,70,100,150", work="transfer-work")
    parser.add_argument("--row_seeds", type=int, help="seeds of other new rows; else --seeds")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--train_pictures", type=int, default=1500)
    parser.add_argument("--val_pictures", type=int, default=180)
    parser.add_argument("--only", help="targets to run, such as kept,new; others are left out")
    args = parser.parse_args()
    work, pictures = (
        os.path.abspath(args.work),
        {"train": args.train_pictures, "val": args.val_pictures},
    )
    settings = {
        "steps": sorted({0} | {int(step) for step in args.steps.split(",")}),
        "batch": args.batch,
        "pictures": pictures,
    }
    training.open_work(work, settings)
    chosen = args.only.split(",") if args.only else list(targets.TARGETS)
    drawn = {
        name: targets.draw(os.path.join(work, name), targets.TARGETS[name], pictures)
        for name in chosen
    }
    wanted = {
        name: {
            arm: args.row_seeds if arm in ROWS and args.row_seeds else args.seeds
            for arm in arms_of(targets.TARGETS[name])
        }
        for name in chosen
    }
    # Seed by seed, so that a run that was stopped has whole seeds; the new rows come last.
    order = sorted(
        (arm in ROWS, seed, list(targets.TARGETS).index(name), name, arm)
        for name in chosen
        for arm, seeds in wanted[name].items()
        for seed in range(seeds)
    )
    runs = training.run_all(
        {
            (name, arm, seed): functools.partial(
                run, os.path.join(work, name), arm, settings, seed, *drawn[name]
            )
            for _, seed, _, name, arm in order
        },
        args.jobs,
    )
    figures = {
        name: {
            arm: [runs[name, arm, seed] for seed in range(seeds)]
            for arm, seeds in wanted[name].items()
        }
        for name in chosen
    }
    row_seeds = f" --row_seeds {args.row_seeds}" if args.row_seeds else ""
    command = (
        f"--steps {args.steps} --seeds {args.seeds}{row_seeds} --batch {args.batch} "
        f"--train_pictures {args.train_pictures} --val_pictures {args.val_pictures}"
    )
    text = report.text(figures, command, __doc__)
    print(text)
    if args.write:
        training.write_docs(
            training.DOCS,
            "transfer",
            text,
            {"settings": settings, "targets": figures},
            report.panels(figures),
            args.plot_python,
        )


if __name__ == "__main__":
    main()
