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
import concurrent.futures
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "testdata"))

from graphfix.bundle import reader, writer
from graphfix.stock import runner
from graphfix.tensors import TensorStore

DETECTOR = os.path.join(ROOT, "testdata", "shapes_detector")
LABELS = os.path.join(DETECTOR, "shapes_label_map.pbtxt")
ARMS = ("carried", "unchanged", "new heads")
PICTURES = {"train": 1500, "val": 200}
WIDER = 1.7  # and as much lower


def say(text):
    print(text, file=sys.stderr, flush=True)


def draw(work):
    """The wide shapes, as records."""
    import make_shapes
    import numpy as np
    from PIL import Image
    stencil = make_shapes._stencil

    def wide(name, rng):
        coverage = stencil(name, rng)
        height, width = coverage.shape
        size = (int(round(width * WIDER)), max(4, int(round(height / WIDER))))
        return np.asarray(Image.fromarray(coverage.astype(np.float32), mode="F").resize(
            size, Image.BILINEAR)).clip(0, 1)

    make_shapes._stencil = wide
    for split, count in PICTURES.items():
        path = os.path.join(work, split + ".record")
        if not os.path.exists(path):
            make_shapes.write_records([path + ".part"], split, count)
            os.rename(path + ".part", path)


def graphfix(*arguments):
    done = subprocess.run([sys.executable, "-m", "graphfix"] + list(arguments), check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          env=dict(os.environ, PYTHONPATH=ROOT))
    return done.stdout


def prepare(work):
    """Configs and checkpoints of the arms: {arm: config}; and what fitting the anchors said."""
    anchors, out, bare = (os.path.join(work, name) for name in (
        "anchors.pbtxt", "carried", "headless.ckpt"))
    record = os.path.join(work, "train.record")
    said = json.loads(graphfix(
        "anchors", "fit", os.path.join(DETECTOR, "pipeline.config"), "--train_record", record,
        "--label_map_path", LABELS, "--output", anchors, "--overwrite", "--json"))
    graphfix("convert", DETECTOR, "--anchors", anchors, "--source_label_map_path", LABELS,
             "--train_record", record, "--eval_record", os.path.join(work, "val.record"),
             "--trainer", "model_main", "--target_api", "2019-07", "--output_directory", out,
             "--overwrite")
    store = reader.open_bundle(os.path.join(DETECTOR, "model.ckpt"))
    writer.write_bundle(TensorStore(view for name, view in store.items()
                                    if not name.startswith("BoxPredictor_")), bare)
    with open(os.path.join(out, "pipeline.config")) as file:
        config = file.read()
    carried = os.path.join(out, "model.ckpt")
    assert config.count(carried) == 1
    paths = {}
    for arm, checkpoint in zip(ARMS, (carried, os.path.join(DETECTOR, "model.ckpt"), bare)):
        paths[arm] = os.path.join(work, arm.replace(" ", "_") + ".config")
        with open(paths[arm], "w") as file:
            file.write(config.replace(carried, checkpoint))
    return paths, said


def run(work, arm, seed, config, steps):
    """mAP of an arm at step 0 (where it has heads) and at each of `steps`."""
    result = os.path.join(work, "%s-%d.json" % (arm.replace(" ", "_"), seed))
    if not os.path.exists(result):
        model_dir = os.path.join(work, "model_dir", "%s-%d" % (arm.replace(" ", "_"), seed))
        started = time.time()
        subprocess.run([sys.executable, os.path.join(ROOT, "benchmarks", "arms", "train.py"), config,
                        model_dir, "--steps", ",".join(map(str, steps)), "--seed", str(seed)],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env=dict(os.environ, CUDA_VISIBLE_DEVICES="-1"))
        trained = [(step, os.path.join(model_dir, "at-%d" % step)) for step in steps]
        if arm != "new heads":
            start = {"carried": os.path.join(work, "carried"), "unchanged": DETECTOR}[arm]
            trained.insert(0, (0, os.path.join(start, "model.ckpt")))
        answers = runner.run_jobs([
            {"verb": "evaluate", "pipeline_config": config, "checkpoint": checkpoint,
             "record": os.path.join(work, "val.record"), "label_map": LABELS}
            for _, checkpoint in trained], python=sys.executable)
        for one in answers:
            assert "error" not in one, one["error"]
        with open(result + ".part", "w") as file:
            json.dump({str(step): one["map"] for (step, _), one in zip(trained, answers)}, file)
        os.rename(result + ".part", result)
        say("%s, seed %d: %d s" % (arm, seed, time.time() - started))
    with open(result) as file:
        return {int(step): value for step, value in json.load(file).items()}


