"""Many conversions: at once, and one after the other."""

import hashlib
import os
import random
import re
import shutil
import subprocess
import time

import builders

from graphfix.formats.checkpoint import reader
from robustness.common import (
    ENVIRONMENT,
    GRAPHFIX,
    ROOT,
    Forks,
    Tally,
    batch_words,
    convert_words,
    tiny,
    whole,
)

# What TensorFlow reads in checkpoints, one prefix a line.
TF_READER = """
import hashlib, sys
import tensorflow as tf
for line in sys.stdin:
    reader = tf.train.load_checkpoint(line.strip())
    digest = hashlib.sha256()
    for name in sorted(reader.get_variable_to_shape_map(), key=lambda one: one.encode()):
        digest.update(name.encode() + reader.get_tensor(name).tobytes())
    print(digest.hexdigest(), flush=True)
"""


def concurrency(scratch, options):
    """Several conversions, and several batches, to one place at once."""
    tally, batches = Tally(), Tally()
    for turn in range(options.rounds):
        out = os.path.join(scratch, f"shared-{turn}")
        runs = [
            subprocess.Popen(
                GRAPHFIX + convert_words(scratch, out, "--overwrite", "--seed", str(seed)),
                env=ENVIRONMENT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            for seed in range(4)
        ]
        for run in runs:
            err = run.communicate()[1].decode()
            tally.expect(run.returncode in (0, 3) and "Traceback" not in err, err)
            tally.add("done" if run.returncode == 0 else "refused, as another was at it")
        there, fault = whole(out)
        tally.expect(there and not fault, f"after four at once: {fault}")
        tally.expect(not [one for one in os.listdir(scratch) if one.startswith(".shared")], "left")
        tally.add("rounds of 4")
        shutil.rmtree(out)
    names = [f"m{number}" for number in range(6)]
    for _ in range(options.rounds):
        out = os.path.join(scratch, "together")
        words = batch_words(scratch, names, out, "--jobs", "2")
        runs = [
            subprocess.Popen(
                GRAPHFIX + words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            for _ in range(3)
        ]
        said = [run.communicate()[0].decode() for run in runs]
        done = sum(int(one) for text in said for one in re.findall(r"(\d+) converted", text))
        batches.expect(done == 6 and not any(run.returncode for run in runs), "\n".join(said))
        for name in names:
            there, fault = whole(os.path.join(out, name))
            batches.expect(there and not fault, str(fault))
        batches.add("rounds of 3 batches, each model converted once")
        shutil.rmtree(out)
    return [
        ("convert to one place", tally.said()),
        ("batch to one place", batches.said()),
    ], tally.faults + batches.faults


def soak(scratch, options):
    """Random conversions, each of the one before it, read by TensorFlow's own reader."""
    tally, choose = Tally(), random.Random(options.seed)
    process = (
        subprocess.Popen(
            [options.stock, "-c", TF_READER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(os.environ, CUDA_VISIBLE_DEVICES="-1"),
        )
        if options.stock
        else None
    )
    begun = time.monotonic()
    turn = 0
    source = None
    with Forks() as forks:
        while time.monotonic() - begun < options.minutes * 60:
            turn += 1
            if source is None or choose.random() < 0.2:
                source = (
                    os.path.join(ROOT, "testdata", "shapes_detector")
                    if choose.random() < 0.3
                    else tiny(scratch)[0]
                )
                known = os.path.join(source, "label_map.pbtxt")
                if not os.path.exists(known):
                    known = os.path.join(source, "shapes_label_map.pbtxt")
            out = os.path.join(scratch, f"soak-{turn % 3}")
            shutil.rmtree(out, ignore_errors=True)
            words = ["convert", source, "--output_directory", out, "--source_label_map_path", known]
            with open(known, encoding="utf-8") as file:
                old = re.findall(r"""name: ["'](.*?)["']""", file.read())
            kept = choose.sample(old, choose.randint(0, len(old)))
            names = kept + [f"new {turn} {one}" for one in range(choose.randint(0, 6))]
            choose.shuffle(names)
            names = names or ["only"]
            words += [
                "--label_map_path",
                builders.write(scratch, "soak-labels", builders.label_map(names)),
            ]
            fresh = [one for one in names if one not in old]
            if fresh and len(old) > 1 and choose.random() < 0.5:
                words += ["--map", f"{choose.choice(fresh)}={'+'.join(choose.sample(old, 2))}"]
            words += [
                "--new_rows",
                choose.choice(["prior", "mean", "random", "zero"]),
                "--seed",
                str(choose.randrange(1000)),
                "--target_api",
                choose.choice(["2018-07", "2019-04", "2019-07", "2020-09", "2021-01"]),
                "--trainer",
                choose.choice(["any", "model_main", "legacy"]),
            ]
            result = forks.run(argv=words)
            tally.expect(result["code"] == 0, f"{' '.join(words)}: {result}")
            if result["code"]:
                source = None
                continue
            prefix = os.path.join(out, "model.ckpt")
            digest = hashlib.sha256()
            for name, view in reader.open_bundle(prefix).items():
                digest.update(name.encode() + view.load().tobytes())
            tally.add("conversions")
            if process:
                process.stdin.write(prefix.encode() + b"\n")
                process.stdin.flush()
                read = process.stdout.readline().decode().strip()
                tally.expect(
                    read == digest.hexdigest(), "TensorFlow reads otherwise: " + " ".join(words)
                )
                tally.add("read the same by TensorFlow", int(read == digest.hexdigest()))
            source, known = out, os.path.join(out, "label_map.pbtxt")
    if process:
        process.stdin.close()
        process.wait()
    return [
        (f"{(time.monotonic() - begun) / 60:.1f} minutes, seed {options.seed}", tally.said())
    ], tally.faults
