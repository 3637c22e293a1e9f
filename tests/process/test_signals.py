"""Signals: whenever they come, how often, and whatever they come to: nothing is left behind."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import answering
import builders
import pytest
import repository
import thorough

HERE = repository.TESTS
REPOSITORY = os.path.dirname(HERE)
SHAPES = os.path.join(REPOSITORY, "testdata", "shapes_detector")
ENDINGS = {
    signal.SIGINT: (130, "interrupted"),
    signal.SIGTERM: (143, "terminated"),
    signal.SIGHUP: (129, "hung up"),
}
MARK = "GRAPHFIX_TEST_MARK"
# Stands in for a stock Python: a worker that forks, fills its temporary directory, and never
# answers.
HANGING = """#!%s
import json, os, signal, sys, tempfile, time
if sys.argv[1].endswith("api_revision.py"):
    print(json.dumps({"api": {"revision": "2019-07"}, "tensorflow": True}))
    sys.exit()
if not os.fork():
    time.sleep(600)
open(os.path.join(tempfile.mkdtemp(), "x"), "w").close()
for number in json.loads(os.environ.get("GRAPHFIX_TEST_SIGNALS", "[]")):
    os.kill(os.getppid(), number)
time.sleep(600)
"""


def heeding():
    # A test run in the background of a shell ignores Ctrl-C, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def alive(mark, but=()):
    """The processes that were started under a mark."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if (f"{MARK}={mark}").encode() in file.read().split(b"\0"):
                    found += {int(pid)}.difference(but)
        except OSError:
            pass  # it ended meanwhile, or is another user's
    return found


class Place:
    """A directory with what the verbs need; `scratch` is where temporary directories are made."""

    def __init__(self, top, model):
        self.top, self.scratch = top, top / "scratch"
        self.scratch.mkdir()
        self.mark, self.known = str(top), []
        labels = builders.write(top, "labels.pbtxt", builders.label_map(["person", "zebra"]))
        shutil.make_archive(
            str(top / "model"), "gztar", os.path.dirname(model), os.path.basename(model)
        )
        builders.write(
            top,
            "recipe.txt",
            'defaults { label_map_path: "labels.pbtxt" }\n'
            'model { source: "model.tar.gz" }\nmodel { name: "b" source: "model.tar.gz" }\n',
        )
        self.python = builders.write(top, "python", HANGING % sys.executable)
        os.chmod(str(self.python), 0o755)
        self.words = {
            "convert": [
                "convert",
                top / "model.tar.gz",
                "--label_map_path",
                labels,
                "--output_directory",
                top / "out",
                "--model_dir",
                top / "train",
            ],
            "batch": [
                "batch",
                top / "recipe.txt",
                "--jobs",
                "2",
                "--output_directory",
                top / "out",
            ],
            "thaw": [
                "thaw",
                os.path.join(SHAPES, "frozen_inference_graph.pb"),
                "--pipeline_config_path",
                os.path.join(SHAPES, "pipeline.config"),
                "--output_directory",
                top / "out",
            ],
            "anchors": [
                "anchors",
                "fit",
                SHAPES,
                "--train_record",
                os.path.join(SHAPES, "..", "shapes", "val.record"),
                "--output",
                top / "out",
            ],
            "verify": ["verify", top / "given", "--stock", "--stock_python", self.python],
        }

    def argv(self, verb):
        return [str(word) for word in self.words[verb]]

    def left(self):
        """What is there besides what was given, and apart from what is whole."""
        found = [f"process {pid}" for pid in alive(self.mark, self.known)]
        found += sorted(os.listdir(str(self.scratch)))
        found += [one for one in os.listdir(str(self.top)) if one.startswith(".")]
        work = self.top / "out" / ".graphfix-batch" / "work"
        return found + (os.listdir(str(work)) if work.exists() else [])

    def clear(self):
        for name in ("out", "train"):
            if os.path.isdir(str(self.top / name)):
                shutil.rmtree(str(self.top / name))
            elif os.path.exists(str(self.top / name)):
                os.remove(str(self.top / name))


@pytest.fixture(scope="module")
def place(model, tmp_path_factory):
    found = Place(tmp_path_factory.mktemp("signals"), model)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "graphfix",
            "convert",
            str(model),
            "--num_classes",
            "2",
            "--output_directory",
            str(found.top / "given"),
        ],
        env=repository.environment(),
    )
    assert done.returncode == 0
    return found


@pytest.fixture(scope="module")
def signalled(place):
    """Runs a job of signalling.py."""
    with answering.started(
        os.path.join(HERE, "signalling.py"),
        cwd=str(place.top),
        env=repository.environment(
            TMPDIR=str(place.scratch),
            PYTHONWARNINGS="ignore",
            **{MARK: place.mark, "GRAPHFIX_TEST_SIGNALS": json.dumps([signal.SIGTERM])},
        ),
    ) as (process, run):
        place.known.append(process.pid)
        yield run


