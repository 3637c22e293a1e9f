"""Kills at random moments."""

import os
import random
import shutil
import signal
import subprocess
import time

from robustness.common import (
    ENVIRONMENT,
    GRAPHFIX,
    Forks,
    Tally,
    batch_words,
    convert_words,
    digest,
    whole,
)


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
            words = convert_words(
                scratch,
                out,
                "--overwrite",
                "--seed",
                str(seed),
                "--model_dir",
                os.path.join(top, "train"),
            )
            result = (
                forks.run(argv=words, signal=signal.SIGKILL, after=moments.uniform(0, took))
                if took
                else forks.run(argv=words)
            )
            took = time.monotonic() - start if result["code"] == 0 else took * 1.05
            tally.expect(result["code"] in (0, -signal.SIGKILL), f"convert: {result}")
            if result["code"] == 0:
                continue
            tally.add("killed")
            there, fault = whole(out)
            tally.expect(fault is None, f"after a kill: {fault}")
            tally.expect(there or not before, "what was there before is gone")
            tally.add("whole" if there else "absent")
            tally.add(
                "of them with something half written beside",
                int(any(one.startswith(".") for one in os.listdir(top))),
            )
        result = forks.run(
            argv=convert_words(
                scratch, out, "--overwrite", "--model_dir", os.path.join(top, "train")
            )
        )
    tally.expect(
        result["code"] == 0 and sorted(os.listdir(top)) == ["out", "train"],
        f"the next run left {os.listdir(top)}",
    )
    return [("convert, killed", tally.said())], tally.faults


def killed_batch(scratch, options):
    """kill -9 of a batch and its workers, or of it alone, at random moments."""
    tally, moments = Tally(), random.Random(12)
    names = [f"m{number}" for number in range(5)]
    out = os.path.join(scratch, "batch-out")

    def command(jobs):
        return GRAPHFIX + batch_words(scratch, names, out, "--jobs", str(jobs))

    def run_whole():
        done = subprocess.run(
            command(2), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        tally.expect(done.returncode == 0, f"batch: {done.stdout.decode()[-500:]}")
        return {
            os.path.relpath(os.path.join(folder, name), out): digest(os.path.join(folder, name))
            for folder, _, files in os.walk(out)
            for name in files
            if ".graphfix-batch" not in folder
        }

    reference = run_whole()
    shutil.rmtree(out)
    while tally.counts.get("killed", 0) < options.batch_kills:
        process = subprocess.Popen(
            command(moments.choice((1, 2, 3))),
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        began = moments.randint(1, 5)
        locks = os.path.join(out, ".graphfix-batch", "locks")
        shutil.rmtree(locks, ignore_errors=True)
        while process.poll() is None and not (
            os.path.isdir(locks) and len(os.listdir(locks)) >= began
        ):
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
            tally.expect(fault is None, f"after a kill: {fault}")
            tally.add("models whole" if there else "models absent")
        if tally.counts["killed"] % 3 == 0:
            tally.expect(run_whole() == reference, "a finished batch is another one")
            tally.add("times finished by another run, with the same bytes")
            left = sorted(one for one in os.listdir(out) if one not in names)
            tally.expect(left == [".graphfix-batch"], f"left behind: {left}")
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
