#!/usr/bin/env python3
"""Families of detectors x eras of the stock API x surgeries, judged by the stock API.

    matrix.py [--output docs/matrix.md] [--families REGEX] [--eras 2019-04,...] [--edits shrink,...]

`cells` says what a cell is.  The whole takes hours.  What is known is kept, in $GRAPHFIX_MATRIX or
else ${XDG_CACHE_HOME:-~/.cache}/graphfix/matrix, by digests of all that the answer depends on:
so a run that was stopped goes on where it was, and after a change only those cells are judged anew
whose emitted files, or judges, have changed.

Exit status 1 says that a cell is neither right nor excused by REASONS.
"""

import argparse
import functools
import hashlib
import json
import os
import re
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]

import cells  # noqa: E402

# What the stock code itself cannot do, in the part of a cell and in the words of its error, and
# what that means.  A group in the pattern is filled in.
REASONS = (
    ("build", r"Unknown ssd feature_extractor: (\w+)", "no feature extractor {} in this revision"),
    (
        "build",
        r"(\w+) is not supported. See `model_builder.py`",
        "no feature extractor {} in this revision under TensorFlow 1",
    ),
    (
        "build",
        r"Unknown Faster R-CNN feature_extractor: (\w+)",
        "no feature extractor {} in this revision",
    ),
    ("build", r'has no field named "(\w+)"', "no field {} in the schema of this revision"),
    (
        "build",
        r"'dict_keys' object is not subscriptable",
        "this revision's pooling pyramid does not build under Python 3",
    ),
    (
        "build",
        r"Value passed to parameter 'shape' has DataType float32",
        "this revision's mask head computes float shapes under Python 3, and does not build",
    ),
    (
        "legacy",
        r"missing 2 required positional arguments: 'context_features'",
        "legacy/train.py gives Context R-CNN no context features, and cannot train it",
    ),
)

LEGEND = """\
# Families, eras, surgeries

Made by `make matrix`. Each family (a file in `tests/stock/families/`) has a checkpoint of %(classes)d
classes, made by the stock API of the era with values that no initializer gives. graphfix converts it:

| surgery | classes afterwards | the config's optimizer |
|---|---|---|
%(surgeries)s

The stock API of the same era then judges the result. A cell says:

* how many variables of how many `legacy/train.py` restores, then how many `model_main.py` restores,
  bit for bit, read before the first step. Where that trainer ignores `fine_tune_checkpoint` (2021) or
  never restores the ranges of quantization, it resumes (*r*) from the directory that
  `convert --model_dir` writes, and the variables are all of its graph, the optimizer's too;
* `=` if everything the network computes for an image that should be equal is, bit for bit: what
  does not depend on classes, and of kept classes the logits, the second stage's boxes, the masks
  (from equal features) and the position-sensitive outputs. `~` if the largest difference is not 0
  but below %(tolerance)g;
* `1` if the loss of a training step of both trainers is finite.

A number in brackets refers to a reason below the table; a dash is a surgery left out, for the reason
given with the family.
"""  # noqa: E501


class Results:
    """Cells known from earlier runs, by digest; what is set is on disk at once."""

    def __init__(self, directory, state):
        self.directory, self.state = directory, state
        os.makedirs(directory, exist_ok=True)

    def _path(self, key):
        name = hashlib.sha256((self.state + key).encode()).hexdigest()
        return os.path.join(self.directory, name + ".json")

    def __contains__(self, key):
        return os.path.exists(self._path(key))

    def __getitem__(self, key):
        with open(self._path(key)) as file:
            return json.load(file)

    def __setitem__(self, key, value):
        with open(self._path(key) + ".part", "w") as file:
            json.dump(value, file)
        os.rename(self._path(key) + ".part", self._path(key))


def judges():
    """A digest of the code that judges."""
    state = hashlib.sha256()
    paths = [
        os.path.join(cells.STOCK, name)
        for name in sorted(os.listdir(cells.STOCK))
        if name.endswith(".py")
    ]
    for path in paths + [cells.__file__]:
        with open(path, "rb") as file:
            state.update(hashlib.sha256(file.read()).digest())
    return state.hexdigest()


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("GRAPHFIX_MATRIX") or os.path.join(base, "graphfix", "matrix")


