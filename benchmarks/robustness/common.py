"""What the sections share: conversions to try, and what an output must be."""

import hashlib
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, "tests"), os.path.join(ROOT, "tests", "fuzz")]

import builders  # noqa: E402

from graphfix.errors import GraphfixError  # noqa: E402
from graphfix.verification import verify  # noqa: E402

ENVIRONMENT = dict(os.environ, PYTHONPATH=ROOT, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
GRAPHFIX = [sys.executable, "-m", "graphfix"]


class Tally:
    """Counts of what happened, and the faults among it."""

    def __init__(self):
        self.counts, self.faults = {}, []

    def add(self, what, count=1):
        self.counts[what] = self.counts.get(what, 0) + count

    def expect(self, good, fault):
        if not good:
            self.faults.append(fault)
            print(f"FAULT: {fault}", file=sys.stderr, flush=True)

    def said(self):
        return ", ".join(f"{count} {what}" for what, count in self.counts.items())


def whole(directory):
    """Whether a converted directory is there; a fault in words where it is there, but not whole."""
    if not os.path.lexists(directory):
        return False, None
    try:
        verify.verify(directory)
        return True, None
    except GraphfixError as error:
        return True, str(error)


class Forks:
    """Runs command lines in children of one process that has imported graphfix (forking.py)."""

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "tests", "forking.py")],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def run(self, **job):
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline().decode())

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def tiny(scratch):
    """(model, label map) to convert; as in the tests."""
    model = os.path.join(scratch, "model")
    if not os.path.exists(model):
        builders.write_model(model)
    return model, builders.write(scratch, "labels", builders.label_map(["person", "zebra"]))


def convert_words(scratch, out, *more):
    model, labels = tiny(scratch)
    return [
        "convert",
        model,
        "--label_map_path",
        labels,
        "--target_api",
        "2019-07",
        "--output_directory",
        out,
    ] + list(more)


def batch_words(scratch, names, out, *more):
    """A batch of the tiny model under several names, each with a seed of its own."""
    tiny(scratch)
    recipe = builders.write(
        scratch,
        "recipe.txt",
        'defaults { label_map_path: "labels" '
        'target_api: "2019-07" }\n'
        + "".join(
            f'model {{ source: "model" name: "{name}" target {{ seed: {number} }} }}\n'
            for number, name in enumerate(names)
        ),
    )
    return ["batch", recipe, "--output_directory", out] + list(more)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
