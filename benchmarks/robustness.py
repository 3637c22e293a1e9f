#!/usr/bin/env python3
"""Tries to break graphfix, counts what happens, and writes docs/robustness.md.

    python benchmarks/robustness.py --write [--minutes 120] [--stock PYTHON] [--large DIR ...]

Every section counts faults: outputs that are neither whole nor absent, tracebacks, exit codes that
are not documented, values that TensorFlow's reader does not read the same.  Exit code 1 if any.
Random choices are seeded; the moments of kills depend on the machine.
"""

import argparse
import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, "tests"), os.path.join(ROOT, "tests", "fuzz")]

import builders  # noqa: E402
from graphfix.bundle import reader  # noqa: E402
from graphfix.errors import GraphfixError  # noqa: E402
from graphfix.verbs import verify  # noqa: E402

ENVIRONMENT = dict(os.environ, PYTHONPATH=ROOT, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
GRAPHFIX = [sys.executable, "-m", "graphfix"]
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


class Tally:
    """Counts of what happened, and the faults among it."""

    def __init__(self):
        self.counts, self.faults = {}, []

    def add(self, what, count=1):
        self.counts[what] = self.counts.get(what, 0) + count

    def expect(self, good, fault):
        if not good:
            self.faults.append(fault)
            print("FAULT: %s" % fault, file=sys.stderr, flush=True)

    def said(self):
        return ", ".join("%d %s" % (count, what) for what, count in self.counts.items())


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
            [sys.executable, os.path.join(ROOT, "tests", "emit", "forking.py")], env=ENVIRONMENT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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
    return ["convert", model, "--label_map_path", labels, "--target_api", "2019-07",
            "--output_directory", out] + list(more)


def parsers(scratch, options):
    """Mutated inputs, by parser."""
    import test_fuzz
    import test_more_fuzz
    tally = Tally()

    class Counted(test_fuzz.Outcome):
        def of(self, call, shown):
            before = self.results
            for what in ("inputs", "taken", "refused"):
                tally.add(what, 0)
            tally.add("inputs")
            try:
                result = super().of(call, shown)
            except BaseException as error:  # pytest's failure is no Exception
                tally.expect(False, str(error)[:300])
                return None
            tally.add("taken" if self.results > before else "refused")
            return result
    signal.signal(signal.SIGPROF, _too_slow(test_fuzz))
    rows = []
    out = os.path.join(scratch, "fuzz-out")
    subprocess.check_call(GRAPHFIX + convert_words(scratch, out), env=ENVIRONMENT,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for module, name, title, arguments in (
            (test_fuzz, "raw_index", "checkpoint index, its bytes", ["path"]),
            (test_fuzz, "index", "checkpoint index, its contents", ["path"]),
            (test_fuzz, "data", "checkpoint data", ["path"]),
            (test_fuzz, "config", "pipeline.config", []),
            (test_fuzz, "label_map", "label map", []),
            (test_fuzz, "model", "whole model", ["path"]),
            (test_more_fuzz, "graph", "frozen graph", ["path"]),
            (test_more_fuzz, "recipe", "recipe", ["path"]),
            (test_more_fuzz, "golden_file", "golden file", ["path", "out"])):
        tally.counts = {}
        module.Outcome = Counted
        module.ROUNDS = options.fuzz
        place = os.path.join(scratch, "fuzz-" + name)
        os.makedirs(place)
        values = {"path": _Path(place), "out": out}
        try:
            getattr(module, "test_" + name)(*[values[one] for one in arguments])
        except AssertionError as error:
            tally.expect(False, "%s: %s" % (title, str(error)[:300]))
        rows.append((title, tally.said()))
        shutil.rmtree(place)
    return rows, tally.faults


def _too_slow(test_fuzz):
    def stop(*_):
        raise test_fuzz.TooSlow
    return stop


class _Path(type(__import__("pathlib").Path())):
    """A tmp_path."""


def killed_convert(scratch, options):
    """kill -9 at random moments of convert --overwrite with --model_dir."""
    tally, moments = Tally(), random.Random(11)
    top = os.path.join(scratch, "killed")
    os.makedirs(top)
    out = os.path.join(top, "out")
    took = seed = 0
    with Forks() as forks:
        while tally.counts.get("killed", 0) < options.kills:
            seed += 1
            if seed % 4 == 0:
                shutil.rmtree(out, ignore_errors=True)
            before = os.path.exists(out)
            start = time.monotonic()
            words = convert_words(scratch, out, "--overwrite", "--seed", str(seed), "--model_dir",
                                  os.path.join(top, "train"))
            result = forks.run(argv=words, signal=signal.SIGKILL,
                               after=moments.uniform(0, took)) if took else forks.run(argv=words)
            took = time.monotonic() - start if result["code"] == 0 else took * 1.05
            tally.expect(result["code"] in (0, -signal.SIGKILL), "convert: %s" % result)
            if result["code"] == 0:
                continue
            tally.add("killed")
            there, fault = whole(out)
            tally.expect(fault is None, "after a kill: %s" % fault)
            tally.expect(there or not before, "what was there before is gone")
            tally.add("whole" if there else "absent")
            tally.add("of them with something half written beside", int(any(
                one.startswith(".") for one in os.listdir(top))))
        result = forks.run(argv=convert_words(scratch, out, "--overwrite", "--model_dir",
                                              os.path.join(top, "train")))
    tally.expect(result["code"] == 0 and sorted(os.listdir(top)) == ["out", "train"],
                 "the next run left %s" % os.listdir(top))
    return [("convert, killed", tally.said())], tally.faults


def killed_batch(scratch, options):
    """kill -9 of a batch and its workers, or of it alone, at random moments."""
    tally, moments = Tally(), random.Random(12)
    model, labels = tiny(scratch)
    names = ["m%d" % number for number in range(5)]
    recipe = builders.write(scratch, "recipe.txt", 'defaults { label_map_path: "labels" '
                            'target_api: "2019-07" }\n' + "".join(
                                'model { source: "model" name: "%s" target { seed: %d } }\n'
                                % (name, number) for number, name in enumerate(names)))
    out = os.path.join(scratch, "batch-out")

    def command(jobs):
        return GRAPHFIX + ["batch", recipe, "--output_directory", out, "--jobs", str(jobs)]

    def run_whole():
        done = subprocess.run(command(2), env=ENVIRONMENT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        tally.expect(done.returncode == 0, "batch: %s" % done.stdout.decode()[-500:])
        return {os.path.relpath(os.path.join(folder, name), out): _digest(
            os.path.join(folder, name)) for folder, _, files in os.walk(out) for name in files
            if ".graphfix-batch" not in folder}
    reference = run_whole()
    shutil.rmtree(out)
    while tally.counts.get("killed", 0) < options.batch_kills:
        process = subprocess.Popen(command(moments.choice((1, 2, 3))), env=ENVIRONMENT,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        began = moments.randint(1, 5)
        locks = os.path.join(out, ".graphfix-batch", "locks")
        shutil.rmtree(locks, ignore_errors=True)
        while process.poll() is None and not (
                os.path.isdir(locks) and len(os.listdir(locks)) >= began):
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.25))
        group = moments.random() < 0.75
        if process.poll() is None:
            (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
        code = process.wait()
        _wait_for_group(process.pid)
        if code == 0:
            shutil.rmtree(out)
            continue
        tally.add("killed")
        tally.add("with its workers", int(group))
        for name in names:
            there, fault = whole(os.path.join(out, name))
            tally.expect(fault is None, "after a kill: %s" % fault)
            tally.add("models whole" if there else "models absent")
        if tally.counts["killed"] % 3 == 0:
            tally.expect(run_whole() == reference, "a finished batch is another one")
            tally.add("times finished by another run, with the same bytes")
            left = sorted(one for one in os.listdir(out) if one not in names)
            tally.expect(left == [".graphfix-batch"], "left behind: %s" % left)
            shutil.rmtree(out)
    tally.expect(run_whole() == reference, "the last batch is another one")
    shutil.rmtree(out)
    return [("batch, killed", tally.said())], tally.faults


def _wait_for_group(number):
    while True:
        try:
            os.killpg(number, 0)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.01)


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def disks(scratch, options):
    """A full disk and a read-only one, at every step of convert."""
    rows, faults = [], []
    top = os.path.join(scratch, "disk")
    os.makedirs(top)
    out = os.path.join(top, "out")
    with Forks() as forks:
        def sweep(title, key, step=1):
            tally = Tally()
            at = 1
            while True:
                for before in (False, True):
                    shutil.rmtree(top)
                    os.makedirs(top)
                    if before:
                        forks.run(argv=convert_words(scratch, out))
                        old = _digest(os.path.join(out, "plan.json"))
                    result = forks.run(argv=convert_words(scratch, out, "--overwrite", "--seed",
                                                          "5"), **{key: at})
                    tally.expect(result["code"] in (0, 3) and "Traceback" not in result["err"],
                                 "%s %d: %s" % (title, at, result))
                    there, fault = whole(out)
                    tally.expect(fault is None and there == (before or result["code"] == 0),
                                 "%s %d: %s" % (title, at, fault or "gone"))
                    if before and result["code"] == 3:
                        tally.expect(_digest(os.path.join(out, "plan.json")) == old,
                                     "%s %d: what was there is another" % (title, at))
                    tally.add("refused, nothing or the old output left" if result["code"] == 3
                              else "done")
                if result["code"] == 0:
                    break
                at += step
            rows.append((title, tally.said()))
            faults.extend(tally.faults)
        sweep("disk full at each sync", "full_at")
        sweep("file system read-only from each change on", "read_only_at")
        sweep("files limited (ulimit -f) to 1, 60001, ... bytes", "file_limit", 60000)
        rows += _full_tmpfs(scratch, forks, options, faults)
    return rows, faults


def _full_tmpfs(scratch, forks, options, faults):
    mount = os.path.join(scratch, "mount")
    os.makedirs(mount)
    tally = Tally()
    for size in range(16, 1000, options.tmpfs_step):
        if os.getuid() or subprocess.call(["mount", "-t", "tmpfs", "-o", "size=%dk" % size, "none",
                                           mount], stderr=subprocess.DEVNULL):
            return [("small file systems", "not tried: only root can mount them")]
        try:
            out = os.path.join(mount, "out")
            result = forks.run(argv=convert_words(scratch, out))
            there, fault = whole(out)
            tally.expect(result["code"] in (0, 3) and "Traceback" not in result["err"] and not fault
                         and there == (result["code"] == 0) and (there or not os.listdir(mount)),
                         "%d KiB: %s %s" % (size, result, fault))
            tally.add("refused, nothing left" if result["code"] else "done")
        finally:
            subprocess.check_call(["umount", mount])
    faults.extend(tally.faults)
    return [("small file systems (tmpfs)", tally.said())]


def limits(scratch, options):
    """Ceilings of memory and open files on large sources."""
    rows, tally = [], Tally()
    for source in options.large:
        name = "%s, %.0f MB" % (os.path.basename(source.rstrip("/")), sum(
            one.stat().st_size for one in os.scandir(source)) / 1e6)
        for kind, title, steps in (
                (resource.RLIMIT_AS, "address space of %d MiB", (1024, 512, 384, 256, 160, 96)),
                (resource.RLIMIT_NOFILE, "%d open files", (64, 16, 12, 8, 5))):
            for step in steps:
                limit = step << 20 if kind == resource.RLIMIT_AS else step
                out = os.path.join(scratch, "limited")
                process = subprocess.Popen(
                    GRAPHFIX + ["convert", source, "--num_classes", "3", "--target_api", "2021-01",
                                "--output_directory", out], env=ENVIRONMENT,
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                    preexec_fn=lambda: _limit(kind, limit))
                err = process.stderr.read().decode("utf-8", "replace")
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
                there, fault = whole(out)
                tally.expect(fault is None and there == (process.returncode == 0),
                             "%s: %s" % (title % step, fault or process.returncode))
                shutil.rmtree(out, ignore_errors=True)
                if process.returncode == 0:
                    verdict = "done, peak %d MiB" % (usage.ru_maxrss >> 10)
                elif process.returncode == 3 and "Traceback" not in err:
                    verdict = "refused: " + re.sub(r"graphfix: |/\S+/", "", err.strip().splitlines()[-1])
                else:
                    # NumPy's OpenBLAS asks for memory for ever, until its time is up.
                    verdict = "Python does not start, or NumPy cannot be loaded"
                    last = (err.strip().splitlines() or [""])[-1]
                    tally.expect(process.returncode in (-1, 127) or re.match(
                        "ImportError|MemoryError|OSError|Fatal Python error|.*shared", last),
                        "%s: %s" % (title % step, err[-500:]))
                rows.append((name, title % step, verdict[:110]))
    return [(one + ", " + two, three) for one, two, three in rows], tally.faults


def _limit(kind, limit):
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    resource.setrlimit(kind, (limit, limit))


def concurrency(scratch, options):
    """Several conversions, and several batches, to one place at once."""
    tally, batches = Tally(), Tally()
    for turn in range(options.rounds):
        out = os.path.join(scratch, "shared-%d" % turn)
        runs = [subprocess.Popen(
            GRAPHFIX + convert_words(scratch, out, "--overwrite", "--seed", str(seed)),
            env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for seed in range(4)]
        for run in runs:
            err = run.communicate()[1].decode()
            tally.expect(run.returncode in (0, 3) and "Traceback" not in err, err)
            tally.add("done" if run.returncode == 0 else "refused, as another was at it")
        there, fault = whole(out)
        tally.expect(there and not fault, "after four at once: %s" % fault)
        tally.expect(not [one for one in os.listdir(scratch) if one.startswith(".shared")], "left")
        tally.add("rounds of 4")
        shutil.rmtree(out)
    tiny(scratch)
    recipe = builders.write(scratch, "together.txt", 'defaults { label_map_path: "labels" '
                            'target_api: "2019-07" }\n' + "".join(
                                'model { source: "model" name: "m%d" }\n' % one
                                for one in range(6)))
    for _ in range(options.rounds):
        out = os.path.join(scratch, "together")
        runs = [subprocess.Popen(GRAPHFIX + ["batch", recipe, "--output_directory", out, "--jobs",
                                             "2"], env=ENVIRONMENT, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT) for _ in range(3)]
        said = [run.communicate()[0].decode() for run in runs]
        done = sum(int(one) for text in said for one in re.findall(r"(\d+) converted", text))
        batches.expect(done == 6 and not any(run.returncode for run in runs), "\n".join(said))
        for number in range(6):
            there, fault = whole(os.path.join(out, "m%d" % number))
            batches.expect(there and not fault, str(fault))
        batches.add("rounds of 3 batches, each model converted once")
        shutil.rmtree(out)
    return [("convert to one place", tally.said()), ("batch to one place", batches.said())], \
        tally.faults + batches.faults


def soak(scratch, options):
    """Random conversions, each of the one before it, read by TensorFlow's own reader."""
    tally, choose = Tally(), random.Random(options.seed)
    process = subprocess.Popen([options.stock, "-c", TF_READER], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(
                                   os.environ, CUDA_VISIBLE_DEVICES="-1")) if options.stock else None
    begun = time.monotonic()
    turn = 0
    source = None
    with Forks() as forks:
        while time.monotonic() - begun < options.minutes * 60:
            turn += 1
            if source is None or choose.random() < 0.2:
                source = os.path.join(ROOT, "testdata", "shapes_detector") \
                    if choose.random() < 0.3 else tiny(scratch)[0]
                known = os.path.join(source, "label_map.pbtxt")
                if not os.path.exists(known):
                    known = os.path.join(source, "shapes_label_map.pbtxt")
            out = os.path.join(scratch, "soak-%d" % (turn % 3))
            shutil.rmtree(out, ignore_errors=True)
            words = ["convert", source, "--output_directory", out, "--source_label_map_path", known]
            with open(known, encoding="utf-8") as file:
                old = re.findall(r"""name: ["'](.*?)["']""", file.read())
            kept = choose.sample(old, choose.randint(0, len(old)))
            names = kept + ["new %d %d" % (turn, one) for one in range(choose.randint(0, 6))]
            choose.shuffle(names)
            names = names or ["only"]
            words += ["--label_map_path", builders.write(scratch, "soak-labels",
                                                         builders.label_map(names))]
            fresh = [one for one in names if one not in old]
            if fresh and len(old) > 1 and choose.random() < 0.5:
                words += ["--map", "%s=%s" % (choose.choice(fresh), "+".join(choose.sample(old, 2)))]
            words += ["--new_rows", choose.choice(["prior", "mean", "random", "zero"]), "--seed",
                      str(choose.randrange(1000)), "--target_api",
                      choose.choice(["2018-07", "2019-04", "2019-07", "2020-09", "2021-01"]),
                      "--trainer", choose.choice(["any", "model_main", "legacy"])]
            result = forks.run(argv=words)
            tally.expect(result["code"] == 0, "%s: %s" % (" ".join(words), result))
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
                tally.expect(read == digest.hexdigest(), "TensorFlow reads otherwise: " + " ".join(words))
                tally.add("read the same by TensorFlow", int(read == digest.hexdigest()))
            source, known = out, os.path.join(out, "label_map.pbtxt")
    if process:
        process.stdin.close()
        process.wait()
    return [("%.1f minutes, seed %d" % ((time.monotonic() - begun) / 60, options.seed),
             tally.said())], tally.faults


SECTIONS = {"parsers": parsers, "killed_convert": killed_convert, "killed_batch": killed_batch,
            "disks": disks, "limits": limits, "concurrency": concurrency, "soak": soak}


def run(name, options):
    """(rows, faults) of a section, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="robustness-", dir=options.scratch) as scratch:
        return SECTIONS[name](scratch, options)


def flags():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sections", default=",".join(SECTIONS), help="some, by name")
    parser.add_argument("--fuzz", type=int, default=3, help="times the inputs of the tests")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--batch_kills", type=int, default=200)
    parser.add_argument("--tmpfs_step", type=int, default=24, help="KiB from one size to the next")
    parser.add_argument("--rounds", type=int, default=10, help="of concurrency")
    parser.add_argument("--minutes", type=float, default=120, help="of the soak")
    parser.add_argument("--seed", type=int, default=1, help="of the soak")
    parser.add_argument("--stock", help="a Python that has TensorFlow, to read what is written")
    parser.add_argument("--large", action="append", default=[], help="a large model's directory")
    parser.add_argument("--scratch", help="where to work")
    parser.add_argument("--results", help="a JSON file that keeps sections' results between runs")
    parser.add_argument("--write", action="store_true", help="write docs/robustness.md")
    return parser


def main():
    options = flags().parse_args()
    found = {}
    if options.results and os.path.exists(options.results):
        with open(options.results) as file:
            found = json.load(file)
    for name in filter(None, options.sections.split(",")):
        start = time.monotonic()
        rows, faults = run(name, options)
        found[name] = {"rows": rows, "faults": faults, "about": SECTIONS[name].__doc__,
                       "seconds": time.monotonic() - start, "date": time.strftime("%Y-%m-%d")}
        print(name, json.dumps(found[name], indent=1), flush=True)
        if options.results:
            with open(options.results, "w") as file:
                json.dump(found, file)
    if options.write:
        with open(os.path.join(ROOT, "docs", "robustness.md"), "w", encoding="utf-8") as file:
            file.write(page(found))
    return 1 if any(one["faults"] for one in found.values()) else 0


def page(found):
    lines = ["# Robustness", "",
             "<!-- Written by benchmarks/robustness.py --write; the counts are measured. -->", "",
             "What was tried to break graphfix, and what came of it. A fault is an output that is "
             "neither whole nor", "absent, a traceback, an exit code that is not documented, or "
             "values that TensorFlow's reader does not", "read the same. `python "
             "benchmarks/robustness.py --write` measures all of it again (`--minutes` is the",
             "soak's length; the default is two hours), or only some `--sections`; a small part is in "
             "the fast tests.", "Sections may be of several runs: each says how long it took, and "
             "when.", ""]
    for name in SECTIONS:
        if name in found:
            one = found[name]
            lines += ["## %s" % one["about"].strip().rstrip("."), "", "| | |", "|---|---|"]
            lines += ["| %s | %s |" % tuple(row) for row in one["rows"]]
            lines += ["", "%d faults; %d s, %s." % (len(one["faults"]), one["seconds"], one["date"]),
                      ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