def judge(pair, edits, known, started):
    """Cells of a family in an era."""
    family, era = pair
    key = hashlib.sha256((family.model + known.state + era.python).encode()).hexdigest()[:20]
    sources = os.path.join(cache(), "sources")
    with tempfile.TemporaryDirectory(prefix="graphfix-matrix-") as scratch:
        source = cells.Source(family, era, os.path.join(sources, key))
        wanted = [edit for edit in family.edits if edit in edits]
        found = cells.judge_all(source, wanted, os.path.join(scratch, "work"), known)
    good = sum(explain(cell)[0] != "wrong" for cell in found.values())
    print(
        f"{time.time() - started:6.0f} s  {family.name!s:<36} {era.name}  {good} of {len(found)}",
        file=sys.stderr,
        flush=True,
    )
    return family.name, era.name, found


def explain(cell):
    """(right | excused | wrong, words) of a cell; the words hold {reason} for each excuse."""
    excuses = []
    for name, part in cell.items():
        if part["ok"]:
            continue
        reason = _reason(name, part)
        if reason is None:
            error = part.get("error")
            said = f"{error['type']}: {error['message']} ({error['where']})" if error else None
            wrong = part.get("wrong") or [said or part["summary"]]
            return "wrong", f"{name}: {'; '.join(wrong)}", []
        excuses.append(reason)
    if "build" in cell:
        return "excused", "{}", excuses
    words = []
    for name in ("legacy", "model_main"):
        part = cell[name]
        words.append(
            "{}"
            if not part["ok"]
            else f"{'r ' if part['resumed'] else ''}{part['restored']}/{part['total']}"
        )
    outputs = cell["outputs"]
    words.append("{}" if not outputs["ok"] else "~" if outputs["difference"] else "=")
    return "excused" if excuses else "right", ", ".join(words) + ", 1", excuses


def _reason(name, part):
    message = part.get("error", {}).get("message", "")
    for where, pattern, words in REASONS:
        match = where == name and re.search(pattern, message)
        if match:
            return words.format(*match.groups())
    return None


def _surgery(name, edit):
    kept = sum(one.startswith("class_") for one in edit.names)
    averages = ", moving averages" if edit.averages else ""
    optimizer = edit.optimizer.split()[0]
    return f"| {name} | {len(edit.names)}, of which {kept} kept | {optimizer}{averages} |"


def render(known, results, eras):
    """The document."""
    surgeries = "\n".join(_surgery(name, edit) for name, edit in cells.EDITS.items())
    parts = [
        LEGEND % {"classes": cells.CLASSES, "surgeries": surgeries, "tolerance": cells.TOLERANCE}
    ]
    for era in eras:
        parts.append(f"## {era}\n")
        parts.append(f"| family | {' | '.join(cells.EDITS)} |\n|---|{'---|' * len(cells.EDITS)}")
        reasons = []
        for family in known.values():
            made = results.get((family.name, era), {})
            row = [family.title] + [_cell(family, edit, made, reasons) for edit in cells.EDITS]
            parts.append(f"| {' | '.join(row)} |")
        parts.append("")
        parts += [f"{number}. {words}" for number, words in enumerate(reasons, 1)]
        parts.append("")
    return "\n".join(parts)


def _cell(family, edit, row, reasons):
    def note(words):
        if words not in reasons:
            reasons.append(words)
        return f"[{reasons.index(words) + 1}]"

    if edit not in family.edits:
        return "- " + note(family.why)
    if edit not in row:
        return "not run"
    verdict, words, excuses = explain(row[edit])
    if verdict == "wrong":
        return "**wrong**: " + words.replace("|", "/").replace("\n", " ")
    return words.format(*map(note, excuses))


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output")
    parser.add_argument("--families", default="")
    parser.add_argument("--eras", default=",".join(cells.ERAS))
    parser.add_argument("--edits", default=",".join(cells.EDITS))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    started = time.time()
    eras = [cells.era(name) for name in options.eras.split(",")]
    known = {
        name: family
        for name, family in cells.families().items()
        if re.search(options.families, name)
    }
    results = Results(os.path.join(cache(), "cells"), judges())
    work = functools.partial(judge, edits=options.edits.split(","), known=results, started=started)
    found = {}
    for name, era, row in cells.in_turns(
        work, [(family, era) for family in known.values() for era in eras], options.workers
    ):
        found[name, era] = row
    failures = 0
    for (name, era), row in sorted(found.items()):
        for edit, cell in row.items():
            verdict, words, _ = explain(cell)
            if verdict == "wrong":
                failures += 1
                print(f"{name}, {era}, {edit}: {words}")
    total = sum(len(row) for row in found.values())
    print(f"{total} cells, {failures} wrong")
    if options.output:
        with open(options.output, "w") as file:
            file.write(render(known, found, options.eras.split(",")))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
