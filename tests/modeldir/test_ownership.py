"""What is not graphfix's stays: whatever lies in a destination, and however its inputs are
named."""

import os
import shutil
import stat

import builders
import pytest
import thorough

from graphfix.errors import RequestError
from graphfix.modeldir import manifest, measuring, ownership, publishing


def snapshot(top):
    """Everything under a directory: kinds, permissions, contents, links' targets."""
    found = {}
    for path, _, mode in measuring.entries(str(top)):
        where = os.path.join(str(top), path)
        text = os.readlink(where) if stat.S_ISLNK(mode) else None
        if stat.S_ISREG(mode):
            with open(where, "rb") as file:
                text = file.read()
        found[path] = (mode, text)
    return found


def a_file(out):
    builders.write(out, "thesis.tex", "x")
    return "thesis.tex"


def a_file_deeper(out):
    builders.write(os.path.join(out, "within"), "thesis.tex", "x")
    return "within/thesis.tex"


def a_hidden_file(out):
    builders.write(out, ".git", "x")
    return ".git"


def an_empty_directory(out):
    os.mkdir(os.path.join(out, "training"))
    return "training"


def an_output_inside(out):
    builders.publish(os.path.join(out, "another"), "a", "b")
    return "another"


def a_dangling_link(out):
    os.symlink("nowhere", os.path.join(out, "latest"))
    return "latest"


def a_link_in_the_place_of_a_file(out):
    os.rename(os.path.join(out, "model"), os.path.join(os.path.dirname(out), "elsewhere"))
    os.symlink("../elsewhere", os.path.join(out, "model"))
    return "model"


def a_link_in_the_place_of_a_directory(out):
    os.rename(os.path.join(out, "within"), os.path.join(os.path.dirname(out), "elsewhere"))
    os.symlink("../elsewhere", os.path.join(out, "within"))
    return "within"


def a_directory_in_the_place_of_a_file(out):
    os.remove(os.path.join(out, "model"))
    os.mkdir(os.path.join(out, "model"))
    return "model"


def a_pipe(out):
    os.mkfifo(os.path.join(out, "pipe"))
    return "pipe"


def a_file_named_like_graphfixs(out):
    builders.write(out, ".mine.graphfix-part", "x")
    return ".mine.graphfix-part"


SPOILED = [
    a_file,
    a_file_deeper,
    a_hidden_file,
    an_empty_directory,
    an_output_inside,
    a_dangling_link,
    a_link_in_the_place_of_a_file,
    a_link_in_the_place_of_a_directory,
    a_directory_in_the_place_of_a_file,
    a_pipe,
    a_file_named_like_graphfixs,
]


@pytest.fixture
def out(tmp_path):
    """A directory that graphfix published, with a file in it and one deeper."""
    directory = str(tmp_path / "out")
    builders.write(os.path.join(directory, "within"), "deep", "x")
    return builders.publish(directory, "model")


def replace(out, **more):
    with publishing.staged(str(out), overwrite=True, **more) as (staging,):
        builders.publish(staging, "new")


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_directory_with_anything_else_in_it_is_refused_and_left_alone(out, tmp_path, spoil):
    name = spoil(out)
    before = snapshot(tmp_path)
    with pytest.raises(RequestError) as caught:
        replace(out)
    assert caught.value.problems[0].message.endswith("did not put there: " + name)
    assert ownership.remove(out) is False
    lost = set(before) - set(snapshot(tmp_path))
    assert lost <= {
        "out/" + path for path in ("manifest.json", "model", "within", "within/deep")
    } - {"out/" + name}


@pytest.mark.parametrize(
    "text", ["", "{}", '{"batch_size": 24}', "[]", "null", "\xff", '{"format": 1}', '{"files": {}}']
)
def test_a_record_that_graphfix_did_not_write_is_none(tmp_path, text):
    out = tmp_path / "out"
    builders.write(out, "manifest.json", text)
    before = snapshot(tmp_path)
    with pytest.raises(RequestError) as caught:
        replace(out)
    assert "did not put there (is not a valid manifest of graphfix" in str(caught.value)
    assert not ownership.remove(str(out)) and snapshot(tmp_path) == before


