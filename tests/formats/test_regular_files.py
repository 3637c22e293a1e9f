"""What is no regular file is refused wherever a file is read; nothing waits for it, or reads on."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading

import builders
import pytest
import repository
import thorough

from graphfix.errors import SourceError
from graphfix.formats import regular_files

TOP = repository.TOP
TESTDATA = os.path.join(TOP, "testdata")
SECONDS = 120  # to see that nothing hangs


def make_socket(path):
    here = os.getcwd()
    os.chdir(os.path.dirname(path))  # an address is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.path.basename(path))
    finally:
        os.chdir(here)


KINDS = {
    "fifo": os.mkfifo,
    "endless": lambda path: os.symlink("/dev/zero", path),
    "directory": os.mkdir,
    "itself": lambda path: os.symlink(os.path.basename(path), path),
    "socket": make_socket,
}
SAID = {
    "fifo": "it is a FIFO, not a regular file",
    "endless": "it is a device, not a regular file",
    "directory": "Is a directory",
    "itself": "Too many levels of symbolic links",
    "socket": "it is a socket, not a regular file",
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_it_opens_regular_files_only(tmp_path, kind):
    path = str(tmp_path / "it")
    KINDS[kind](path)
    for take in (regular_files.open_file, lambda one: regular_files.read(one, 10)):
        with pytest.raises(OSError) as caught:
            take(path)
        assert SAID[kind] == caught.value.strerror
    for bad in (str(tmp_path / "lost"), "a\0b"):
        with pytest.raises(OSError):
            regular_files.open_file(bad)


def test_it_reads_what_is_there(tmp_path):
    path = str(tmp_path / "it")
    with open(path, "wb") as file:
        file.write(b"0123456789")
    os.symlink(path, path + ".link")
    assert (
        regular_files.read(path + ".link", 4) == b"0123"
        and regular_files.read(path, 100) == b"0123456789"
    )
    with regular_files.open_file(path) as file:
        assert file.read() == b"0123456789"


@pytest.mark.parametrize("parts", [[b"abc"], [b"a" * 70000, b"b"], [b"x"] * 50])
def test_a_pipe_that_a_person_names(tmp_path, parts):
    path = str(tmp_path / "pipe")
    os.mkfifo(path)

    def write():
        with open(path, "wb", buffering=0) as file:
            for part in parts:
                file.write(part)

    writer = threading.Thread(target=write)
    writer.start()
    assert regular_files.read(path, 1 << 20, pipes=True) == b"".join(parts)
    writer.join()


def test_pipes_without_a_name():
    ends = os.pipe()
    try:
        os.write(ends[1], b"before")
        os.close(ends[1])
        assert regular_files.read(f"/dev/fd/{ends[0]}", 100, pipes=True) == b"before"
        assert regular_files.read(f"/dev/fd/{ends[0]}", 100, pipes=True) == b""
    finally:
        os.close(ends[0])


def test_a_pipe_that_nothing_comes_out_of(tmp_path, monkeypatch):
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    monkeypatch.setattr(regular_files, "NOBODY_SECONDS", 0)
    monkeypatch.setattr(regular_files, "SILENT_SECONDS", 0)
    with pytest.raises(OSError, match="nobody writes to"):
        regular_files.read(path, 10, pipes=True)
    ends = os.pipe()
    try:
        with pytest.raises(OSError, match="nothing came out"):
            regular_files.read(f"/dev/fd/{ends[0]}", 10, pipes=True)
    finally:
        os.close(ends[0])
        os.close(ends[1])


def test_an_endless_pipe_is_read_up_to_a_limit():
    endless = subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE)
    try:
        data = regular_files.read(f"/dev/fd/{endless.stdout.fileno()}", 1 << 20, pipes=True)
        assert len(data) == 1 << 20
    finally:
        endless.kill()
        endless.stdout.close()
        endless.wait()


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    """A directory with every kind of input, each of which one of VERBS reads."""
    top = str(tmp_path_factory.mktemp("setup"))
    shutil.copytree(os.path.join(TESTDATA, "shapes_detector"), os.path.join(top, "m"))
    os.rename(os.path.join(top, "m", "shapes_label_map.pbtxt"), os.path.join(top, "names.pbtxt"))
    for name in ("train.record", "val.record"):
        shutil.copy(os.path.join(TESTDATA, "shapes", name), top)
    builders.write(top, "labels.pbtxt", builders.label_map(["circle", "forklift"]))
    with open(os.path.join(top, "m", "pipeline.config")) as file:
        text = file.read()
    text = text.replace("shapes_detector/shapes_label_map", "names").replace("shapes/", "")
    builders.write(
        top,
        "c.config",
        text.replace(
            "train_config {",
            'train_config { fine_tune_checkpoint: "m/model.ckpt" '
            "from_detection_checkpoint: true load_all_detection_checkpoint_vars: true",
        ),
    )
    builders.write(
        top, "r.txt", 'defaults { label_map_path: "labels.pbtxt" } model { source: "m" }'
    )
    builders.write(
        top,
        "boxes.csv",
        "filename,width,height,class,xmin,ymin,xmax,ymax\na,100,100,circle,10,10,50,50\n",
    )
    for name in (
        "plan.json",
        "boxes.json",
        "boxes.xml",
        "anchors.txt",
        "golden.json",
        "f.pb",
        "a.tar.gz",
    ):
        builders.write(top, name, "")
    os.mkdir(os.path.join(top, "training"))
    builders.write(
        os.path.join(top, "training"), "checkpoint", 'model_checkpoint_path: "model.ckpt"'
    )
    os.mkdir(os.path.join(top, "saved"))
    builders.write(os.path.join(top, "saved"), "saved_model.pb", "")
    return top


PLAN = [
    "plan",
    "m",
    "--source_label_map_path",
    "names.pbtxt",
    "--target_api",
    "2019-07",
    "--label_map_path",
    "labels.pbtxt",
]
DOCTOR = ["doctor", "c.config", "--model_dir", "training"]
FIT = ["anchors", "fit", "m", "--output", "out.txt", "--train_record"]
# What is replaced, and what is run then.
VERBS = [
    ("m/model.ckpt.index", PLAN),
    ("m/model.ckpt.data-00000-of-00001", PLAN),
    ("m/pipeline.config", PLAN),
    ("names.pbtxt", PLAN),
    ("labels.pbtxt", PLAN),
    ("anchors.txt", PLAN + ["--anchors", "anchors.txt"]),
    ("plan.json", ["convert", "m", "--plan", "plan.json", "--output_directory", "out"]),
    ("c.config", DOCTOR),
    ("m/model.ckpt.index", DOCTOR),
    ("names.pbtxt", DOCTOR),
    ("train.record", DOCTOR),
    ("training/checkpoint", DOCTOR),
    ("r.txt", ["batch", "r.txt", "--output_directory", "out"]),
    ("train.record", FIT + ["train.record"]),
    ("boxes.csv", FIT + ["boxes.csv"]),
    ("boxes.json", FIT + ["boxes.json"]),
    ("boxes.xml", FIT + ["boxes.xml"]),
    ("f.pb", ["inspect", "f.pb"]),
    ("a.tar.gz", ["inspect", "a.tar.gz"]),
    ("saved/saved_model.pb", ["inspect", "saved"]),
    ("golden.json", ["check", "m", "--golden", "golden.json"]),
    ("m/model.ckpt.index", ["diff", "m", "m"]),
]


# One process runs them all; what it says of each is a line of JSON.
PROGRAM = """
import contextlib, io, json, os, sys
from graphfix.cli import command_line
from graphfix.formats import regular_files
regular_files.NOBODY_SECONDS = 0
for top, words in json.load(sys.stdin):
    os.chdir(top)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = command_line.main(words)
    print(json.dumps([code, said.getvalue()]), flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", thorough.sampled(sorted(KINDS), 5))
def test_every_input_of_every_verb(setup, tmp_path, kind):
    """Each in a copy with one file replaced."""
    jobs = []
    for number, (name, words) in enumerate(VERBS):
        top = str(tmp_path / str(number))
        shutil.copytree(setup, top, copy_function=os.link)
        os.remove(os.path.join(top, name))
        KINDS[kind](os.path.join(top, name))
        jobs.append((top, words))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(jobs),
        timeout=SECONDS,
        stdout=subprocess.PIPE,
        universal_newlines=True,
        check=True,
        env=dict(os.environ, PYTHONPATH=TOP),
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(VERBS)
    for (name, words), (code, said) in zip(VERBS, answers):
        expected = 1 if words[0] == "doctor" and name != "c.config" else 3
        assert code == expected, (name, words, code, said)
        assert "fault of graphfix" not in said, (name, words, said)
        assert os.path.basename(name).split(".data-")[0] in said, (name, words, said)


def test_what_is_not_there_is_named_with_what_is_like_it(tmp_path):
    for name in ("pipeline.config", "model.ckpt.index", "model.ckpt.meta"):
        (tmp_path / name).write_text("")
    for wrong, right in (
        ("pipelin.config", "pipeline.config"),
        ("model.ckp", "model.ckpt"),
        ("Pipeline.config/more", "pipeline.config"),
    ):
        with pytest.raises(SourceError) as caught:
            regular_files.read_file(str(tmp_path / wrong))
        (problem,) = caught.value.problems
        assert problem.message == "does not exist"
        assert problem.remedy == f"did you mean {tmp_path / right}?"
    with pytest.raises(SourceError, match="does not exist; check the path"):
        regular_files.read_file(str(tmp_path / "else"))
    os.symlink(str(tmp_path / "nothing"), str(tmp_path / "pipelin"))
    with pytest.raises(SourceError, match="cannot be read: No such file or directory"):
        regular_files.read_file(str(tmp_path / "pipelin"))
