#!/usr/bin/env python3
"""Fine-tuning from the same carried weights, in PyTorch and in stock TensorFlow 1.

    torch_training.py --torch_python PYTHON [--steps 0,10,30,60] [--seeds 3] [--work DIR]
        [--write]

The detector in testdata/ goes on with four classes, two of which it knows (star, ring) and two of
which it is told nothing about (circle, crescent: their names are taken from its label map), on
testdata's records: `graphfix convert` for the stock model_main, `graphfix export torch` for
graphfix.torch.  Both arms have the same 0th step, pictures, batch size, number of steps, optimizer,
learning rates, regularizer and flips; each draws its own order of pictures.

mAP at IoU 0.5 is the stock evaluator's, of what each framework detects.  The last weights of
PyTorch's first seed go back through graphfix.torch.save_tf1, and are evaluated in TensorFlow 1,
too.  The speed is that of the processor, one thread each, of all of a step and of detecting in one
picture, in the same runs.  --write puts all of it into docs/torch.md, figures and curves beside it.

Needs a Python with TensorFlow 1.15 and the stock API (which has matplotlib), and --torch_python:
one with graphfix[torch] and Pillow.  What is done is kept in the work directory, so that a second
run goes on.
"""

import argparse
import functools
import json
import os
import statistics
import sys
import time

from training import (
    DETECTOR,
    DOCS,
    LABELS,
    ROOT,
    add_arguments,
    by_step,
    convert,
    fine_tune,
    graphfix,
    open_work,
    replaced,
    run_all,
    run_arm,
    spread,
    write_figures,
)

from graphfix.process.console import say

PYTORCH, TENSORFLOW = "PyTorch", "TensorFlow 1"
RECORDS = {
    split: os.path.join(ROOT, "testdata", "shapes", split + ".record") for split in ("train", "val")
}
CLASSES = ("star", "ring", "circle", "crescent")
NEW = CLASSES[2:]
BATCH, RATE, WARM_UP_FROM = 8, 0.0015, 0.0003
BEGIN, END = "<!-- by benchmarks/torch_training.py --write -->", "<!-- end -->"


def prepare(work, steps):
    """The config of the stock arm, the exported directory, and the label map."""
    known, wanted = (os.path.join(work, name) for name in ("known.pbtxt", "classes.pbtxt"))
    with open(LABELS) as file:
        text = file.read()
    with open(known, "w") as file:
        file.write(replaced(text, {f"'{name}'": f"'never {name}'" for name in NEW}))
    with open(wanted, "w") as file:
        for number, name in enumerate(CLASSES, start=1):
            file.write(f"item {{ id: {number} name: '{name}' }}\n")
    flags = ("--source_label_map_path", known, "--label_map_path", wanted)
    converted, exported = os.path.join(work, "converted"), os.path.join(work, "exported")
    convert(converted, RECORDS, *flags)
    graphfix("export", "torch", DETECTOR, "--output_directory", exported, "--overwrite", *flags)
    with open(os.path.join(converted, "pipeline.config")) as file:
        text = file.read()
    config = os.path.join(work, "train.config")
    with open(config, "w") as file:
        file.write(
            replaced(
                text,
                {
                    "warmup_steps: 200": f"warmup_steps: {max(steps) // 10}",
                    "total_steps: 6000": f"total_steps: {max(steps)}",
                    "batch_size: 16": f"batch_size: {BATCH}",
                },
            )
        )
    return config, exported, wanted


def in_tensorflow(work, config, labels, steps, seed):
    """A run of the stock arm: its figures by step, and its times."""
    name = f"tensorflow-{seed}"
    times = os.path.join(work, name + ".times")
    figures = fine_tune(work, name, config, steps, seed, RECORDS["val"], labels, "--times", times)
    return figures, times_of(times)


def in_pytorch(work, python, config, exported, labels, steps, seed):
    """A run of the PyTorch arm: its figures by step, and its times."""
    name = f"pytorch-{seed}"
    found, times, own = (os.path.join(work, name + end) for end in ("-found", ".times", ".json"))
    if not os.path.exists(own):
        started = time.time()
        run_arm(
            work,
            name,
            "torch_train.py",
            python,
            exported,
            *("--config", config, "--steps", ",".join(map(str, steps)), "--seed", str(seed)),
            *("--record", RECORDS["train"], RECORDS["val"], "--output", found),
            *("--saved", os.path.join(work, name + "-saved"), "--times", times),
        )
        run_arm(
            work,
            name,
            "pascal.py",
            sys.executable,
            found,
            *("--record", RECORDS["val"], "--label_map", labels, "--output", own),
        )
        say([f"{name}: {time.time() - started:.0f} s"])
    return by_step(own), times_of(times)


