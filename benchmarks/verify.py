#!/usr/bin/env python3
"""How long verify takes, beside reading an output's bytes and computing their checksums.

    verify.py [--repetitions N] [--cases NAME,...] [--cache DIR] [--write]

The outputs are conversions of the checkpoints of benchmarks/convert.py, which makes them.  Prints
tables; --write puts them into docs/benchmarks_verify.md.
"""

import argparse
import os
import sys
import tempfile
import time

import convert
from convert import ARMS, DATA, PYTHON, cpu, machine, median, peak, rounds, timed

VERIFY, CRCS = "graphfix verify", "reading and CRC-32C"
MODULES = "python, importing graphfix verify"
AIM = 1.2


def arms(out):
    python = [sys.executable]
    return {
        VERIFY: python + ["-m", "graphfix", "verify", out],
        CRCS: python + [os.path.join(ARMS, "read_crcs.py"), out],
        PYTHON: python + ["-c", "pass"],
        MODULES: python + ["-c", "import graphfix.__main__, graphfix.verification.verify"],
    }


def measure(case, cache, repetitions):
    """The output's size, and the runs of each arm, after one round that is not counted."""
    with tempfile.TemporaryDirectory(dir=cache, prefix="run-") as work:
        log, out = os.path.join(work, "log"), os.path.join(work, "out")
        timed(
            [
                sys.executable,
                "-m",
                "graphfix",
                "convert",
                case.directory,
                "--num_classes",
                "3",
                "--map",
                "1=1",
                "--trainer",
                "model_main",
                "--output_directory",
                out,
            ]
            + case.flags,
            log,
        )
        runs = {}
        for number in rounds(case.name, repetitions):
            for name, command in arms(out).items():
                run = timed(command, log)
                if number:
                    runs.setdefault(name, []).append(run)
        return os.path.getsize(os.path.join(out, DATA)), runs


def best(runs):
    return min(run.seconds for run in runs)


def report(cases, cache, repetitions):
    yield (
        f"Measured {time.strftime('%Y-%m-%d')} with "
        f"`benchmarks/verify.py --repetitions {repetitions}` "
        f"on {machine()}."
    )
    load = [os.getloadavg()[0]]
    for case in cases:
        size, runs = measure(case, cache, repetitions)
        yield ""
        yield f"## {case.name}: {size / 1000000.0:.0f} MB"
        yield ""
        yield case.about + "."
        yield ""
        yield "| | best s | median s | CPU s | peak MiB |"
        yield "|---|---:|---:|---:|---:|"
        for name, those in runs.items():
            yield (
                f"| {name} | {best(those):.3f} | {median(those):.3f} | {cpu(those):.3f} "
                f"| {peak(those):.0f} |"
            )
        beyond = (best(runs[VERIFY]) - best(runs[MODULES])) / (
            best(runs[CRCS]) - best(runs[PYTHON])
        )
        yield ""
        yield "| aim | | measured | |"
        yield "|---|---|---:|---|"
        for what, times in (
            ("", best(runs[VERIFY]) / best(runs[CRCS])),
            (", both beyond start-up", beyond),
        ):
            if size >= 400e6:
                aim = "reached" if times <= AIM else "missed"
                yield (
                    f"| verify's best time, as a multiple of reading's{what} | at most {AIM:g} "
                    f"| {times:.2f} | {aim} |"
                )
        memory = peak(runs[VERIFY])
        aim = "reached" if memory < 100 else "missed"
        yield f"| peak memory, MiB | below 100 | {memory:.0f} | {aim} |"
        load.append(os.getloadavg()[0])
    yield ""
    loads = ", ".join(f"{one:.1f}" for one in load)
    yield (
        f"Load average before the first case and after each (the benchmark alone makes 1): {loads}."
    )


ABOUT = """# Benchmark of verify

<!-- Written by benchmarks/verify.py --write: the text is in it, the figures are measured. -->

`graphfix verify` of an output: every file and tensor against the manifest, and plan, config, label
map and checkpoint against each other. Whole processes, one after the other, round by round; the
first round is not counted, so everything is in the page cache.

* reading and CRC-32C: `benchmarks/arms/read_crcs.py`, which reads the same files in chunks of 1 MiB
  and computes their checksums by the package crc32c. It compares nothing.
* beyond start-up: less Python with graphfix's modules, and less Python alone.

Where memory is fast, starting up is most of verify's time: NumPy and Protocol Buffers alone take as
long to import as half a gigabyte takes to read. Beyond that, it is the second figure of every byte
(`sum64`), opening each tensor's place in the file, and the questions about plan, config and model.
verify reads by several threads, up to four; the other reads by one.

"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=7, help="rounds that count")
    parser.add_argument("--cases", help="only these, by name, separated by commas")
    parser.add_argument(
        "--cache", default=convert.CACHE, help="where checkpoints are kept and results written"
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks_verify.md")
    args = parser.parse_args()
    os.makedirs(os.path.join(args.cache, "checkpoints"), exist_ok=True)
    cases = [
        case
        for case in convert.cases(args.cache)
        if not args.cases or case.name in args.cases.split(",")
    ]
    convert.tell(
        report(cases, args.cache, args.repetitions),
        "benchmarks_verify.md" if args.write else None,
        ABOUT,
    )


if __name__ == "__main__":
    main()
