"""Publishing: whole or not at all, whenever the run is ended, whatever fails, and whoever else is
at it."""

import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

import answering
import builders
import pytest
import repository
import thorough
from conversions import FILES
from directories import hidden, tree
from published import content


@pytest.fixture(scope="module")
def forked():
    """Runs a job of forking.py."""
    script = os.path.join(repository.TESTS, "forking.py")
    with answering.started(script, env=repository.environment()) as (_, run):
        yield run


class Moments:
    """Seeded moments within a run, as long as runs take on this machine just now."""

    def __init__(self, *, seed):
        self.random = random.Random(seed)
        self.took = 0

    def of(self, forked, **job):
        if "signal" in job:
            job["after"] = self.random.uniform(0, self.took)
        start = time.time()
        result = forked(**job)
        # One that ended by itself says how long a run takes; one that did not, took longer.
        self.took = time.time() - start if result["code"] == 0 else self.took * 1.03
        return result


@pytest.mark.slow
@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("existing", thorough.sampled([True, False], 2))
@pytest.mark.parametrize("names", thorough.sampled([["out"], ["out", "train"]], 2))
def test_killed_before_any_step_all_is_old_or_new(forked, tmp_path, exchange, existing, names):
    """Every system call that changes something, one after the other."""
    steps, ended = 0, set()
    outs = [str(tmp_path / name) for name in names]
    job = {"publish": outs, "no_exchange": not exchange}
    if existing:
        assert forked(content="old", **job)["code"] == 0
    while True:
        result = forked(content="new", die_at=steps + 1, **job)
        if result["code"] == 0:
            break
        assert result["code"] == -signal.SIGKILL
        steps += 1
        before = [content(out) for out in outs]
        assert set(before) <= {"old", "new", None}
        # None where there was something: only between two renames, and the next run, though it
        # comes to nothing itself, puts the old one back.
        if existing and None in before:
            assert not exchange
            assert forked(content="newer", full_at=1, **job)["code"] == 3
            for out, found in zip(outs, before):
                assert content(out) == (found or "old")
        ended.add(tuple(before))
        assert forked(content="old", **job)["code"] == 0
        assert [content(out) for out in outs] == ["old"] * len(outs)
        assert not hidden(tmp_path)
        if not existing:
            for out in outs:
                shutil.rmtree(out)
    assert [content(out) for out in outs] == ["new"] * len(outs) and not hidden(tmp_path)
    assert steps == result["calls"] >= (10 if existing else 6)
    start = ("old" if existing else None,) * len(outs)
    assert start in ended and (not existing or ("new",) * len(outs) in ended)


@pytest.mark.slow
def test_killed_at_any_moment_the_output_is_old_or_new(forked, model, tmp_path):
    labels = builders.write(tmp_path, "labels", builders.label_map(["person", "zebra"]))

    def argv(top, seed):
        return [
            "convert",
            model,
            "--label_map_path",
            labels,
            "--seed",
            str(seed),
            "--overwrite",
            "--target_api",
            "2019-07",
            "--output_directory",
            str(top / "out"),
            "--model_dir",
            str(top / "train"),
        ]

    top = tmp_path / "run"
    top.mkdir()
    moments = Moments(seed=2)
    assert moments.of(forked, argv=argv(top, 0))["code"] == 0
    old = tree(top / "out")
    killed = mid = seed = 0
    while killed < 50 or mid < 15:
        seed += 1
        assert seed < 300, (killed, mid)
        result = moments.of(forked, argv=argv(top, seed), signal=signal.SIGKILL)
        assert result["code"] in (0, -signal.SIGKILL), result
        killed += result["code"] != 0
        mid += any(os.listdir(str(top / name)) for name in hidden(top))
        new = tree(top / "out")
        assert sorted(new) == FILES
        if new != old:
            assert all(new[name] != old[name] for name in ("plan.json", "model.ckpt.index"))
            done = forked(argv=["verify", str(top / "out")])
            assert done["code"] == 0, done
            assert (
                json.loads(new["plan.json"].decode()) and f"/{seed}/" in new["plan.json"].decode()
            )
        old = new
    assert forked(argv=argv(top, 0))["code"] == 0
    assert sorted(os.listdir(str(top))) == ["out", "train"]