def brought_back(work, config, labels, steps, seed):
    """Figures of a PyTorch run's last weights in TensorFlow 1."""
    result = os.path.join(work, f"back-{seed}.json")
    if not os.path.exists(result):
        run_arm(
            work,
            f"back-{seed}",
            "train.py",
            sys.executable,
            config,
            work,
            *("--steps", str(max(steps)), "--seed", str(seed), "--record", RECORDS["val"]),
            *("--label_map", labels, "--output", result),
            *("--trained", os.path.join(work, f"pytorch-{seed}-saved", "model.ckpt")),
        )
    return by_step(result)[max(steps)]


def times_of(path):
    """The median of the processor's seconds of each kind."""
    with open(path) as file:
        return {kind: statistics.median(values) for kind, values in json.load(file).items()}


def report(figures, back, times, steps, seeds):
    """The lines of the section."""
    yield ""
    yield __doc__[__doc__.index("The detector") : __doc__.index("--write puts")].strip()
    yield ""
    yield (
        f"Measured {time.strftime('%Y-%m-%d')} with `benchmarks/torch_training.py --steps "
        f"{','.join(map(str, steps))} --seeds {seeds}`: batches of {BATCH}; a warm-up over a tenth "
        "of the steps, then a cosine from 0.0015 down to 0. mAP of all four classes, the mean of "
        "the seeds, and the least and the most of them:"
    )
    yield ""
    yield "| | " + " | ".join(f"{step} steps" for step in steps) + " |"
    yield f"|---|{'---|' * len(steps)}"
    for arm, runs in figures.items():
        row = [spread([one[step]["map"] for one in runs]) for step in steps]
        yield f"| {arm} | {' | '.join(row)} |"
    yield ""
    last = figures[PYTORCH][0][steps[-1]]["map"]
    yield (
        f"PyTorch's first seed ends with {last:.4f}, and with {back['map']:.4f} where TensorFlow 1 "
        "evaluates the checkpoint that save_tf1 writes."
    )
    yield ""
    yield "![mAP by steps](torch_training.png)"
    yield ""
    yield (
        "The processor's milliseconds, the median of a run; of the runs the mean, the least and the"
        " most:"
    )
    yield ""
    yield f"| | a step of {BATCH} pictures | detecting in one picture |"
    yield "|---|---|---|"
    for arm, runs in times.items():
        row = [spread([1000 * one[kind] for one in runs], 1) for kind in ("train", "detect")]
        yield f"| {arm} | {' | '.join(row)} |"
    yield ""
    yield (
        "TensorFlow decodes pictures at each step, PyTorch's loop once before. The raw figures are "
        "in `torch_training.json`."
    )
    yield ""


def write_section(path, lines):
    """Puts lines between BEGIN and END of a document."""
    with open(path) as file:
        text = file.read()
    before, found, rest = text.partition(BEGIN + "\n")
    _, ended, after = rest.partition(END)
    assert found and ended, f"{path} has no place for them"
    with open(path, "w") as file:
        file.write(before + found + "\n".join(lines) + "\n" + ended + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser, steps="0,10,30,60", work="torch-training")
    parser.add_argument("--torch_python", required=True)
    args = parser.parse_args()
    work, steps = os.path.abspath(args.work), [int(step) for step in args.steps.split(",")]
    open_work(work, {"steps": steps, "batch": BATCH, "classes": list(CLASSES)})
    config, exported, labels = prepare(work, steps)
    runs = run_all(
        {
            (arm, seed): functools.partial(function, *arguments, steps, seed)
            for seed in range(args.seeds)
            for arm, function, arguments in (
                (TENSORFLOW, in_tensorflow, (work, config, labels)),
                (PYTORCH, in_pytorch, (work, args.torch_python, config, exported, labels)),
            )
        },
        args.jobs,
    )
    arms = {arm: [runs[arm, seed] for seed in range(args.seeds)] for arm in (TENSORFLOW, PYTORCH)}
    figures = {arm: [one[0] for one in found] for arm, found in arms.items()}
    times = {arm: [one[-1] for one in found] for arm, found in arms.items()}
    back = brought_back(work, config, labels, steps, seed=0)
    lines = list(report(figures, back, times, steps, args.seeds))
    print("\n".join(lines))
    if args.write:
        curves = {
            arm: [{step: one["map"] for step, one in run.items()} for run in found]
            for arm, found in figures.items()
        }
        write_section(os.path.join(DOCS, "torch.md"), lines)
        write_figures(
            DOCS,
            "torch_training",
            {"figures": figures, "back": back, "seconds": times},
            [{"title": "", "ylabel": "mAP at IoU 0.5", "curves": curves}],
            args.plot_python,
        )


if __name__ == "__main__":
    main()