def sweep(place, signalled, verb, turns):
    """Runs a verb so many times; one or two signals come to each, at moments counted in calls."""
    moments = random.Random("signals of " + verb)
    argv, ended = place.argv(verb), 0
    calls = signalled(argv=argv, signals=[])["calls"]
    assert calls and not place.left()
    place.clear()
    for turn in range(turns):
        numbers = moments.sample(sorted(ENDINGS), 1 + turn % 2)
        at = moments.randint(1, calls)
        result = signalled(argv=argv, signals=numbers, at=at, after=moments.randint(1, 400))
        if verb == "verify" and result["code"] == 143:
            numbers[0] = signal.SIGTERM  # which the trainer sends, if no other came before
        code, word = ENDINGS[numbers[0]]
        assert result["code"] in (0, code), (numbers, at, result)
        assert "Traceback" not in result["err"] and "Exception" not in result["err"], result
        if result["code"]:
            ended += 1
            assert result["err"].endswith(f"graphfix: {word}\n"), result
        assert place.left() == [], (numbers, at, result)
        place.clear()
    assert ended > turns * 0.7


@pytest.mark.slow
@pytest.mark.parametrize("verb", thorough.sampled(["thaw", "batch", "convert", "verify"], 4))
def test_at_any_moment(place, signalled, verb):
    sweep(place, signalled, verb, 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    "verb, turns, many",
    [
        ("convert", 15, 40),
        ("batch", 15, 40),
        ("thaw", 15, 40),
        ("verify", 15, 40),
        ("anchors", 3, 6),
    ],
)
def test_at_many_moments(place, signalled, verb, turns, many):
    sweep(place, signalled, verb, thorough.rounds(turns, many))


@pytest.mark.slow
@pytest.mark.parametrize(
    "numbers, code",
    thorough.sampled(
        [
            ([signal.SIGINT], 130),
            ([signal.SIGHUP], 129),
            ([signal.SIGTERM, signal.SIGINT], 143),
            ([signal.SIGINT] * 9, 130),
            ([signal.SIGHUP, signal.SIGHUP, signal.SIGTERM], 129),
        ],
        3,
    ),
)
def test_a_trainer_ends_with_it(place, numbers, code):
    process = subprocess.Popen(
        [sys.executable, "-m", "graphfix"] + place.argv("verify"),
        stderr=subprocess.PIPE,
        preexec_fn=heeding,
        env=repository.environment(
            TMPDIR=str(place.scratch),
            **{MARK: place.mark, "GRAPHFIX_TEST_SIGNALS": json.dumps(numbers)},
        ),
    )
    err = process.communicate(timeout=60)[1].decode()
    # The order in which signals come that are sent at once is the system's.
    assert process.returncode in {ENDINGS[number][0] for number in numbers}, err
    assert len(set(numbers)) > 1 or process.returncode == code
    assert err.count("\n") == 2 and err.splitlines()[-1] in {
        "graphfix: " + ENDINGS[number][1] for number in numbers
    }
    assert place.left() == []


# A worker that has asked for nothing yet, and one that hangs in a fork of it.
WORKER = """#!%s
import os, sys, time
sys.argv[:] = sys.argv[1:]
if sys.argv[0].endswith("api_revision.py"):
    print('{"api": {"revision": "2019-07"}, "tensorflow": true}')
    sys.exit()
sys.path.insert(0, os.path.dirname(sys.argv[0]))
import worker
worker.probe = lambda: {"importable": True}
worker.run = lambda job, scratch, result: (open(%r, "w").close(), time.sleep(600))
worker.main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_trainer_ends_also_when_it_is_killed(place, tmp_path):
    python = builders.write(tmp_path, "python", WORKER % (sys.executable, str(tmp_path / "begun")))
    os.chmod(str(python), 0o755)
    argv = place.argv("verify")[:-1] + [str(python)]
    process = subprocess.Popen(
        [sys.executable, "-m", "graphfix"] + argv,
        stderr=subprocess.DEVNULL,
        env=repository.environment(TMPDIR=str(tmp_path), **{MARK: str(tmp_path)}),
    )
    wait_for(lambda: (tmp_path / "begun").exists())
    assert len(alive(str(tmp_path), [process.pid])) == 2
    process.kill()
    process.wait()
    wait_for(lambda: not alive(str(tmp_path)))


def wait_for(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to that")


@pytest.mark.slow
def test_a_signal_that_was_ignored_stays_so(place):
    """As nohup has it, and a shell that runs something in the background."""
    for number in (signal.SIGHUP, signal.SIGINT):
        process = subprocess.Popen(
            [sys.executable, "-m", "graphfix"] + place.argv("verify"),
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),
            env=repository.environment(
                TMPDIR=str(place.scratch),
                **{
                    MARK: place.mark,
                    "GRAPHFIX_TEST_SIGNALS": json.dumps([number, number, signal.SIGTERM]),
                },
            ),
        )
        process.communicate(timeout=60)
        assert process.returncode == 143 and place.left() == []
