#!/usr/bin/env python3
"""How long a conversion takes, and how much memory: graphfix beside the ways one had before.

    convert.py [--repetitions N] [--cases NAME,...] [--cache DIR] [--write]

Runs whole processes, one arm after the other, round by round, so that a slower minute of the
machine slows every arm.  Prints a table of each case, and what became of the project's aims;
--write puts the same into docs/benchmarks.md.  Needs a Python that has TensorFlow 1.15 and the
stock API, and runs all arms under it.

The checkpoints are made here, at full size, from the indexes of published models, which are
looked for in $GRAPHFIX_ZOO_DIR, then in ../shared/zoo beside the repository; they are kept in
the cache.  Where there are no indexes, only the small detector in testdata/ is converted.
"""

import argparse
import collections
import contextlib
import fcntl
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from graphfix.process.console import Progress, say  # noqa: E402

ARMS = os.path.join(ROOT, "benchmarks", "arms")
TESTDATA = os.path.join(ROOT, "testdata", "shapes_detector")
ZOO = os.environ.get("GRAPHFIX_ZOO_DIR") or os.path.join(os.path.dirname(ROOT), "shared", "zoo")
DATA = "model.ckpt.data-00000-of-00001"
LABEL_MAP = "new.pbtxt"

Case = collections.namedtuple("Case", "name about directory carried flags")
CACHE = os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "graphfix", "benchmarks"
)
Run = collections.namedtuple("Run", "seconds cpu mebibytes")

# The old classes that go along, by id and name: the first under its name, the second by --map.
COCO = ((1, "person"), (2, "bicycle"))
# Width at which an SSD MobileNet v1 has 490 MB of model variables.
WIDE = 4.65

GRAPHFIX, UNSYNCED, SCRIPT, REBUILD, CP, CP_SYNC, PYTHON, LIBRARIES, MODULES = (
    "graphfix convert",
    "graphfix convert, fsync made to do nothing",
    "TensorFlow script",
    "stock API: build, restore, save",
    "cp of the data file",
    "cp of the data file, and sync it",
    "python",
    "python, importing NumPy, protobuf and crc32c",
    "python, importing graphfix convert",
)


def cases(cache):
    """The cases there are files for; makes their checkpoints where the cache has none."""
    found = []
    ssd, frcnn, rfcn = (
        os.path.join(ZOO, name)
        for name in (
            "ssd_mobilenet_v1_coco_2018_01_28",
            "faster_rcnn_inception_v2_coco_2018_01_28",
            "rfcn_resnet101_coco_11_06_2017",
        )
    )
    if os.path.isdir(ssd):
        config = read(os.path.join(ssd, "pipeline.config"))
        found.append(
            Case(
                "ssd",
                "SSD MobileNet v1, a replica of ssd_mobilenet_v1_coco_2018_01_28",
                checkpoint(cache, "ssd", config, index=ssd),
                COCO,
                [],
            )
        )
        found.append(
            Case(
                "wide",
                (
                    f"SSD MobileNet v1 at depth_multiplier {WIDE:g}, without a trainer's "
                    "variables: all of it is carried along"
                ),
                checkpoint(
                    cache,
                    f"wide-{WIDE:g}",
                    re.sub(r"depth_multiplier: [\d.]+", f"depth_multiplier: {WIDE:g}", config),
                ),
                COCO,
                [],
            )
        )
    if os.path.isdir(frcnn):
        found.append(
            Case(
                "frcnn",
                "Faster R-CNN Inception v2, a replica of faster_rcnn_inception_v2_coco_2018_01_28",
                checkpoint(
                    cache, "frcnn", read(os.path.join(frcnn, "pipeline.config")), index=frcnn
                ),
                COCO,
                [],
            )
        )
    sample = os.path.join(ZOO, "sample_configs", "rfcn_resnet101_coco.config")
    if os.path.isdir(rfcn) and os.path.isfile(sample):
        found.append(
            Case(
                "rfcn",
                "R-FCN ResNet-101, a replica of rfcn_resnet101_coco_11_06_2017, "
                "of which the optimizer's variables are left out",
                checkpoint(cache, "rfcn", read(sample), index=rfcn),
                COCO,
                [],
            )
        )
    if not found:
        say([f"no published models in {ZOO}: only the detector in testdata/ is converted"])
        label_map = os.path.join(TESTDATA, "shapes_label_map.pbtxt")
        names = re.findall(r"name: ['\"](\w+)['\"]", read(label_map))[:2]
        found.append(
            Case(
                "testdata",
                "SSD MobileNet v1 at depth_multiplier 0.25, the detector in testdata/",
                TESTDATA,
                tuple(enumerate(names, 1)),
                ["--source_label_map_path", label_map],
            )
        )
    return found


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def checkpoint(cache, name, config, index=None):
    """A directory with pipeline.config and a full-size model.ckpt."""
    directory = os.path.join(cache, "checkpoints", name)
    if os.path.exists(directory):
        return directory
    say([f"making the checkpoint {name} ..."])
    making = directory + ".making"
    shutil.rmtree(making, ignore_errors=True)
    os.makedirs(making)
    path = os.path.join(making, "pipeline.config")
    with open(path, "w", encoding="utf-8") as file:
        file.write(config)
    script = os.path.join(ARMS, "make_checkpoint.py")
    timed(
        [sys.executable, script, making]
        + (["--index", os.path.join(index, "model.ckpt")] if index else ["--config", path]),
        os.path.join(cache, "log"),
    )
    os.rename(making, directory)
    return directory


