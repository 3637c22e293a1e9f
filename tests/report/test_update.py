"""What `verify --images` writes into an output: only over its own, and whole whenever it is
killed."""

import os
import shutil

import builders
import pytest
import repository

from graphfix.cli import command_line
from graphfix.errors import RequestError
from graphfix.modeldir import manifest, publishing, single_files
from graphfix.report import report as reports
from graphfix.report import update
from graphfix.report.report import Detection, Picture
from graphfix.verification.judge import judge

DEMO = os.path.join(repository.TESTDATA, "shapes")


def picture(number):
    with open(os.path.join(DEMO, f"demo_{number:05d}.jpg"), "rb") as file:
        data = file.read()
    found = (Detection((0.1, 0.2, 0.3, 0.4), 0.9, 1),)
    return Picture(
        f"demo_{number:05d}.jpg", update.picture_file(data), 160, 160, found, found
    ), data


@pytest.fixture(scope="module")
def whole(tmp_path_factory, model):
    out = str(tmp_path_factory.mktemp("whole") / "out")
    labels = builders.write(os.path.dirname(out), "labels", builders.label_map(["person", "zebra"]))
    assert (
        command_line.main(["convert", model, "--label_map_path", labels, "--output_directory", out])
        == 0
    )
    update.update_report(out, (), [picture(0), picture(1)])
    return out


@pytest.fixture
def out(whole, tmp_path):
    return shutil.copytree(whole, str(tmp_path / "out"))


def shown(out):
    return sorted(os.listdir(os.path.join(out, "pictures")))


def judged(out):
    return judge(out, manifest.read_manifest(out)).problems


def test_pictures_are_published_and_replaced(out):
    assert shown(out) == sorted(picture(number)[0].file for number in (0, 1)) and not judged(out)
    update.update_report(out, (), [picture(1), picture(2)])
    assert shown(out) == sorted(picture(number)[0].file for number in (1, 2)) and not judged(out)
    update.update_report(out, (), [])
    assert len(shown(out)) == 2 and not judged(out)


def test_what_another_run_wrote_at_the_last_moment_counts(out, monkeypatch):
    lock, done = publishing._lock, []

    def locked(directory):
        if not done:
            done.append(True)
            update.update_report(out, (), [picture(2)])
        return lock(directory)

    monkeypatch.setattr(publishing, "_lock", locked)
    update.update_report(out, (), [picture(3)])
    assert shown(out) == [picture(3)[0].file] and not judged(out)


def test_what_else_is_among_the_pictures_stays(out):
    builders.write(os.path.join(out, "pictures"), "taxes.pdf", "x")
    builders.write(os.path.join(out, "pictures"), "0123456789abcdef.jpg", "x")
    update.update_report(out, (), [picture(2)])
    assert shown(out) == sorted(["taxes.pdf", "0123456789abcdef.jpg", picture(2)[0].file])


def test_an_input_stays(out, tmp_path):
    given = os.path.join(out, "pictures", picture(0)[0].file)
    os.symlink(given, str(tmp_path / "alias.jpg"))
    for inputs in ([given], [str(tmp_path / "alias.jpg")]):
        update.update_report(out, (), [picture(2)], inputs=inputs)
        assert os.path.exists(given) and not judged(out)
    update.update_report(out, (), [picture(2)])
    assert shown(out) == [picture(2)[0].file]


@pytest.mark.parametrize("name", ["pictures", "report.json", "report.html", "manifest.json"])
def test_nothing_is_written_through_a_link(out, tmp_path, name):
    there = str(tmp_path / "there")
    os.rename(os.path.join(out, name), there)
    os.symlink(there, os.path.join(out, name))
    before = os.listdir(there) if name == "pictures" else open(there, "rb").read()
    with pytest.raises(Exception) as caught:
        update.update_report(out, (), [picture(2)])
    assert "is a link" in str(caught.value) or "is not a regular file" in str(caught.value)
    assert before == (os.listdir(there) if name == "pictures" else open(there, "rb").read())


def test_a_picture_that_became_a_link_is_left_alone(out, tmp_path):
    path = os.path.join(out, "pictures", picture(0)[0].file)
    os.rename(path, str(tmp_path / "mine.jpg"))
    os.symlink(str(tmp_path / "mine.jpg"), path)
    update.update_report(out, (), [picture(2)])
    assert os.path.islink(path) and os.path.exists(str(tmp_path / "mine.jpg"))


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_lies_in_the_place_of_a_picture_stays(out, tmp_path, kind):
    path = os.path.join(out, "pictures", picture(2)[0].file)
    mine = builders.write(tmp_path, "mine.jpg", "x")
    os.symlink(mine, path) if kind == "link" else os.rename(mine, path)
    with pytest.raises(RequestError) as caught:
        update.update_report(out, (), [picture(2)])
    assert path in str(caught.value) and "graphfix did not put it there" in str(caught.value)
    assert os.path.islink(path) == (kind == "link") and open(path).read() == "x"


@pytest.mark.parametrize("kind", [os.link, os.symlink])
def test_a_file_that_goes_by_an_unfinished_ones_name_keeps_its_content(out, tmp_path, kind):
    mine = builders.write(tmp_path, "mine", "x")
    part = os.path.join(out, ".report.json.graphfix-part")
    kind(mine, part)
    try:
        update.update_report(out, (), [picture(2)])
        assert kind is os.link
    except RequestError as error:
        assert "File exists" in str(error) and os.path.islink(part)
    assert open(mine).read() == "x"


def test_another_run_is_waited_for(out):
    with publishing.locked(out), pytest.raises(RequestError) as caught:
        update.update_report(out, (), [picture(2)])
    assert "is being written by another graphfix" in str(caught.value)


class Killed(BaseException):
    """As SIGKILL: nothing behind it runs, not even what cleans up."""


@pytest.mark.slow
def test_killed_at_any_step_the_directory_is_whole(whole, tmp_path, monkeypatch):
    """Every call that changes a file, one after the other; verify holds what is left for whole, and
    the next run brings it to its end."""
    steps = 0
    while True:
        out = shutil.copytree(whole, str(tmp_path / (f"out{steps}")))
        left = [steps]

        def dies(function, left=left):
            def guarded(*words, **named):
                if left[0] <= 0:
                    raise Killed()
                left[0] -= 1
                return function(*words, **named)

            return guarded

        with monkeypatch.context() as patch:
            for name in ("replace", "remove", "makedirs", "fsync", "chmod"):
                patch.setattr(single_files.os, name, dies(getattr(os, name)))
            try:
                update.update_report(out, (), [picture(1), picture(2)])
                break
            except Killed:
                steps += 1
        assert not judged(out), steps
        report = reports.load(out)
        assert {one.name for one in report.pictures} in (
            {"demo_00000.jpg", "demo_00001.jpg"},
            {"demo_00001.jpg", "demo_00002.jpg"},
        )
        update.update_report(out, (), [picture(1), picture(2)])
        assert not judged(out)
        with publishing.staged(out, overwrite=True) as (staging,):
            builders.publish(staging, "a")
        assert sorted(os.listdir(out)) == ["a", "manifest.json"]
    assert steps > 15