def test_names_are_told_up_to_five_and_then_counted(out):
    for number in range(8):
        builders.write(out, f"file{number}", "x")
    with pytest.raises(RequestError) as caught:
        replace(out)
    assert caught.value.problems[0].message.endswith(
        ": file0, file1, file2, file3, file4 and 3 more"
    )


def test_what_a_user_changed_in_a_listed_file_is_replaced_as_asked(out):
    builders.write(out, "model", "edited")
    replace(out)
    assert sorted(os.listdir(out)) == ["manifest.json", "new"]


@pytest.mark.parametrize("mark", ["staging", "old"])
@pytest.mark.parametrize("kind", ["file", "directory", "pipe", "link"])
def test_what_is_only_named_like_a_killed_runs_stays(out, tmp_path, mark, kind):
    left = str(tmp_path / (f".new.graphfix-{mark}-mine"))
    if kind == "directory":
        builders.write(left, "thesis.tex", "x")
    elif kind == "file":
        builders.write(tmp_path, left, "x")
    elif kind == "link":
        os.symlink("out", left)
    else:
        os.mkfifo(left)
    before = snapshot(tmp_path)
    replace(tmp_path / "new")
    assert {
        path: one for path, one in snapshot(tmp_path).items() if path.split("/")[0] != "new"
    } == before


def test_what_comes_in_at_the_last_moment_puts_the_old_directory_back(out, tmp_path, monkeypatch):
    real = publishing._swap

    def swap(staging, directory):
        builders.write(out, "late", "x")
        monkeypatch.setattr(publishing, "_swap", real)
        real(staging, directory)

    monkeypatch.setattr(publishing, "_swap", swap)
    with pytest.raises(RequestError) as caught:
        replace(out)
    assert "did not put there: late" in str(caught.value)
    assert os.listdir(str(tmp_path)) == ["out"]
    assert sorted(os.listdir(out)) == ["late", "manifest.json", "model", "within"]


def test_nothing_is_published_without_a_manifest(tmp_path):
    with pytest.raises(AssertionError):
        with publishing.staged(str(tmp_path / "out"), overwrite=True) as (staging,):
            builders.write(staging, "a", "x")
    assert os.listdir(str(tmp_path)) == []


def test_what_somebody_else_has_there_is_not_looked_into(out, monkeypatch):
    """It may be closed, of any depth, and change meanwhile."""
    way = os.path.join(out, "training")
    os.mkdir(way)
    listed = os.listdir
    monkeypatch.setattr(
        os, "listdir", lambda path: 1 / 0 if str(path).startswith(way) else listed(path)
    )
    with pytest.raises(RequestError, match="did not put there: training"):
        replace(out)
    assert ownership.remove(out) is False and os.path.isdir(way)


@pytest.mark.slow
def test_a_directory_of_any_depth_is_looked_through(tmp_path):
    handle = os.open(str(tmp_path), os.O_RDONLY)
    depth = 1500  # deeper than Python calls functions
    try:
        for _ in range(depth):
            os.mkdir("a", dir_fd=handle)
            inner = os.open("a", os.O_RDONLY, dir_fd=handle)
            os.close(handle)
            handle = inner
        assert len(list(measuring.entries(str(tmp_path)))) == depth
    finally:
        for _ in range(depth):
            outer = os.open("..", os.O_RDONLY, dir_fd=handle)
            os.close(handle)
            handle = outer
            try:
                os.rmdir("a", dir_fd=handle)
            except OSError:
                break
        os.close(handle)


def test_what_goes_while_it_is_looked_at_is_left_out(out, monkeypatch):
    before = list(measuring.entries(out))
    listed = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: listed(path) + ["gone"])
    assert list(measuring.entries(out)) == before


def test_what_another_reaches_through_a_link_keeps_its_permissions(out, tmp_path):
    os.makedirs(str(tmp_path / "elsewhere" / "deep"))
    os.chmod(str(tmp_path / "elsewhere" / "deep"), 0o500)
    shutil.rmtree(os.path.join(out, "within"))
    os.symlink("../elsewhere", os.path.join(out, "within"))
    before = snapshot(tmp_path / "elsewhere")
    assert ownership.remove(out) is False
    assert snapshot(tmp_path / "elsewhere") == before


