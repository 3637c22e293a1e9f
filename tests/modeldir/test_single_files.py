"""Single files: whole or not at all, through links and into pipes, and never over an input."""

import os
import socket
import stat
import subprocess
import sys
import threading

import builders
import pytest
import thorough

from graphfix.errors import RequestError
from graphfix.modeldir.single_files import check_file, replace_file, write_file


def read(path):
    with open(str(path), "rb") as file:
        return file.read()


def refused(path, **more):
    with pytest.raises(RequestError) as caught:
        write_file(str(path), b"new", **dict(dict(overwrite=True), **more))
    return str(caught.value)


def test_a_file_that_is_there_is_replaced_only_when_asked_or_ones_own(tmp_path):
    path = builders.write(tmp_path, "file", "old")
    assert "exists; name another file, or pass overwrite=" in refused(path, overwrite=False)
    assert "exists" in refused(path, overwrite=False, ours=lambda _: False)
    assert read(path) == b"old"
    write_file(path, b"ours", overwrite=False, ours=lambda where: read(where) == b"old")
    write_file(path, b"asked", overwrite=True)
    assert read(path) == b"asked" and os.listdir(str(tmp_path)) == ["file"]


def test_permissions_and_links_stay(tmp_path):
    path = builders.write(tmp_path, "file", "old")
    os.chmod(path, 0o640)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "link").symlink_to("../two")
    (tmp_path / "two").symlink_to("file")
    write_file(str(tmp_path / "one" / "link"), b"new", overwrite=True)
    assert read(path) == b"new" and stat.S_IMODE(os.stat(path).st_mode) == 0o640
    assert os.readlink(str(tmp_path / "one" / "link")) == "../two"
    assert os.readlink(str(tmp_path / "two")) == "file"


def test_a_dangling_link_gets_its_file(tmp_path):
    (tmp_path / "link").symlink_to("file")
    write_file(str(tmp_path / "link"), b"new", overwrite=False)
    assert read(tmp_path / "file") == b"new" and (tmp_path / "link").is_symlink()


def test_devices_and_pipes_are_written_to(tmp_path):
    (tmp_path / "null").symlink_to(os.devnull)
    write_file(str(tmp_path / "null"), b"new", overwrite=False)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    assert "no process reads from it; start the reader first" in refused(pipe)
    found, data = [], bytes(300000)  # more than a pipe holds
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    held = os.open(pipe, os.O_WRONLY)  # or the reader might be at the end before there is a writer
    thread = threading.Thread(target=lambda: found.append(os.fdopen(reader, "rb").read(len(data))))
    thread.start()
    write_file(pipe, data, overwrite=False)
    thread.join()
    os.close(held)
    assert found == [data] and stat.S_ISFIFO(os.stat(pipe).st_mode)


@pytest.mark.parametrize(
    "name", thorough.sampled(["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"], 4)
)
@pytest.mark.parametrize("into", ["pipe", "file"])
def test_standard_output_by_its_names(tmp_path, name, into):
    (tmp_path / "link").symlink_to("/proc/self/fd/1")
    script = (
        "import sys; from graphfix.modeldir.single_files import write_file; "
        "sys.stdout.write('before '); sys.stdout.flush(); "
        f"write_file({str(tmp_path / 'link') if name == 'link' else name!r}, b'new', "
        "overwrite=False); sys.stdout.write(' after')"
    )
    with open(str(tmp_path / "file"), "wb") as file:
        done = subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            stdout=file if into == "file" else subprocess.PIPE,
        )
    assert (read(tmp_path / "file") if into == "file" else done.stdout) == b"before new after"


def test_what_cannot_be_a_file(tmp_path):
    assert "is a directory; name a file in it" in refused(tmp_path)
    assert "its directory does not exist" in refused(tmp_path / "none" / "file")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert "is not a file that can be written" in refused(tmp_path / "socket")
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot be written" in refused(tmp_path / "loop")


