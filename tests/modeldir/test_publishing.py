"""Publishing: whole or not at all, whatever ends the run, and whoever else is at it."""

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import builders
import pytest
import repository

from graphfix.errors import RequestError
from graphfix.modeldir import manifest, ownership, publishing

HERE = repository.TESTS
REPOSITORY = repository.TOP
FILES = {
    "checkpoint",
    "label_map.pbtxt",
    "manifest.json",
    "model.ckpt.data-00000-of-00001",
    "model.ckpt.index",
    "pipeline.config",
    "plan.json",
    "report.html",
    "report.json",
}


@pytest.fixture(scope="module")
def forked():
    """Runs a job of forking.py."""
    path = os.pathsep.join([REPOSITORY] + os.environ.get("PYTHONPATH", "").split(os.pathsep))
    # One thread: forking more is undefined, and newer Pythons say so.
    environment = dict(os.environ, PYTHONPATH=path, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    process = subprocess.Popen(
        [sys.executable, os.path.join(HERE, "forking.py")],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def run(**job):
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline().decode())

    yield run
    process.stdin.close()
    assert process.wait() == 0


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


def content(directory):
    """What unit jobs wrote into a directory: None where there is none; it must be whole."""
    if not os.path.lexists(str(directory)):
        return None
    assert sorted(os.listdir(str(directory))) == ["a", "b", "manifest.json"]
    found = set()
    for name in ("a", "b"):
        with open(os.path.join(str(directory), name)) as file:
            found.add(file.read())
    assert len(found) == 1
    return found.pop()


def hidden(directory):
    """What is left beside destinations."""
    return [name for name in os.listdir(str(directory)) if name.startswith(".")]


def tree(directory):
    found = {}
    for top, _, files in os.walk(str(directory)):
        for name in files:
            with open(os.path.join(top, name), "rb") as file:
                found[os.path.relpath(os.path.join(top, name), str(directory))] = file.read()
    return found


def test_a_directory_appears_and_is_replaced_whole(tmp_path):
    out = tmp_path / "out"
    for text in ("one", "two"):
        with publishing.staged(str(out), overwrite=True) as (staging,):
            assert os.path.dirname(staging) == str(tmp_path)
            assert text == "two" or not out.exists()
            builders.publish(staging, text)
        assert sorted(os.listdir(str(out))) == ["manifest.json", text]
        assert not hidden(tmp_path)
    umask = os.umask(0)
    os.umask(umask)
    assert os.stat(str(out)).st_mode & 0o777 == 0o777 & ~umask


def test_an_empty_directory_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    with publishing.staged(str(tmp_path / "out"), overwrite=False) as (staging,):
        builders.publish(staging, "a")
    assert sorted(os.listdir(str(tmp_path / "out"))) == ["a", "manifest.json"]


def test_an_error_inside_leaves_nothing(tmp_path):
    for kind in (ZeroDivisionError, KeyboardInterrupt):
        with pytest.raises(kind):
            with publishing.staged(str(tmp_path / "out"), overwrite=False) as (staging,):
                builders.write(staging, "a", "x")
                raise kind()
        assert os.listdir(str(tmp_path)) == []


def occupy_file(path):
    path.write_text("x")


def occupy_link(path):
    path.symlink_to(os.devnull)


def occupy_loop(path):
    path.symlink_to(path)


def occupy_full(path):
    path.mkdir()
    (path / "x").write_text("x")


@pytest.mark.parametrize(
    "occupy, overwrite, message",
    [
        (occupy_file, False, "exists and is not a directory"),
        (occupy_file, True, "exists and is not a directory"),
        (occupy_link, True, "exists and is not a directory"),
        (occupy_loop, True, "exists and is not a directory"),
        (occupy_full, False, "exists already, and holds what graphfix did not put there: x"),
        (occupy_full, True, "holds what graphfix did not put there (it has no manifest.json): x"),
    ],
)
def test_what_is_there_is_not_touched(tmp_path, occupy, overwrite, message):
    occupy(tmp_path / "out")
    before = sorted(os.listdir(str(tmp_path)))
    for slash in ("", "/"):
        with pytest.raises(RequestError) as caught:
            with publishing.staged(str(tmp_path / "out") + slash, overwrite=overwrite):
                pytest.fail("should not come here")
        (problem,) = caught.value.problems
        assert problem.message == message and problem.subject == str(tmp_path / "out") + slash
    assert sorted(os.listdir(str(tmp_path))) == before


def test_a_parent_must_exist_and_be_a_directory(tmp_path):
    (tmp_path / "file").write_text("x")
    for place in ("no/out", "file/out"):
        with pytest.raises(RequestError) as caught:
            publishing.check_destinations([str(tmp_path / place)], overwrite=True)
        assert caught.value.problems[0].message == "its parent directory does not exist"


@pytest.mark.parametrize("one, two", [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a", "./a/")])
def test_two_destinations_lie_apart(tmp_path, one, two):
    (tmp_path / "a").mkdir()
    with pytest.raises(RequestError) as caught:
        publishing.check_destinations(
            [str(tmp_path) + "/" + one, str(tmp_path) + "/" + two], overwrite=True
        )
    assert "not two separate directories" in str(caught.value)
    publishing.check_destinations([str(tmp_path / "a"), str(tmp_path / "ab")], overwrite=True)


def test_what_must_not_be_lost_is_not_replaced(tmp_path, monkeypatch):
    inner = tmp_path / "out" / "inner"
    builders.publish(inner, "file")
    (inner / "manifest.json").unlink()
    builders.publish(tmp_path / "out", "model.ckpt")

    def refused(**more):
        with pytest.raises(RequestError) as caught:
            publishing.check_destinations([str(tmp_path / "out")], overwrite=True, **more)
        return caught.value.problems[0].message

    publishing.check_destinations([str(tmp_path / "out")], overwrite=True)
    for path in (
        inner / "file",
        tmp_path / "out" / "model.ckpt",
        tmp_path / "out" / "model.c*",
        tmp_path / "out",
    ):
        assert "which this command needs" in refused(inputs=[str(path)])
    (tmp_path / "link").symlink_to(inner)
    assert "which this command needs" in refused(inputs=[str(tmp_path / "link" / "file")])
    monkeypatch.setenv("HOME", str(inner))
    assert "holds" in refused()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(str(inner))
    assert "holds" in refused()


def test_when_the_second_cannot_be_published_the_first_is_put_back(tmp_path, monkeypatch):
    for existing in (True, False):
        for exchange in (True, False):
            top = tmp_path / (f"{existing}_{exchange}")
            top.mkdir()
            outs = [top / name for name in ("one", "two", "three")]
            if existing:
                for out in outs:
                    out.mkdir()
                    for name in ("a", "b"):
                        (out / name).write_text("old")
                    manifest.write(str(out))
            with monkeypatch.context() as patch:
                if not exchange:
                    patch.setattr(publishing, "_exchange", lambda one, two: False)
                real = publishing._Stage.publish

                def fails(stage):
                    if stage.directory.endswith("three"):
                        raise OSError(28, "No space left on device")
                    real(stage)

                patch.setattr(publishing._Stage, "publish", fails)
                with pytest.raises(RequestError) as caught:
                    with publishing.staged(*map(str, outs), overwrite=True) as stages:
                        for stage in stages:
                            for name in ("a", "b"):
                                builders.write(stage, name, "new")
                            manifest.write(stage)
            assert caught.value.problems[0].remedy == "free some space"
            assert [content(out) for out in outs] == ["old" if existing else None] * 3
            assert not hidden(top)


def test_what_another_run_replaces_now_is_left_to_it(tmp_path):
    out = tmp_path / "out"
    builders.publish(out, "a")
    handle = os.open(str(out), os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(RequestError) as caught:
            with publishing.staged(str(out), overwrite=True) as (staging,):
                manifest.write(staging)
        assert "by another graphfix" in str(caught.value)
    finally:
        os.close(handle)
    assert os.listdir(str(tmp_path)) == ["out"] and (out / "a").read_text() == "of before"


def test_what_a_dead_run_left_is_swept_and_a_living_ones_is_not(tmp_path):
    dead, replaced, empty, living, others, yours, mixed = (
        tmp_path / name
        for name in (
            ".out.graphfix-staging-dead",
            ".out.graphfix-old-replaced",
            ".out.graphfix-staging-empty",
            ".out.graphfix-staging-alive",
            ".other.graphfix-staging-x",
            ".out.graphfix-staging-yours",
            ".out.graphfix-staging-mixed",
        )
    )
    for left in (dead, living, others, yours):
        left.mkdir()
        (left / "a").write_text("x")
    for left in (dead, living, others):
        ownership.mark(str(left))
    empty.mkdir()
    (dead / "deeper").mkdir()
    (dead / "deeper" / "b").write_text("x")
    for left in (replaced, mixed):
        builders.publish(left, "a", "b")
    (mixed / "yours").write_text("x")
    handle = os.open(str(living), os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        (tmp_path / "out").mkdir()
        with publishing.staged(str(tmp_path / "out"), overwrite=False) as (staging,):
            manifest.write(staging)
    finally:
        os.close(handle)
    assert sorted(os.listdir(str(tmp_path))) == sorted(
        one.name for one in (others, living, yours, mixed, tmp_path / "out")
    )
    assert os.listdir(str(yours)) == ["a"] and sorted(os.listdir(str(mixed))) == [
        "manifest.json",
        "yours",
    ]


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("names", [["out"], ["out", "train"]])
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
        assert set(new) == FILES
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
    "number, code, word", [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
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
