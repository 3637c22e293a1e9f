#!/usr/bin/env python3
"""What rewriting a frozen graph takes, and what it gains.

    frozen.py [--repetitions N] [--pictures N] [--cache DIR] [--write]

A frozen graph, made by the stock exporter, is converted to three classes; a stock export of the
converted checkpoint is the way one had before.  Whole processes, in turns.  Then the original and
the rewritten graph run on the same pictures, in turns.  Prints tables; --write puts them into
docs/benchmarks_frozen.md.  Needs a Python that has TensorFlow 1.15 and the stock API.
"""

import argparse
import collections
import contextlib
import fcntl
import itertools
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import time

import convert
from convert import ARMS, rounds, say, timed

import graphfix

GRAPH = "frozen_inference_graph.pb"
# Depth multipliers at which an SSD MobileNet v1 has 103 and 490 MB, and the most MiB to convert it.
WIDTHS = ((2.13, 120), (convert.WIDE, 150))
# To how many classes a graph grows, and the most seconds of CPU for it.
GROWN, SECONDS = 4000, 5
REWRITE, EXPORT = f"graphfix convert {GRAPH}", "stock API: build, restore, export"


def source(case, cache):
    """A directory with the frozen graph that the stock exporter makes of a case's checkpoint."""
    directory = os.path.join(cache, "frozen", case.name)
    if not os.path.exists(directory):
        say([f"exporting {case.name} ..."])
        making = directory + ".making"
        shutil.rmtree(making, ignore_errors=True)
        os.makedirs(making)
        config = os.path.join(case.directory, "pipeline.config")
        timed(
            export(
                os.path.join(case.directory, "model.ckpt"), config, os.path.join(making, "export")
            ),
            os.path.join(cache, "log"),
        )
        shutil.move(os.path.join(making, "export", GRAPH), making)
        shutil.rmtree(os.path.join(making, "export"))
        shutil.copy(config, making)
        os.rename(making, directory)
    return directory


def export(prefix, config, out):
    return [sys.executable, os.path.join(ARMS, "stock_export.py"), prefix, config, out]


def measure(case, cache, repetitions, pictures):
    """The runs of both arms, and what running the graphs gave."""
    directory = source(case, cache)
    carried, mapped = case.carried
    runs = collections.OrderedDict([(REWRITE, []), (EXPORT, [])])
    with tempfile.TemporaryDirectory(dir=cache, prefix="run-") as work:
        log, labels, out, exported = (
            os.path.join(work, name) for name in ("log", convert.LABEL_MAP, "graphfix", "exported")
        )
        with open(labels, "w", encoding="utf-8") as file:
            for number, name in enumerate(("new thing", carried[1], "other name"), 1):
                file.write(f"item {{ id: {number} name: '{name}' }}\n")
        commands = {
            REWRITE: [sys.executable, "-m", "graphfix", "convert", os.path.join(directory, GRAPH)]
            + case.flags
            + [
                "--label_map_path",
                labels,
                "--map",
                f"other name={mapped[1]}",
                "--output_directory",
                out,
            ],
            EXPORT: export(
                os.path.join(out, "model.ckpt"), os.path.join(out, "pipeline.config"), exported
            ),
        }
        for number in rounds(case.name, repetitions):
            for one in (out, exported):
                shutil.rmtree(one, ignore_errors=True)
            for name, command in commands.items():
                run = timed(command, log)
                if number:
                    runs[name].append(run)
        say([f"{case.name}: running the graphs"])
        timed(
            [
                sys.executable,
                os.path.join(ARMS, "run_graphs.py"),
                os.path.join(directory, GRAPH),
                os.path.join(out, GRAPH),
                os.path.join(exported, GRAPH),
                "--pictures",
                str(pictures),
            ],
            log,
        )
        return runs, json.loads(convert.read(log).strip().splitlines()[-1])