def test_permissions_stay(out):
    os.chmod(out, 0o750)
    os.chmod(os.path.join(out, "model"), 0o640)
    with publishing.staged(out, overwrite=True) as (staging,):
        builders.publish(staging, "model", "other")
    assert stat.S_IMODE(os.stat(out).st_mode) == 0o750
    assert stat.S_IMODE(os.stat(os.path.join(out, "model")).st_mode) == 0o640
    assert stat.S_IMODE(os.stat(os.path.join(out, "other")).st_mode) & 0o444 == 0o444


def test_a_new_directory_keeps_the_group_that_its_parent_gives(tmp_path):
    os.chmod(str(tmp_path), 0o2755)
    if not os.stat(str(tmp_path)).st_mode & stat.S_ISGID:
        pytest.skip("this file system keeps no setgid bit")
    replace(tmp_path / "out")
    assert os.stat(str(tmp_path / "out")).st_mode & stat.S_ISGID
    assert stat.S_IMODE(os.stat(str(tmp_path / "out")).st_mode) & 0o700 == 0o700


def test_a_link_to_a_directory_stays_one(out, tmp_path):
    for link in ("link", "dangling"):
        os.symlink("out" if link == "link" else "fresh", str(tmp_path / link))
        replace(tmp_path / link)
        assert os.path.islink(str(tmp_path / link))
        assert sorted(os.listdir(str(tmp_path / link))) == ["manifest.json", "new"]
    assert sorted(os.listdir(str(tmp_path))) == ["dangling", "fresh", "link", "out"]


def aliases(top, path):
    """Names of a file: its own, by a link to it, through a link to its directory."""
    name = os.path.basename(path)
    os.symlink(path, str(top / "alias"))
    os.symlink(os.path.dirname(path), str(top / "way"))
    return [path, str(top / "alias"), str(top / "way" / name)]


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(
    "flag",
    thorough.sampled(
        [
            "--label_map_path",
            "--source_label_map_path",
            "--anchors",
            "--train_record",
            "--eval_record",
            "--plan",
            "--pipeline_config_path",
        ],
        3,
    ),
)
def test_convert_never_replaces_what_it_was_given(graphfix, model, tmp_path, flag, number):
    place = tmp_path / "place"
    labels = builders.write(tmp_path, "labels", builders.label_map(["person", "zebra"]))
    given = {
        "--label_map_path": builders.label_map(["person"]),
        "--source_label_map_path": builders.label_map(builders.CLASSES),
        "--anchors": "ssd_anchor_generator { num_layers: 6 }",
        "--train_record": "x",
        "--eval_record": "x",
        "--plan": graphfix("plan", model, "--label_map_path", labels, "--json").out,
        "--pipeline_config_path": builders.CONFIG % {"classes": 4},
    }
    builders.write(place, "given", given[flag])
    manifest.write(str(place))
    before = snapshot(place)
    alias = aliases(tmp_path, str(place / "given"))[number]
    words = ["convert", model, "--output_directory", place, "--overwrite", flag, alias]
    if flag not in ("--plan", "--label_map_path"):
        words += ["--label_map_path", labels]
    done = graphfix(*words)
    assert (
        done.code == 3
        and f"{alias}, which this command needs, so it cannot be replaced" in done.err
    )
    assert snapshot(place) == before


def test_a_checkpoint_whose_shards_are_links_into_the_output(graphfix, model, tmp_path):
    run, latest = tmp_path / "run", tmp_path / "latest"
    shutil.copytree(model, str(run))
    manifest.write(str(run))
    latest.mkdir()
    for name in os.listdir(model):
        (latest / name).symlink_to(run / name)
    before = snapshot(tmp_path)
    labels = builders.write(tmp_path.parent, "target", builders.label_map(["person"]))
    done = graphfix(
        "convert", latest, "--label_map_path", labels, "--output_directory", run, "--overwrite"
    )
    assert done.code == 3 and "which this command needs" in done.err
    assert snapshot(tmp_path) == before