@pytest.mark.parametrize(
    "number, code, word",
    thorough.sampled([(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")], 2),
)
@pytest.mark.slow
def test_interrupted_at_any_moment_nothing_is_left_behind(
    forked, model, tmp_path, number, code, word
):
    labels = builders.write(tmp_path, "labels", builders.label_map(["person", "zebra"]))
    top = tmp_path / "run"
    top.mkdir()
    argv = ["convert", model, "--label_map_path", labels, "--output_directory", str(top / "out")]
    moments = Moments(seed=3)
    assert moments.of(forked, argv=argv)["code"] == 0
    whole = tree(top / "out")
    shutil.rmtree(str(top / "out"))
    interrupted = left = turns = 0
    while interrupted < 12:
        turns += 1
        assert turns < 100, interrupted
        result = moments.of(forked, argv=argv, signal=number)
        assert result["code"] in (0, code, 98, -signal.SIGTERM), result
        assert "Traceback" not in result["err"]
        interrupted += result["code"] == code
        if result["code"] == code:
            assert result["err"].endswith(f"graphfix: {word}\n")
        left += bool(hidden(top))
        if (top / "out").exists():
            assert set(tree(top / "out")) == set(whole)
            shutil.rmtree(str(top / "out"))
    # In the very moment between two lines it may be left to the next run.
    assert left <= 1
    assert forked(argv=argv)["code"] == 0 and os.listdir(str(top)) == ["out"]


@pytest.mark.slow
def test_of_two_at_once_one_wins_and_nothing_is_mixed(forked, tmp_path):
    for turn in range(15):
        top = tmp_path / str(turn)
        top.mkdir()
        job = {"publish": [str(top / "out"), str(top / "train")], "no_exchange": bool(turn % 2)}
        if turn % 3:
            assert forked(content="old", **job)["code"] == 0
        result = forked(content="one", **job, **{"with": dict(job, content="two")})
        codes = {result["code"], result["with"]["code"]}
        assert 0 in codes and codes <= {0, 3}
        found = [content(out) for out in job["publish"]]
        assert found in (["one", "one"], ["two", "two"])
        assert not hidden(top)


@pytest.mark.slow
def test_two_conversions_at_once(forked, model, tmp_path):
    labels = builders.write(tmp_path, "labels", builders.label_map(["person", "zebra"]))
    top = tmp_path / "run"
    top.mkdir()
    argv = ["convert", model, "--label_map_path", labels, "--output_directory", str(top / "out")]
    for turn in range(3):
        one, two = (
            argv + ["--seed", str(2 * turn + number)] + ["--overwrite"] * bool(turn)
            for number in (0, 1)
        )
        result = forked(argv=one, **{"with": {"argv": two}})
        codes = {result["code"], result["with"]["code"]}
        assert 0 in codes and codes <= {0, 3}
        assert forked(argv=["verify", str(top / "out")])["code"] == 0
        assert os.listdir(str(top)) == ["out"]


@pytest.mark.slow
def test_a_full_disk_is_told_and_leaves_what_was(forked, model, tmp_path):
    labels = builders.write(tmp_path, "labels", builders.label_map(["person", "zebra"]))
    top = tmp_path / "run"
    top.mkdir()
    out, train = str(top / "out"), str(top / "train")
    argv = [
        "convert",
        model,
        "--label_map_path",
        labels,
        "--output_directory",
        out,
        "--model_dir",
        train,
    ]

    def refused(message, words=argv, **more):
        """Whether the command was refused; else it has run through."""
        result = forked(argv=words, **more)
        if result["code"] == 0:
            return False
        assert result["code"] == 3, result
        assert message in result["err"] and "Traceback" not in result["err"]
        assert "graphfix: " + out in result["err"]
        assert tree(top) == old and sorted(os.listdir(str(top))) == before
        return True

    for before in ([], ["out", "train"]):
        words = argv + ["--overwrite", "--seed", "1"] if before else argv
        old = tree(top)
        for limit in (0, 1000, 30000):
            assert refused("File too large", words, file_limit=limit)
        at = 1
        while refused("No space left on device; free some space", words, full_at=at):
            at += 1
        assert at > 12  # at every sync, that of the parent directory after publishing too
        assert forked(argv=argv + ["--overwrite"])["code"] == 0


@pytest.mark.slow
def test_a_disk_that_is_really_full(forked, model, tmp_path):
    mount = tmp_path / "mount"
    mount.mkdir()
    if os.getuid() or subprocess.call(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(mount)], stderr=subprocess.DEVNULL
    ):
        pytest.skip("a small file system can be mounted by root only")
    try:
        labels = builders.write(tmp_path, "labels", builders.label_map(["person", "zebra"]))
        argv = [
            "convert",
            model,
            "--label_map_path",
            labels,
            "--output_directory",
            str(mount / "out"),
        ]
        for filled in (240, 200, 100, 20):
            with open(str(mount / "filler"), "wb") as file:
                file.write(bytes(filled << 10))
            result = forked(argv=argv)
            assert result["code"] == 3, filled
            assert "No space left on device; free some space" in result["err"]
            assert os.listdir(str(mount)) == ["filler"]
        result = forked(argv=argv[:-1] + [str(mount)])
        assert result["code"] == 3 and "exists already" in result["err"]
        os.unlink(str(mount / "filler"))
        result = forked(argv=argv[:-1] + [str(mount)])
        assert result["code"] == 3 and "name a directory inside it" in result["err"]
    finally:
        subprocess.check_call(["umount", str(mount)])


def test_a_directory_that_was_made_read_only_is_replaced_by_such_a_one(forked):
    """As a user whom permissions bind."""
    top = tempfile.mkdtemp()
    out = os.path.join(top, "out")
    try:
        job = {"user": 65534} if os.getuid() == 0 else {}
        builders.publish(out, "file")
        for path, mode in ((os.path.join(out, "file"), 0o444), (out, 0o555), (top, 0o777)):
            os.chmod(path, mode)
            if job:
                os.chown(path, 65534, 65534)
        result = forked(publish=[out], content="x", **job)
        assert result["code"] == 0, result["err"]
        assert os.listdir(top) == ["out"]
        assert os.stat(out).st_mode & 0o777 == 0o555
    finally:
        os.chmod(out, 0o700)
        shutil.rmtree(top)


def test_a_parent_that_cannot_be_written(forked):
    """As a user whom permissions bind; root makes itself one."""
    top = tempfile.mkdtemp()
    try:
        job = {"user": 65534} if os.getuid() == 0 else {}
        os.chmod(top, 0o555)
        result = forked(publish=[os.path.join(top, "out")], content="x", **job)
        assert result["code"] == 3
        assert (
            "cannot be written: Permission denied; check the path and its permissions"
            in result["err"]
        )
        assert os.listdir(top) == []
        os.chmod(top, 0o755)
        os.mkdir(os.path.join(top, "out"), 0o755)
        builders.write(os.path.join(top, "out"), "a", "x")
        os.chmod(os.path.join(top, "out"), 0o300 if job else 0)
        result = forked(publish=[os.path.join(top, "out")], content="x", **job)
        assert result["code"] == 3 and "Permission denied" in result["err"]
        assert os.listdir(top) == ["out"]
    finally:
        os.chmod(os.path.join(top, "out"), 0o700)
        shutil.rmtree(top)