def arms(case, work):
    """The command of each arm; `work` is an empty directory for what they write."""
    carried, mapped = case.carried
    with open(os.path.join(work, LABEL_MAP), "w", encoding="utf-8") as file:
        for number, name in enumerate(("new thing", carried[1], "other name"), 1):
            file.write(f"item {{ id: {number} name: '{name}' }}\n")
    rows = f"0,{carried[0]},{mapped[0]}"
    prefix, config, data = (
        os.path.join(case.directory, name) for name in ("model.ckpt", "pipeline.config", DATA)
    )

    def out(name):
        return os.path.join(work, name)

    flags = (
        [case.directory]
        + case.flags
        + [
            "--label_map_path",
            out(LABEL_MAP),
            "--map",
            f"other name={mapped[1]}",
            "--trainer",
            "model_main",
            "--output_directory",
        ]
    )
    python = [sys.executable]
    script = [prefix, config]
    return collections.OrderedDict(
        [
            (GRAPHFIX, python + ["-m", "graphfix", "convert"] + flags + [out("graphfix")]),
            (CP, ["cp", data, out("cp")]),
            (
                UNSYNCED,
                python + [os.path.join(ARMS, "unsynced.py"), "convert"] + flags + [out("unsynced")],
            ),
            (CP_SYNC, ["sh", "-c", 'cp "$0" "$1" && sync "$1"', data, out("cp_sync")]),
            (PYTHON, python + ["-c", "pass"]),
            (
                LIBRARIES,
                python
                + [
                    "-c",
                    "import numpy, google.protobuf.descriptor_pb2, crc32c, "
                    "google.protobuf.message_factory",
                ],
            ),
            (MODULES, python + ["-c", "import graphfix.__main__, graphfix.conversion.convert"]),
            (
                SCRIPT,
                python
                + [os.path.join(ARMS, "tf_script.py")]
                + script
                + [out("script")]
                + ["--rows", rows],
            ),
            (
                REBUILD,
                python
                + [os.path.join(ARMS, "stock_rebuild.py")]
                + script
                + [out("rebuild")]
                + ["--classes", "3"],
            ),
        ]
    ), rows


