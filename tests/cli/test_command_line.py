"""The command line as a process: what goes to stdout and stderr, exit codes, and rude endings."""

import array
import fcntl
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import termios
import time

import builders
import pytest
import repository
import thorough

REPOSITORY = repository.TOP
# With these, there is nothing to remark, but where names are from.
VAL = os.path.join(repository.TESTDATA, "shapes", "val.record")
QUIET = ("--target_api", "2019-07", "--train_record", __file__, "--eval_record", VAL)
NOTE = "1 note: --verbose shows it\n"
NAMED = r"info SOURCE_NAMES: label_map\.pbtxt next to the source .*\n"


def start(*words, **more):
    environment = repository.environment(**more.pop("environment", {}))
    more.setdefault("stdout", subprocess.PIPE)
    command = [sys.executable, "-m", "graphfix"] + [os.fspath(word) for word in words]
    # A test run in the background of a shell ignores Ctrl-C, and so would all that it starts.
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, preexec_fn=_heed, **more
    )


def _heed():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, (out or b"").decode("utf-8"), err.decode("utf-8")


@pytest.fixture
def labels(tmp_path):
    return builders.write(tmp_path, "labels.pbtxt", builders.label_map(["person", "zebra"]))


def test_stdout_has_the_result_and_nothing_else(model, labels, graphfix, tmp_path):
    out = tmp_path / "out"
    done = graphfix("convert", model, "--label_map_path", labels, "--output_directory", out, *QUIET)
    assert (done.code, done.err) == (0, NOTE)
    exports = json.loads((out / "report.json").read_text())["exports"]
    possible = [one["target"] for one in exports if not one["problems"]]
    assert "opencv" in possible
    assert done.out == (
        "200 tensors: 187 kept, 13 rewritten, 0 dropped, 129 moving averages "
        "added; stock API 2019-07 restores 199 of 199; 1 class carried, 1 new\n"
        f"{out} written; {out}/report.html has the details\n"
        "next, train:\n"
        "python -m object_detection.model_main --alsologtostderr \\\n"
        f"    --pipeline_config_path={out}/pipeline.config \\\n"
        f"    --model_dir={out}_model_main\n"
        "after training, export it this way:\n"
        "python -m object_detection.export_inference_graph --alsologtostderr \\\n"
        "    --input_type=image_tensor \\\n"
        f"    --pipeline_config_path={out}/pipeline.config \\\n"
        f'    --trained_checkpoint_prefix="$(ls {out}_model_main/model.ckpt-*.index | sort -V '
        "| tail -n 1 | sed 's/.index$//')\" \\\n"
        f"    --output_directory={out}_exported\n"
        f"and then to another runtime, TARGET being one of {', '.join(possible)}:\n"
        f"graphfix export TARGET {out}_exported -o {out}_TARGET\n"
        "(onnx, openvino, tflite: in a Python with their tools, or --runtime_python PYTHON)\n"
    )
    done = graphfix("verify", out)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "329 tensors intact; config and heads match the 2 planned classes\n"
        f"next, start the stock trainers from it:\ngraphfix verify {out} --stock\n"
    )
    assert graphfix("verify", out, "-q").out.count("\n") == 1


def test_findings_are_messages(model, graphfix, tmp_path):
    labels = builders.write(tmp_path, "labels.pbtxt", builders.label_map(["persn"]))
    words = ["convert", model, "--label_map_path", labels, "--output_directory", tmp_path / "out"]
    warning = r"warning NEAR_MISS: persn .*'person'.*--map 'persn=person'\n"
    assert re.match(warning + NOTE + r"\Z", graphfix(*words, *QUIET).err)
    done = graphfix(*words, *QUIET, "--overwrite", "--verbose")
    assert re.match(warning + NAMED + r"\Z", done.err)
    assert graphfix(*words, *QUIET, "--overwrite", "-q").err == ""


def test_errors_are_said_in_quiet_too(model, graphfix, tmp_path):
    words = ["convert", model, "--num_classes", "2", "--target_api", "2021-01", "-o"]
    done = graphfix(*words, tmp_path / "out", "-q")
    assert done.err.startswith("error FINE_TUNE_CHECKPOINT_IGNORED")
    assert done.err.count("\n") == done.out.count("\n") == 1