def test_an_input_is_never_replaced_by_whatever_name(tmp_path):
    path = builders.write(tmp_path, "config-00001-of-00002", "old")
    (tmp_path / "link").symlink_to(path)
    os.link(path, str(tmp_path / "hard"))
    (tmp_path / "way").symlink_to(tmp_path)
    names = [
        path,
        str(tmp_path / "link"),
        str(tmp_path / "hard"),
        str(tmp_path / "way" / "config-00001-of-00002"),
    ]
    for output in names:
        for given in names + [
            str(tmp_path / "config-?????-of-00002"),
            str(tmp_path.parent / "*" / "config-*"),
        ]:
            if output.endswith("hard") and "/*/" in given:
                continue  # a pattern of directories is only compared by name
            assert "is an input of this command" in refused(output, inputs=[given]), (output, given)
    assert read(path) == b"old"
    builders.write(tmp_path, "model.ckpt.index", "old")
    assert "is an input" in refused(
        tmp_path / "model.ckpt.index", inputs=[str(tmp_path / "model.ckpt")]
    )
    check_file(str(tmp_path / "other"), overwrite=False, inputs=names)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = builders.write(tmp_path, "file", "old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left on device" in refused(path)
    with pytest.raises(OSError):
        replace_file(path, b"new")
    assert read(path) == b"old" and os.listdir(str(tmp_path)) == ["file"]


@pytest.fixture
def converted(graphfix, model, tmp_path):
    labels = builders.write(tmp_path, "labels", builders.label_map(["person"]))
    out = tmp_path / "out"
    assert (
        graphfix("convert", model, "--label_map_path", labels, "--output_directory", out).code == 0
    )
    return out


def test_check_replaces_what_it_wrote_itself_and_nothing_else(graphfix, converted, tmp_path):
    golden, junit = tmp_path / "golden.json", tmp_path / "result.xml"
    for path, words in (
        (golden, ["--golden", golden, "--update"]),
        (junit, ["--golden", golden, "--junit", junit]),
    ):
        words = ["check", converted] + words
        assert graphfix(*words).code == 0
        written = read(path)
        assert graphfix(*words).code == 0 and read(path) == written
        for text in (b"precious", b"<testsuite name='pytest'/>", b"{}", b"<a>"):
            path.write_bytes(text)
            done = graphfix(*words)
            assert (
                done.code == 3
                and f"{path}: exists; name another file, or pass --overwrite" in done.err
            )
            assert read(path) == text
        assert graphfix(*(words + ["--overwrite"])).code == 0 and read(path) == written
    done = graphfix("check", converted, "--golden", golden, "--junit", golden, "--overwrite")
    assert done.code == 3 and "is an input of this command" in done.err
    plan = read(converted / "plan.json")
    for words in (
        ["--golden", converted / "plan.json", "--update"],
        ["--golden", golden, "--junit", converted / "plan.json"],
    ):
        assert graphfix("check", converted, *words, "--overwrite").code == 3
    assert read(converted / "plan.json") == plan


def test_doctor_replaces_only_when_asked_and_never_what_the_config_names(graphfix, model, tmp_path):
    labels = builders.write(tmp_path, "labels.pbtxt", builders.label_map(["person"]))
    text = (builders.CONFIG % {"classes": 3}).replace(
        "train_config {", f"train_config {{ fine_tune_checkpoint: '{model}/model.ckpt'"
    )
    assert "label_map_path" in text
    path = builders.write(
        tmp_path,
        "in.config",
        text.replace("records/labels.pbtxt", labels).replace(
            'label_map_path: "', f'label_map_path: "{labels}" #'
        ),
    )
    other = builders.write(tmp_path, "other.config", "precious")
    done = graphfix("doctor", path, "--fix", other)
    assert done.code == 3 and "exists; name another file" in done.err and read(other) == b"precious"
    for held in (path, labels, os.path.join(model, "model.ckpt.index")):
        before = read(held)
        done = graphfix("doctor", path, "--fix", held, "--overwrite")
        assert done.code == 3 and "is an input of this command" in done.err, (held, done)
        assert read(held) == before
    graphfix("doctor", path, "--fix", other, "--overwrite")
    assert read(other) != b"precious"
