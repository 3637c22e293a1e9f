"""batch: whatever ends a run or one of its workers, and whoever runs another one beside it."""

import contextlib
import fcntl
import os
import pty
import random
import re
import shutil
import signal
import time

import pytest
from batch_runs import BESIDE, finish, inodes, recipe, start

from graphfix.batch.worker import LOCKS


@pytest.mark.slow
def test_two_runs_at_once(graphfix, place):
    models = [f'source: "one" name: "m{one}" target {{ seed: {one} }}' for one in range(4)]
    path = recipe(place, *models)
    runs = [start(path, "--output_directory", place / "out", "--jobs", jobs) for jobs in (1, 2)]
    done = [finish(run) for run in runs]
    assert [(code, err) for code, _, err in done] == [(0, "")] * 2
    count = sum(int(re.search(r"(\d+) converted", out).group(1)) for _, out, _ in done)
    assert count == 4, done
    for one in range(4):
        assert graphfix("verify", place / "out" / (f"m{one}")).code == 0


def whole_or_absent(graphfix, out, names):
    """How many of the models are there, each of them whole."""
    there = 0
    for name in names:
        if os.path.exists(os.path.join(str(out), name)):
            done = graphfix("verify", os.path.join(str(out), name))
            assert done.code == 0, done
            there += 1
    return there


@pytest.mark.slow
@pytest.mark.parametrize(
    "number, code", [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_ended_at_any_moment(graphfix, place, number, code):
    """benchmarks/robustness does this hundreds of times."""
    names = [f"m{one}" for one in range(4)]
    path = recipe(place, *[f'source: "one" name: "{one}"' for one in names])
    moments = random.Random(5)
    partly = ended = turns = 0
    while ended < 2 or not partly:
        turns += 1
        assert turns < 40
        # Begun is what has a lock's file: before, Python is still importing.
        locks, begun = place / "out" / BESIDE[0] / "locks", moments.randint(1, 3)
        shutil.rmtree(str(locks), ignore_errors=True)
        process = start(path, "--output_directory", place / "out", "--jobs", "2")
        while process.poll() is None and not (
            locks.exists() and len(os.listdir(str(locks))) >= begun
        ):
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.2))
        process.send_signal(number)
        result, _, err = finish(process)
        assert result in (0, code, -number), (result, err)
        assert "Traceback" not in err
        ended += result == code
        there = whole_or_absent(graphfix, place / "out", names)
        partly += 0 < there < 4
        before = inodes(place / "out")
        if number != signal.SIGKILL and result == code:
            assert err.endswith({143: "terminated\n", 130: "interrupted\n"}[code])
            assert sorted(set(os.listdir(str(place / "out"))) - set(names) - set(BESIDE)) == []
            assert os.listdir(str(place / "out" / BESIDE[0] / "work")) == []
        if there == 4 or turns % 3 == 0:
            done = graphfix("batch", path, "--output_directory", place / "out")
            assert done.code == 0
            after = inodes(place / "out")
            assert {name: after[name] for name in before} == before or number == signal.SIGKILL
            assert sorted(os.listdir(str(place / "out"))) == BESIDE + names
            shutil.rmtree(str(place / "out"))


def children(process):
    """The processes that a process, or one of its threads, has started."""
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{thread}/children") as file:
            yield from map(int, file.read().split())


def opened(number):
    """The files that a process has open."""
    with contextlib.suppress(OSError):  # it may have ended, or closed one
        return [os.readlink(f"/proc/{number}/fd/{one}") for one in os.listdir(f"/proc/{number}/fd")]
    return []


@pytest.mark.slow
def test_a_worker_that_is_killed(place):
    path = recipe(place, 'source: "one" name: "stuck"', 'source: "one"', 'source: "two.tar.gz"')
    lock = place / "out" / LOCKS / "stuck"
    lock.parent.mkdir(parents=True)
    with open(str(lock), "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # for which its worker waits
        process = start(path, "--output_directory", place / "out", "--jobs", "1")
        stuck = []
        while not stuck:
            assert process.poll() is None
            time.sleep(0.02)
            stuck = [one for one in children(process) if str(lock) in opened(one)]
        for child in stuck:
            os.kill(child, signal.SIGKILL)
    code, out, err = finish(process)
    assert code == 1 and err == ""
    assert "its worker process ended with signal 9" in out
    assert "3 models: 2 converted, 0 unchanged, 1 failed\n" in out


@pytest.mark.slow
def test_progress_on_a_terminal_only(place):
    path = recipe(place, 'source: "one"', 'source: "two.tar.gz"')
    leader, follower = pty.openpty()
    process = start(path, "--output_directory", place / "out", stderr=follower)
    os.close(follower)
    seen = b""
    with contextlib.suppress(OSError):  # the terminal's end
        while True:
            piece = os.read(leader, 4096)
            if not piece:
                break
            seen += piece
    code, out, _ = finish(process)
    assert code == 0 and "2 models: 2 converted, 0 unchanged, 0 failed\n" in out
    assert b"[##########..........] 1 of 2" in seen and seen.endswith(b"\r\033[K")
