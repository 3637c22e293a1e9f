#!/usr/bin/env python3
"""Tries to break graphfix, counts what happens, and writes docs/robustness.md.

    python benchmarks/robustness --write [--minutes 120] [--stock PYTHON] [--large DIR ...]

Every section counts faults: outputs that are neither whole nor absent, tracebacks, exit codes that
are not documented, values that TensorFlow's reader does not read the same.  Exit code 1 if any.
Random choices are seeded; the moments of kills depend on the machine.
"""

import argparse
import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from robustness.archives import archives
from robustness.common import ROOT
from robustness.disks import disks, disks_batch
from robustness.inputs import parsers
from robustness.killed import killed_batch, killed_convert
from robustness.limits import limits
from robustness.long import concurrency, soak
from robustness.ownership import ownership
from robustness.tampering import tampering

PAGE = os.path.join(ROOT, "docs", "robustness.md")
INTRODUCTION = """\
# Robustness

<!-- Written by benchmarks/robustness --write; the counts are measured. -->

What was tried to break graphfix, and what came of it. A fault is an output that is neither whole nor
absent, a traceback, an exit code that is not documented, values that TensorFlow's reader does not
read the same, a byte of the user's that changed, or a changed output that `verify` passes.
`python benchmarks/robustness --write` measures all of it again (`--minutes` is the soak's length; the
default is two hours), or only some `--sections`, and leaves the others as they are: each says how
long it took, and when. A small part is in the fast tests.
"""  # noqa: E501
SECTIONS = {
    "parsers": parsers,
    "archives": archives,
    "killed_convert": killed_convert,
    "killed_batch": killed_batch,
    "disks": disks,
    "disks_batch": disks_batch,
    "limits": limits,
    "concurrency": concurrency,
    "ownership": ownership,
    "tampering": tampering,
    "soak": soak,
}


def run(name, options):
    """(rows, faults) of a section, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="robustness-", dir=options.scratch) as scratch:
        return SECTIONS[name](scratch, options)


def flags():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sections", default=",".join(SECTIONS), help="some, by name")
    parser.add_argument("--fuzz", type=int, default=3, help="times the inputs of the tests")
    parser.add_argument("--flips", type=int, default=300, help="of bits, in each kind of archive")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--batch_kills", type=int, default=200)
    parser.add_argument("--tmpfs_step", type=int, default=24, help="KiB from one size to the next")
    parser.add_argument("--rounds", type=int, default=10, help="of concurrency")
    parser.add_argument("--minutes", type=float, default=120, help="of the soak")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the soak, and of random directories"
    )
    parser.add_argument("--directories", type=int, default=600, help="of ownership")
    parser.add_argument("--changes", type=int, default=1500, help="of tampering")
    parser.add_argument("--harmless", type=int, default=300, help="changes that tampering is none")
    parser.add_argument("--stock", help="a Python that has TensorFlow, to read what is written")
    parser.add_argument("--large", action="append", default=[], help="a large model's directory")
    parser.add_argument("--scratch", help="where to work")
    parser.add_argument(
        "--write", action="store_true", help="write these sections into docs/robustness.md"
    )
    return parser


def main():
    options = flags().parse_args()
    faults = 0
    with open(PAGE, encoding="utf-8") as file:
        shown = sections_of(file.read())
    for name in filter(None, options.sections.split(",")):
        start = time.monotonic()
        rows, found = run(name, options)
        faults += len(found)
        shown[name] = section(
            name, rows, found, time.monotonic() - start, time.strftime("%Y-%m-%d")
        )
        print(shown[name], flush=True)
        if options.write:
            with open(PAGE, "w", encoding="utf-8") as file:
                file.write(page(shown))
    return 1 if faults else 0


def title(name):
    return SECTIONS[name].__doc__.strip().rstrip(".")


def section(name, rows, faults, seconds, date):
    """A section's text."""
    return "\n".join(
        ["## " + title(name), "", "| | |", "|---|---|"]
        + [f"| {what} | {result} |" for what, result in rows]
        + ["", f"{len(faults)} faults; {seconds:.0f} s, {date}.", ""]
    )


def sections_of(text):
    """The sections of a page, by name."""
    titles = {title(name): name for name in SECTIONS}
    found = {}
    for part in re.split(r"(?m)^(?=## )", text)[1:]:
        name = titles.get(part.split("\n")[0][3:])
        if name:
            found[name] = part.rstrip("\n") + "\n"
    return found


def page(shown):
    """The page of these sections."""
    return "\n".join([INTRODUCTION] + [shown[name] for name in SECTIONS if name in shown])


if __name__ == "__main__":
    sys.exit(main())