def test_colour_is_for_terminals(model, graphfix, tmp_path, monkeypatch):
    labels = builders.write(tmp_path, "labels.pbtxt", builders.label_map(["persn"]))
    words = ["convert", model, "--label_map_path", labels, *QUIET, "--overwrite", "-o"]
    words.append(tmp_path / "out")
    colored = "\033[1;33mwarning\033[0m NEAR_MISS"
    assert graphfix(*words).err.startswith("warning NEAR_MISS")
    assert graphfix(*words, "--color", "always").err.startswith(colored)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    # Where a conversion takes more than a second, a line that was written over comes before.
    assert colored in graphfix(*words).err
    plain = re.compile("(^|\033\\[K)warning NEAR_MISS", re.M)
    assert plain.search(graphfix(*words, "--color", "never").err)
    monkeypatch.setenv("NO_COLOR", "1")
    assert plain.search(graphfix(*words).err)


@pytest.mark.parametrize(
    "words",
    [
        ["inspect", "MODEL", "--json"],
        ["plan", "MODEL", "--label_map_path", "LABELS", "--json"],
        ["plan", "MODEL", "--num_classes", "3", "--json", "--target_api", "2021-01"],
        ["convert", "MODEL", "--label_map_path", "LABELS", "--output_directory", "OUT", "--json"],
    ],
)
def test_json_is_json_alone(model, labels, graphfix, tmp_path, words):
    places = {"MODEL": model, "LABELS": labels, "OUT": tmp_path / "out"}
    done = graphfix(*[places.get(word, word) for word in words])
    assert done.code == 0
    assert isinstance(json.loads(done.out), dict)
    assert done.out.endswith("}\n")


def test_the_reported_json_is_the_written_one(model, labels, graphfix, tmp_path):
    out = tmp_path / "out"
    done = graphfix(
        "convert", model, "--label_map_path", labels, "--output_directory", out, "--json", *QUIET
    )
    assert done.out == (out / "report.json").read_text()


def test_a_plan_is_a_table_and_writes_nothing(model, labels, graphfix, tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    before = sorted(os.listdir(str(tmp_path)))
    done = graphfix("plan", model, "--label_map_path", labels, *QUIET)
    assert (done.code, done.err) == (0, NOTE)
    assert done.out.startswith("classes: 1 carried over, 1 new\n")
    assert re.search(r"^ +1 +person +from person$", done.out, re.M)
    assert re.search(r"^ +2 +zebra +new$", done.out, re.M)
    words = r"^  \d+ channels from the source, \d+ new:\n    BoxPredictor_0/ClassPredictor/"
    assert re.search(words, done.out, re.M)
    assert "model.ssd.num_classes: 2" in done.out
    words = " ".join(["graphfix", "convert", "-o", "converted", shlex.quote(str(model))])
    assert f"\nnext, do it:\n{words} --label_map_path " in done.out
    assert "next" not in graphfix("plan", model, "-o", tmp_path / "out", "-q", *QUIET).out
    assert sorted(os.listdir(str(tmp_path))) == before


def test_inspect_says_what_the_model_is(model, graphfix):
    done = graphfix("inspect", model)
    assert (done.code, done.err) == (0, "")
    for words in (
        "SSD, convolutional predictor",
        "ssd_mobilenet_v1",
        "4 (4 named)",
        "3/6/6/6/6/6",
        "200",
    ):
        assert words in done.out
    data = json.loads(graphfix("inspect", model, "--json").out)
    assert (data["classes"], data["tensors"]) == (4, 200)


@pytest.mark.parametrize(
    "words, message",
    [
        (["transmogrify"], "invalid choice"),
        (["convert"], "required"),
        (["convert", "x"], "required: -o/--output_directory"),
        (["inspect", "x", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["plan", "x", "--lable-map=y"], "--lable-map; did you mean --label_map_path?"),
        (["covnert", "x"], "did you mean convert?"),
        (["export", "onxn", "x"], "did you mean onnx?"),
        (["export", "ONNX", "x"], "did you mean onnx?"),
        (["convert", "x", "--weights", "emma"], "did you mean ema?"),
        (["anchors", "fit", "x", "--num_anchor=2", "--outptu=y"], "did you mean --output?"),
        (["plan", "x", "--num_classes", "many"], "invalid int value"),
        (["plan", "x", "--new_rows", "like"], "invalid choice"),
        (["plan", "x", "--trainer", "mine"], "invalid choice"),
        (["plan", "x", "--weights", "best"], "invalid choice"),
        (["convert", "x", "--output_directory", "y", "--plan", "p", "--seed", "3"], "--plan"),
        (["convert", "x", "--output_directory", "y", "--plan", "p", "--map", "a=b"], "--plan"),
        (
            ["convert", "x", "--output_directory", "y", "--plan", "p", "--num_classes", "3"],
            "--plan",
        ),
        (["verify", "x", "--steps", "3"], "--stock"),
    ],
)
def test_usage_errors_exit_with_2_and_tell_on_stderr(graphfix, words, message):
    done = graphfix(*words)
    assert done.code == 2 and done.out == ""
    assert re.match(r"graphfix( \w+)*: error: ", done.err) and message in done.err
    assert done.err.count("\n") == 2 and done.err.endswith(" -h\n")


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "MODEL", "--label_map_path", "LABELS"],
        thorough.slow((["plan", "MODEL", "--label_map_path", "LABELS", "--json"],)),
        thorough.slow((["inspect", "MODEL"],)),
        ["convert", "--help"],
    ],
)
def test_a_closed_pipe_is_no_traceback(model, labels, words):
    reading, writing = os.pipe()
    os.close(reading)
    process = start(
        *[{"MODEL": model, "LABELS": labels}.get(word, word) for word in words], stdout=writing
    )
    os.close(writing)
    code, _, err = finish(process)
    # argparse, printing help, may not care.
    assert code == 141 or (code == 0 and "--help" in words)
    assert "Traceback" not in err and "Exception" not in err and "rror" not in err


