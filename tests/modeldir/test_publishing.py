"""Publishing: whole or not at all, whatever ends the run, and whoever else is at it."""

import fcntl
import os

import builders
import pytest
import repository
from directories import hidden
from published import content

from graphfix.errors import RequestError
from graphfix.modeldir import manifest, ownership, publishing

HERE = repository.TESTS
REPOSITORY = repository.TOP


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


def test_every_file_is_synced_before_the_directory_has_its_name(tmp_path, monkeypatch):
    """A power cut must not leave the new name with empty files."""
    synced, original = set(), os.fsync

    def fsync(handle):
        assert not (tmp_path / "out").exists() or handle_is(handle, tmp_path)
        synced.add(os.fstat(handle).st_ino)
        original(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with publishing.staged(str(tmp_path / "out"), overwrite=False) as (stage,):
        for name in ("a", os.path.join("within", "b")):
            path = os.path.join(stage, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(name)
        manifest.write(stage)
    published = [tmp_path / "out", *(tmp_path / "out").rglob("*"), tmp_path]
    assert {os.stat(str(path)).st_ino for path in published} <= synced


def handle_is(handle, path):
    return os.path.samestat(os.fstat(handle), os.stat(str(path)))


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
        (occupy_full, False, "exists already, and has files that graphfix did not put there: x"),
        (
            occupy_full,
            True,
            "has files that graphfix did not put there (it has no manifest.json): x",
        ),
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