def report(figures, recall, steps, seeds):
    """The lines of the document."""
    yield "# Anchors carried over: what that is worth"
    yield ""
    yield "<!-- Written by benchmarks/anchors_transfer.py --write; the figures are measured. -->"
    yield ""
    yield __doc__[__doc__.index("The detector"):__doc__.index("--write puts")].strip()
    yield ""
    yield "At step 0 nearly nothing is found, in any arm: the detector never saw a shape so wide."
    yield ""
    yield "Measured %s with `benchmarks/anchors_transfer.py --steps %s --seeds %d`: %d pictures to " \
        "train with, %d to evaluate, batches of 16. The fitted anchors raise the recall of the " \
        "matcher from %.1f%% to %.1f%% of the boxes." % (
            time.strftime("%Y-%m-%d"), ",".join(map(str, steps)), seeds, PICTURES["train"],
            PICTURES["val"], 100 * recall[0], 100 * recall[1])
    yield ""
    yield "mAP, the mean of %d seeds, and the least and the most of them:" % seeds
    yield ""
    columns = [0] + list(steps)
    yield "| checkpoint | %s |" % " | ".join("%d steps" % step for step in columns)
    yield "|---|%s" % ("---|" * len(columns))
    for arm in ARMS:
        row = []
        for step in columns:
            values = [one[step] for one in figures[arm] if step in one]
            row.append("%.3f (%.3f-%.3f)" % (statistics.mean(values), min(values), max(values))
                       if values else "-")
        yield "| %s | %s |" % (arm, " | ".join(row))
    yield ""
    yield "![mAP by steps](anchors_transfer.png)"
    yield ""
    yield "The raw figures are in `anchors_transfer.json`."


PLOT = """
import json, sys
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
with open(sys.argv[1]) as file:
    figures = json.load(file)
plt.figure(figsize=(6, 4), dpi=110)
for arm, runs in figures.items():
    steps = sorted(int(step) for step in runs[0])
    values = [[run[str(step)] for run in runs] for step in steps]
    line, = plt.plot(steps, [sum(one) / len(one) for one in values], marker="o", label=arm)
    plt.fill_between(steps, [min(one) for one in values], [max(one) for one in values],
                     color=line.get_color(), alpha=0.2)
plt.xlabel("training steps")
plt.ylabel("mAP at IoU 0.5")
plt.ylim(0, 1)
plt.grid(alpha=0.3)
plt.legend(loc="lower right")
plt.tight_layout()
plt.savefig(sys.argv[2])
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", default="50,150,300")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", default="anchors-transfer", help="where to work")
    parser.add_argument("--write", action="store_true", help="write docs/anchors_transfer.*")
    parser.add_argument("--plot_python", default=sys.executable, help="a Python with matplotlib")
    args = parser.parse_args()
    work, steps = os.path.abspath(args.work), [int(step) for step in args.steps.split(",")]
    os.makedirs(work, exist_ok=True)
    draw(work)
    configs, said = prepare(work)
    with concurrent.futures.ThreadPoolExecutor(args.workers) as pool:
        jobs = {(arm, seed): pool.submit(run, work, arm, seed, configs[arm], steps)
                for seed in range(args.seeds) for arm in ARMS}
        figures = {arm: [jobs[arm, seed].result() for seed in range(args.seeds)] for arm in ARMS}
    recall = [said[when]["recall"] for when in ("before", "after")]
    text = "\n".join(report(figures, recall, steps, args.seeds)) + "\n"
    print(text)
    if args.write:
        docs = os.path.join(ROOT, "docs")
        with open(os.path.join(docs, "anchors_transfer.md"), "w") as file:
            file.write(text)
        raw = os.path.join(docs, "anchors_transfer.json")
        with open(raw, "w") as file:
            json.dump(figures, file, indent=1, sort_keys=True)
            file.write("\n")
        subprocess.run([args.plot_python, "-c", PLOT, raw,
                        os.path.join(docs, "anchors_transfer.png")], check=True)


if __name__ == "__main__":
    main()