@pytest.mark.slow
def test_a_closed_pipe_at_the_end_loses_no_work(model, labels, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    process = start(
        "convert",
        model,
        "--label_map_path",
        labels,
        "--output_directory",
        tmp_path / "out",
        *QUIET,
        stdout=writing,
    )
    os.close(writing)
    code, out, err = finish(process)
    assert (code, out, err) == (141, "", NOTE)
    assert finish(start("verify", tmp_path / "out"))[0] == 0


def test_nobody_listening_to_messages_changes_nothing(model, graphfix, tmp_path):
    labels = builders.write(tmp_path, "labels.pbtxt", builders.label_map(["persn"]))
    script = (
        f"exec 2>&-; exec {sys.executable} -m graphfix convert {model} "
        f"--label_map_path {labels} --output_directory {tmp_path / 'out'}"
    )
    done = subprocess.run(
        ["sh", "-c", script], env=repository.environment(), stdout=subprocess.PIPE
    )
    assert done.returncode == 0 and done.stdout.startswith(b"200 tensors")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_full_disk_behind_stdout_is_told(model):
    with open("/dev/full", "wb") as full:
        code, _, err = finish(start("inspect", model, stdout=full))
    assert code == 3
    assert err == (
        "graphfix: standard output: cannot be written: No space left on device; "
        "direct it elsewhere\n"
    )


@pytest.mark.slow
def test_any_locale_will_do(model, tmp_path):
    labels = builders.write(tmp_path, "labels.pbtxt", builders.label_map(["caf\u00e9", "\u732b"]))
    for environment in (
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ):
        code, out, err = finish(
            start("plan", model, "--label_map_path", labels, "-q", environment=environment)
        )
        assert code == 0 and err == "", err
        assert "caf\\xe9" in out and "\\u732b" in out


def _await_read(process, writer):
    """Until `process` waits in a read of the pipe's second piece.

    Python looks for signals between its steps; one that comes after the last look and before the
    system call is seen only when that call ends, which here it never does.
    """
    os.write(writer, b"#")
    for _ in range(2000):
        left = array.array("i", [1])
        fcntl.ioctl(writer, termios.FIONREAD, left)
        with open(f"/proc/{process.pid}/stat") as file:
            state = file.read().rpartition(")")[2].split()[0]
        if left[0] == 0 and state == "S":
            return
        time.sleep(0.01)
    raise AssertionError("it never read the file")


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="this system has no /proc")
def test_ctrl_c_is_no_traceback(tmp_path):
    """While it waits for a file that never comes."""
    os.mkfifo(str(tmp_path / "labels.pbtxt"))
    model = builders.write_model(tmp_path / "model")
    process = start(
        "convert",
        model,
        "--label_map_path",
        tmp_path / "labels.pbtxt",
        "--output_directory",
        tmp_path / "out",
        start_new_session=True,
    )
    writer = None
    try:
        for _ in range(1200):  # until it has opened the file
            time.sleep(0.05)
            try:
                writer = os.open(str(tmp_path / "labels.pbtxt"), os.O_WRONLY | os.O_NONBLOCK)
                break
            except OSError:
                assert process.poll() is None
        _await_read(process, writer)
        process.send_signal(signal.SIGINT)
        assert finish(process) == (130, "", "graphfix: interrupted\n")
    finally:
        if writer is not None:
            os.close(writer)
        process.kill()
    assert sorted(os.listdir(str(tmp_path))) == ["labels.pbtxt", "model"]