def report(found, cache, repetitions, pictures):
    yield (
        f"Measured {time.strftime('%Y-%m-%d')} with "
        f"`benchmarks/frozen.py --repetitions {repetitions} --pictures {pictures}` "
        f"on {convert.machine()}."
    )
    for case in found:
        runs, ran = measure(case, cache, repetitions, pictures)
        before, after = ran["graphs"]
        seconds = {name: convert.median(those) for name, those in runs.items()}
        speed = [1000 / statistics.median(one["ms"]) for one in (before, after)]
        yield ""
        yield f"## {case.name}"
        yield ""
        yield f"{case.about}."
        yield ""
        yield "| | median s | min s | max s | peak MiB |"
        yield "|---|---:|---:|---:|---:|"
        for name, those in runs.items():
            times = [run.seconds for run in those]
            yield (
                f"| {name} | {seconds[name]:.3f} | {min(times):.3f} | {max(times):.3f} "
                f"| {convert.peak(those):.0f} |"
            )
        ratio = seconds[EXPORT] / seconds[REWRITE]
        yield ""
        aim = "reached" if ratio >= 15 else "missed"
        same = "find the same, bit for bit," if ran["same"] else "do NOT find the same"
        yield (
            f"The export takes {ratio:.1f} times as long (aim: at least 15; {aim}). The two graphs "
            f"{same} on {pictures} pictures ({ran['detections']:.0f} detections each on average)."
        )
        yield ""
        yield "| | nodes | MB | pictures/s |"
        yield "|---|---:|---:|---:|"
        for name, one, rate in (("original", before, speed[0]), ("rewritten", after, speed[1])):
            yield f"| {name} | {one['nodes']} | {one['bytes'] / 1000000.0:.1f} | {rate:.2f} |"
        yield (
            f"| rewritten / original | {after['nodes'] / before['nodes']:.2f} "
            f"| {after['bytes'] / before['bytes']:.2f} | {speed[1] / speed[0]:.2f} |"
        )


def beside(config, cache, repetitions):
    """A checkpoint with its frozen graph beside it, and one without: the rows of a table."""
    yield ""
    yield "## Beside a checkpoint"
    yield ""
    yield (
        "SSD MobileNet v1 at two depth multipliers, its checkpoint and the graph that the stock "
        "exporter makes of it."
    )
    yield ""
    yield "| graph, MB | | median s | CPU s | peak MiB | aim, MiB | |"
    yield "|---:|---|---:|---:|---:|---:|---|"
    for multiplier, most in WIDTHS:
        name = f"wide-{multiplier:g}"
        directory = convert.checkpoint(
            cache,
            name,
            re.sub(r"depth_multiplier: [\d.]+", f"depth_multiplier: {multiplier:g}", config),
        )
        graph = os.path.join(source(convert.Case(name, "", directory, (), []), cache), GRAPH)
        size = os.path.getsize(graph) / 1e6
        with tempfile.TemporaryDirectory(dir=cache, prefix="run-") as work:
            model, out, log = (os.path.join(work, one) for one in ("model", "out", "log"))
            os.mkdir(model)
            for one in os.listdir(directory):
                os.link(os.path.join(directory, one), os.path.join(model, one))
            runs = collections.OrderedDict([("the checkpoint alone", []), ("with the graph", [])])
            for number in rounds(name, repetitions):
                for what, those in runs.items():
                    if what == "with the graph":
                        os.link(graph, os.path.join(model, GRAPH))
                    shutil.rmtree(out, ignore_errors=True)
                    command = [sys.executable, "-m", "graphfix", "convert", model]
                    run = timed(command + ["--num_classes", "3", "--output_directory", out], log)
                    if number:
                        those.append(run)
                    if what == "with the graph":
                        os.remove(os.path.join(model, GRAPH))
        for what, those in runs.items():
            aim, said = "", ""
            if what == "with the graph":
                aim, said = str(most), "reached" if convert.peak(those) <= most else "missed"
            yield (
                f"| {size:.0f} | {what} | {convert.median(those):.3f} | {convert.cpu(those):.3f} "
                f"| {convert.peak(those):.0f} | {aim} | {said} |"
            )


