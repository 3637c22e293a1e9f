"""Runs of `graphfix batch`: recipes, processes, and what they wrote."""

import os
import signal
import subprocess
import sys

import builders
import repository
from directories import tree

PLACE = 'fine_tune_checkpoint: "/m/{name}/model.ckpt"'

DEFAULTS = f'defaults {{ label_map_path: "labels.pbtxt" target_api: "2019-07" {PLACE} }}\n'

BESIDE = [".graphfix-batch"]


def start(*words, **more):
    more.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen(
        [sys.executable, "-m", "graphfix", "batch"] + [str(word) for word in words],
        env=repository.environment(),
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **more,
    )


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out.decode(), (err or b"").decode()


def recipe(place, *models, defaults=DEFAULTS, name="recipe.txt"):
    return builders.write(place, name, defaults + "".join(f"model {{ {one} }}\n" for one in models))


def inodes(directory):
    return {
        name: os.stat(os.path.join(str(directory), name)).st_ino
        for name in tree(directory, but=BESIDE)
    }


def verdicts(done):
    rows = [line.split()[:2] for line in done.out.splitlines()]
    # Behind the sum comes what is to be done next.
    return rows[: next(number for number, row in enumerate(rows) if row[1:] == ["models:"])]