def test_a_current_directory_that_is_gone(model, labels, tmp_path, graphfix, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(str(tmp_path / "gone"))
    (tmp_path / "gone").rmdir()
    done = graphfix("convert", model, "--label_map_path", labels, "--output_directory", "out")
    assert done.code == 3 and done.err.startswith("graphfix: ") and done.err.count("\n") == 1


def test_flags_from_a_file(graphfix, model, tmp_path):
    path = tmp_path / "flags"
    path.write_text("# the API that will train\n--target_api=2019-07\n--num_classes=2\n--map=1=2\n")
    done = graphfix("plan", model, "--flagfile", path, "--json")
    assert done.code == 0 and '"target_api": "2019-07"' in done.out


def test_a_file_of_flags_that_is_not_there(graphfix, model, tmp_path):
    done = graphfix("plan", model, f"--flagfile={tmp_path / 'none'}")
    assert done.code == 2 and "none" in done.err and "Traceback" not in done.err


def test_files_of_flags_in_a_file_of_flags(graphfix, model, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(f"--flagfile {two}\n// twice\n--flagfile={two}\n--map=1=2\n")
    two.write_text("--num_classes=2\n")
    done = graphfix("plan", model, "--flagfile", one, "--target_api=2019-07")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    "data, message",
    [
        (b"--seed=3\n--flagfile=%(path)s\n", "includes itself"),
        (b"--flagfile %(link)s\n", "includes itself"),
        (b"--flagfile=\n", "names no file"),
        (b"--seed=\xff\n", "is not UTF-8 text (offset 7)"),
        (b"--flagfile=/dev/zero\n", "it is a device"),
        (b"--flagfile=/\n", "Is a directory"),
        (b"\0\n", "unrecognized arguments"),
    ],
)
def test_bad_files_of_flags(graphfix, model, tmp_path, data, message):
    path, link = tmp_path / "flags", tmp_path / "link"
    link.symlink_to(path)
    names = {b"path": bytes(path), b"link": bytes(link)}
    path.write_bytes(data % names if b"%" in data else data)
    done = graphfix("plan", model, "--num_classes=2", "--flagfile", path)
    assert done.code == 2 and message in done.err and "Warning" not in done.err


def test_empty_arguments_are_refused(graphfix, tmp_path):
    for words in (["inspect", ""], ["doctor", "--explain", ""], ["convert", "x", "--map", ""]):
        done = graphfix(*words)
        assert done.code == 2 and "an argument is empty" in done.err
    done = graphfix("convert", "x", "--output_directory=", "--num_classes=1")
    assert done.code == 3 and done.err.startswith("graphfix: --output_directory: is ''")


def test_all_of_the_help(graphfix):
    done = graphfix("convert", "--helpfull")
    assert done.code == 0 and "--freeze" in done.out