def growth(cache, repetitions):
    """A frozen graph alone that grows to thousands of classes: the rows of a table."""
    yield ""
    yield f"## Growing to {GROWN:,} classes"
    yield ""
    yield (
        "The detector in testdata/ (SSD MobileNet v1 at depth_multiplier 0.25, 8 classes), its "
        "frozen graph alone. SHAKE-256: as many bytes as its new classes' values are drawn from, "
        "by the same Python. By cProfile (CPython 3.13; 6.4 s with it, 5.6 without): drawing "
        "the values 2.2, of which SHAKE-256 is 1.6; gathering rows and putting the graph "
        "together 0.8; writing 1.0; reading all back 1.6, of which comparing the graph's "
        "constants is 1.2; opening and planning 0.5. Drawing and reading back alone are 3.8: no"
        " drawn value may change, and no check is dropped."
    )
    yield ""
    yield "| | median s | CPU s | peak MiB | aim, CPU s | |"
    yield "|---|---:|---:|---:|---:|---|"
    with tempfile.TemporaryDirectory(dir=cache, prefix="run-") as work:
        out, log = (os.path.join(work, one) for one in ("out", "log"))
        for name in (GRAPH, "pipeline.config"):
            shutil.copy(os.path.join(convert.TESTDATA, name), work)
        command = [sys.executable, "-m", "graphfix", "convert", os.path.join(work, GRAPH)]
        command += ["--num_classes", str(GROWN), "--output_directory", out]
        chunks = _drawn(convert.TESTDATA) >> 16
        digest = f"import hashlib\nfor _ in range({chunks}): hashlib.shake_256().digest(1 << 16)"
        arms = collections.OrderedDict(
            [(REWRITE, command), ("SHAKE-256", [sys.executable, "-c", digest])]
        )
        runs = {name: [] for name in arms}
        for number in rounds("growth", repetitions):
            for name, arm in arms.items():
                shutil.rmtree(out, ignore_errors=True)
                run = timed(arm, log)
                if number:
                    runs[name].append(run)
    for name, those in runs.items():
        aim = (f"{SECONDS}", "reached" if convert.cpu(those) <= SECONDS else "missed")
        yield (
            f"| {name} | {convert.median(those):.2f} | {convert.cpu(those):.2f} "
            f"| {convert.peak(those):.0f} | {' | '.join(aim if name == REWRITE else ('', ''))} |"
        )


def _drawn(directory):
    """How many bytes the kernels of new classes are drawn from, in the first turn: 48 a value."""
    store = graphfix.open_model(directory).store
    kernels = [
        view.meta.shape for name, view in store.items() if name.endswith("ClassPredictor/weights")
    ]
    # 8 classes and the background share the kernels' channels.
    return sum(48 * shape[-2] * shape[-1] // 9 * GROWN for shape in kernels)


ABOUT = """# Benchmarks: frozen graphs

<!-- Written by benchmarks/frozen.py --write: the text is in it, the figures are measured. -->

A frozen graph alone is converted to three classes (one carried under its name, one by `--map`,
one new): checkpoint, config, report and the rewritten graph. Beside that, what one had to do
before: with the converted checkpoint already there, build the model, restore, and export, by the
stock exporter. Whole processes, one after the other; the first round is not counted.

Of 0.69 s of the SSD and 0.74 of the Faster R-CNN (CPython 3.7, its steps timed), the interpreter,
NumPy, protobuf and crc32c take 0.12; graphfix's modules 0.05; opening 0.17 and 0.20 (a quarter is
finding 7,000 nodes in the bytes, two fifths their names, inputs and order, a quarter the constants
that become a checkpoint); planning 0.06 and 0.05; rewriting 0.13 and 0.14; writing 0.08; reading
all back and comparing 0.06 and 0.08; the rest is ending and syncing. A fifteenth of the SSD's
export is 0.47: 0.35 s beyond start-up for 7,000 nodes that Python reads, rewrites, and reads again.
No single step is in the way.

Then the original and the rewritten graph run on the same pictures of noise, one picture in the one
and then in the other, by TensorFlow on this machine's CPUs. What the rewritten graph gains is the
suppression of classes it no longer has. How much time suppression takes depends on how many boxes
score above the config's threshold.

Then checkpoints are converted with a frozen graph beside them, and without: what is copied of a
graph is never in memory. Last, a graph grows to thousands of classes.

"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=5, help="rounds that count")
    parser.add_argument("--pictures", type=int, default=30, help="pictures to run the graphs on")
    parser.add_argument(
        "--cache", default=convert.CACHE, help="where checkpoints and graphs are kept"
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks_frozen.md")
    args = parser.parse_args()
    os.makedirs(os.path.join(args.cache, "checkpoints"), exist_ok=True)
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(open(os.path.join(args.cache, "lock"), "w"))
        fcntl.flock(lock, fcntl.LOCK_EX)  # two benchmarks at once would measure each other
        found = [
            case for case in convert.cases(args.cache) if case.name in ("ssd", "frcnn", "testdata")
        ]
        ssd = [case for case in found if case.name == "ssd"]
        config = convert.read(os.path.join(ssd[0].directory, "pipeline.config")) if ssd else None
        convert.tell(
            itertools.chain(
                report(found, args.cache, args.repetitions, args.pictures),
                beside(config, args.cache, args.repetitions) if config else (),
                growth(args.cache, args.repetitions),
            ),
            "benchmarks_frozen.md" if args.write else None,
            ABOUT,
        )


if __name__ == "__main__":
    main()