def timed(command, log):
    """Runs a command to its end; its wall time, CPU time and largest resident set."""
    environment = dict(
        os.environ, PYTHONPATH=ROOT, CUDA_VISIBLE_DEVICES="-1", PYTHONWARNINGS="ignore"
    )
    # Modules are compiled in the first round, which is not counted, as an installer does it.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with open(log, "wb") as file:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=os.path.dirname(log),
            env=environment,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = status
    if status:
        sys.exit(f"{' '.join(command)}\nended with status {status}:\n{read(log)[-3000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def rounds(what, repetitions):
    """The numbers of the rounds, each shown while it runs; round 0 warms up and does not count."""
    with Progress() as show:
        for number in range(repetitions + 1):
            show(f"{what}: round {number} of {repetitions}")
            yield number


def measure(case, cache, repetitions):
    """The runs of each arm, after one round that is not counted, and what they agree on."""
    runs = collections.OrderedDict()
    with tempfile.TemporaryDirectory(dir=cache, prefix="run-") as work:
        log = os.path.join(work, "log")
        commands, rows = arms(case, work)
        for number in rounds(case.name, repetitions):
            for name, command in commands.items():
                run = timed(command, log)
                if number:
                    runs.setdefault(name, []).append(run)
                # What it leaves unwritten in memory is no business of the next arm's.
                clear(work, keep=() if number else ("graphfix", "script"))
                os.sync()
            if number == 0:
                timed(
                    [
                        sys.executable,
                        os.path.join(ARMS, "compare.py"),
                        os.path.join(work, "graphfix"),
                        os.path.join(work, "script"),
                        "--rows",
                        rows,
                    ],
                    log,
                )
                agreed = read(log).strip().splitlines()[-1]
                written = os.path.getsize(os.path.join(work, "graphfix", DATA))
                clear(work)
    return runs, agreed, written


def clear(work, keep=()):
    """Removes what the arms wrote, but for `keep`."""
    for name in set(os.listdir(work)) - set(keep) - {"log", LABEL_MAP}:
        path = os.path.join(work, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.remove(path)


def median(runs):
    return statistics.median(run.seconds for run in runs)


def cpu(runs):
    return statistics.median(run.cpu for run in runs)


def peak(runs):
    return max(run.mebibytes for run in runs)


def table(runs):
    yield "| | median s | min s | max s | times graphfix | CPU s | peak MiB |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for name, those in runs.items():
        seconds = [run.seconds for run in those]
        yield (
            f"| {name} | {median(those):.3f} | {min(seconds):.3f} | {max(seconds):.3f} "
            f"| {median(those) / median(runs[GRAPHFIX]):.2f} | {cpu(those):.3f} "
            f"| {peak(those):.0f} |"
        )


def aims(runs, size):
    """The project's aims for a case of `size` bytes, and what was measured."""
    graphfix, script, cp = (median(runs[name]) for name in (GRAPHFIX, SCRIPT, CP_SYNC))
    rows = []
    if size < 100e6:
        rows.append(
            (
                "time, as part of the TensorFlow script's",
                "at most 0.2",
                graphfix / script,
                graphfix / script <= 0.2,
            )
        )
    else:
        beyond = (graphfix - median(runs[LIBRARIES])) / cp
        rows.append(
            (
                "time beyond start-up (Python and its libraries), as a multiple of cp's and sync's",
                "at most 1.15",
                beyond,
                beyond <= 1.15,
            )
        )
        rows.append(
            (
                "the TensorFlow script's time, as a multiple of graphfix's",
                "at least 8",
                script / graphfix,
                script / graphfix >= 8,
            )
        )
    rows.append(("peak memory, MiB", "below 100", peak(runs[GRAPHFIX]), peak(runs[GRAPHFIX]) < 100))
    yield "| aim | | measured | |"
    yield "|---|---|---:|---|"
    for what, aim, value, reached in rows:
        yield f"| {what} | {aim} | {value:.2f} | {'reached' if reached else 'missed'} |"


def tell(lines, page, about):
    """Prints lines as they come; then writes them, behind `about`, as docs/PAGE, unless None."""
    told = []
    for line in lines:
        print(line, flush=True)
        told.append(line)
    if page:
        with open(os.path.join(ROOT, "docs", page), "w", encoding="utf-8") as file:
            file.write(about + "\n".join(told) + "\n")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    real_time = os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR)
    scheduling = ", all arms before other work (real-time scheduling)" if real_time else ""
    return (
        f"{os.cpu_count()} CPUs ({model.group(1) if model else platform.machine()}), "
        f"Linux {platform.release()}, CPython {platform.python_version()}{scheduling}"
    )


def report(found, cache, repetitions):
    """The lines of a report; runs everything."""
    yield (
        f"Measured {time.strftime('%Y-%m-%d')} with "
        f"`benchmarks/convert.py --repetitions {repetitions}` "
        f"on {machine()}."
    )
    load = [os.getloadavg()[0]]
    for case in found:
        size = os.path.getsize(os.path.join(case.directory, DATA))
        runs, agreed, written = measure(case, cache, repetitions)
        yield ""
        yield f"## {case.name}: {size / 1000000.0:.0f} MB"
        yield ""
        yield (
            f"{case.about}. {written / 1e6:.0f} MB are written. "
            f"graphfix and the script agree: {agreed}."
        )
        for lines in table(runs), aims(runs, size):
            yield ""
            yield from lines
        load.append(os.getloadavg()[0])
    yield ""
    loads = ", ".join(f"{one:.1f}" for one in load)
    yield (
        f"Load average before the first case and after each (the benchmark alone makes 1): {loads}."
    )


ABOUT = """# Benchmarks

<!-- Written by benchmarks/convert.py --write: the text is in it, the figures are measured. -->

A conversion to three classes (one carried under its name, one by `--map`, one new), with
`--trainer model_main`, as whole processes. The arms run one after the other, round by round; the
first round is not counted. Every arm finds its source in the page cache and an empty destination
on the same file system. "times graphfix" is by medians, "CPU" the median of user and system time,
and peak memory the largest resident set of the process; one smaller than the process that starts
it (some 8 MiB) shows as that.

* TensorFlow script: `benchmarks/arms/tf_script.py`, what one would write by hand:
  NewCheckpointReader, NumPy, SaveV2. It checks and syncs nothing.
* stock API: `benchmarks/arms/stock_rebuild.py` builds the graph for three classes, restores what
  fits, and saves. The class heads do not fit and come out random.
* cp: the least that any tool could do. It does not sync what it wrote. graphfix does (before it
  publishes the directory, so that a crash never leaves half of one), reads all of it back, and
  compares every tensor's checksum. What syncing costs shows in the two arms that differ in it
  alone.

What does not grow with the checkpoint (interpreter, imports, planning, report) is most of
graphfix's time at 27 MB, and weighs the more at 490 MB the faster a machine copies.

Of 0.51 s at 491 MB (CPython 3.13, its steps timed), 0.02 are the interpreter's start, 0.09 NumPy,
protobuf and crc32c, 0.09 graphfix's own modules, 0.05 opening, planning and drawing, 0.21 copying
with the reading back beside it, 0.02 the rest of the comparison, and 0.05 syncing and publishing.
So copying, comparing and syncing together take what `cp` and sync do (0.28), and what is beyond
start-up and above that is modules and planning: it does not shrink with a faster copy.

Of 0.31 s at 27 MB (timed likewise), 0.02 are the interpreter's start, 0.07 NumPy, protobuf and
crc32c, 0.10 graphfix's own modules, 0.03 opening, planning and applying the plan, 0.06 writing
tensors and report with the reading back beside it, 0.02 comparing, and 0.01 the command line and
publishing. A fifth of what the TensorFlow script takes (below) is some 0.23 s, and start-up alone
is 0.19: what is left for the conversion itself is a third of what it takes.

"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=5, help="rounds that count")
    parser.add_argument("--cases", help="only these, by name, separated by commas")
    parser.add_argument(
        "--cache", default=CACHE, help="where checkpoints are kept and results written"
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    args = parser.parse_args()
    os.makedirs(os.path.join(args.cache, "checkpoints"), exist_ok=True)
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(open(os.path.join(args.cache, "lock"), "w"))
        fcntl.flock(lock, fcntl.LOCK_EX)  # two benchmarks at once would measure each other
        found = cases(args.cache)
        if args.cases:
            found = [case for case in found if case.name in args.cases.split(",")]
        tell(
            report(found, args.cache, args.repetitions),
            "benchmarks.md" if args.write else None,
            ABOUT,
        )


if __name__ == "__main__":
    main()
