"""runner.py: finding an interpreter, running the worker, reading its answer; no TensorFlow."""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time

import pytest
import repository

from graphfix.errors import RequestError, VerificationError
from graphfix.process import import_path
from graphfix.stock_api import api_revision, runner

TOP = repository.TOP


@pytest.fixture
def fake_python(tmp_path):
    """Makes an executable that stands in for a stock interpreter: it runs `body` instead."""

    def make(body):
        path = tmp_path / "python"
        path.write_text(
            f"#!{sys.executable}\nimport json, os, sys, time\narguments = "
            f"sys.argv[1:]\n{textwrap.dedent(body)}"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


ECHO = """
    jobs = json.load(open(arguments[1]))
    more = {"worker": os.path.basename(arguments[0]), "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "quiet": os.environ["TF_CPP_MIN_LOG_LEVEL"]}
    json.dump([dict(job, **more) for job in jobs], open(arguments[2], "w"))
"""
HANG = """
    child = os.fork()
    if child:
        open(%r, "w").write("%%d %%d" %% (os.getpid(), child))
    time.sleep(600)
"""


def test_jobs_go_out_and_results_come_back_in_order(fake_python):
    results = runner.run_jobs([{"verb": "a"}, {"verb": "b"}], python=fake_python(ECHO))
    assert [result["verb"] for result in results] == ["a", "b"]
    assert results[0]["worker"] == "worker.py"


def test_the_gpu_is_hidden_unless_asked_for(fake_python, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    python = fake_python(ECHO)
    assert runner.run_job({"verb": "a"}, python=python)["gpu"] == "-1"
    assert runner.run_job({"verb": "a"}, python=python, gpu=True)["gpu"] is None


def test_a_worker_that_fails_is_reported_with_its_last_words(fake_python):
    with pytest.raises(VerificationError) as caught:
        runner.run_job({"verb": "a"}, python=fake_python("sys.exit('no module named x')"))
    assert "status 1: no module named x" in str(caught.value)
    assert caught.value.exit_code == 4


def test_a_worker_that_ends_well_without_an_answer_is_a_failure(fake_python):
    with pytest.raises(VerificationError):
        runner.run_job({"verb": "a"}, python=fake_python("pass"))


def _ended(pid):
    """Whether a process is gone, or dead and only not yet reaped by whoever adopted it."""
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def _children(note):
    return [int(pid) for pid in note.read_text().split()]


def test_a_timeout_ends_the_worker_and_what_it_forked(fake_python, tmp_path):
    note = tmp_path / "pids"
    with pytest.raises(VerificationError) as caught:
        runner.run_job({"verb": "a"}, python=fake_python(HANG % str(note)), timeout=2)
    assert "no answer within 2 seconds" in str(caught.value)
    assert all(_ended(pid) for pid in _children(note))


def test_an_interrupt_ends_the_worker_and_what_it_forked(fake_python, tmp_path):
    note = tmp_path / "pids"
    python = fake_python(HANG % str(note))
    program = (
        f"from graphfix.stock_api import runner; runner.run_job({{'verb': 'a'}}, python={python!r})"
    )
    # In a process of its own: a test is not always run by the main thread, which gets the signals.
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=TOP,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for _ in range(600):
        if note.exists() and len(_children(note)) == 2:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=60)[1]
    assert len(_children(note)) == 2 and all(_ended(pid) for pid in _children(note))


def test_nothing_is_left_in_the_temporary_directory(fake_python, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    runner.run_job({"verb": "a"}, python=fake_python(ECHO))
    with pytest.raises(VerificationError):
        runner.run_job({"verb": "a"}, python=fake_python("sys.exit(3)"))
    assert os.listdir(str(scratch)) == []


def _answer(**found):
    return f"print({json.dumps(found)!r})"


def test_a_named_python_with_the_api_is_taken(fake_python):
    python = fake_python(_answer(api={"revision": "2019-07"}, tensorflow=True))
    assert runner.find_stock_python(python) == python
    assert runner.importable_api(python) == "2019-07"


@pytest.mark.parametrize(
    "body, words",
    [
        (_answer(api=None, tensorflow=True), "no stock Object Detection API"),
        (_answer(api={"revision": "2019-07"}, tensorflow=False), "no TensorFlow"),
        ("print('not json')", "not a Python that runs"),
        ("sys.exit(1)", "not a Python that runs"),
    ],
)
def test_an_unsuitable_python_is_refused_with_a_remedy(fake_python, body, words):
    python = fake_python(body)
    with pytest.raises(RequestError) as caught:
        runner.find_stock_python(python)
    (problem,) = caught.value.problems
    assert problem.subject == python
    assert words in problem.message
    assert "--stock_python" in problem.remedy


def test_a_python_that_is_not_there_is_refused(tmp_path):
    for ask in (
        runner.find_stock_python,
        runner.importable_api,
        lambda python: runner.run_job({"verb": "a"}, python=python),
    ):
        with pytest.raises(RequestError):
            ask(str(tmp_path / "nothing"))


def test_this_python_is_taken_only_when_it_has_both(monkeypatch):
    api, tensorflow = {"revision": "2019-07"}, object()
    for has_api, has_tensorflow in ((None, tensorflow), (api, None), (api, tensorflow)):
        monkeypatch.setattr(runner.api_revision, "importable", lambda named: has_api)
        monkeypatch.setattr(runner.api_revision, "find", lambda name, named: has_tensorflow)
        if has_api and has_tensorflow:
            assert runner.find_stock_python() == sys.executable
        else:
            with pytest.raises(RequestError):
                runner.find_stock_python()


def test_it_is_found_where_python_path_names_it(fake_python, tmp_path, monkeypatch):
    """As upstream's manual has it; Python itself gets no PYTHONPATH to see."""
    for name in ("object_detection", "tensorflow"):
        (tmp_path / "research" / name).mkdir(parents=True)
    (tmp_path / "research" / "tensorflow" / "__init__.py").write_text("")
    (tmp_path / "research" / "object_detection" / "__init__.py").write_text("")
    (tmp_path / "research" / "object_detection" / "protos").mkdir()
    (tmp_path / "research" / "object_detection" / "protos" / "train_pb2.py").write_text(
        "'fine_tune_checkpoint_type'"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", str(tmp_path / "research"), "."]))
    here = api_revision.importable(import_path.named_directories())
    assert here["revision"] == "2018-03"
    assert runner.find_stock_python() == sys.executable
    assert runner.importable_api(sys.executable) == "2018-03"
    assert runner.find_stock_python(sys.executable) == sys.executable
    python = fake_python("""
        jobs = json.load(open(arguments[1]))
        answer = {"path": os.environ.get("PYTHONPATH"), "more": arguments[3:]}
        json.dump([answer], open(arguments[2], "w"))
    """)
    assert runner.run_job({"verb": "a"}, python=python) == {
        "path": None,
        "more": [str(tmp_path / "research")],
    }


def _result(**changes):
    result = {
        "verb": "restore",
        "api": {"revision": "2019-07"},
        "trainer": "legacy",
        "steps": 50,
        "counts": {"model": {"total": 199, "restored": 199}, "step": {"total": 1, "restored": 0}},
        "moving_averages": {"from_checkpoint": 0, "from_variable": 0, "from_initialiser": []},
        "restored": [],
        "dropped": [],
        "missing": [],
        "not_asked_for": [],
        "losses": [12.34, 4.5],
        "finite": True,
        "verdict": "complete",
    }
    result.update(changes)
    return runner.StockResult(result)


def _rows(number, category="model"):
    return [{"name": f"v{index}", "category": category} for index in range(number)]


@pytest.mark.parametrize(
    "result, summary",
    [
        (_result(), "restored 199 of 199; 2 steps, loss 12.34 -> 4.5, all finite"),
        (_result(losses=[3.0]), "restored 199 of 199; 1 step, loss 3, all finite"),
        (_result(losses=[]), "restored 199 of 199"),
        (
            _result(losses=[3.0, "nan"], finite=False),
            "restored 199 of 199; 2 steps, loss 3 -> nan, not all finite",
        ),
        (
            _result(
                losses=[],
                dropped=_rows(12),
                missing=_rows(1, "step"),
                counts={"model": {"total": 199, "restored": 187}},
            ),
            "restored 187 of 199 (12 of another shape)",
        ),
        (
            _result(
                losses=[],
                missing=_rows(2),
                not_asked_for=_rows(3),
                counts={"model": {"total": 199, "restored": 194}},
            ),
            "restored 194 of 199 (2 not in the checkpoint, 3 not asked for)",
        ),
        (
            _result(
                losses=[],
                load_pretrained=False,
                not_asked_for=_rows(199),
                counts={"model": {"total": 199, "restored": 0}},
            ),
            "restored 0 of 199 (199 not asked for); this model_main ignores fine_tune_checkpoint",
        ),
        (
            _result(
                losses=[],
                counts={
                    "model": {"total": 199, "restored": 199},
                    "quantization": {"total": 376, "restored": 0},
                },
            ),
            "restored 199 of 199; quantization ranges 0 of 376",
        ),
        (
            _result(losses=[], moving_averages={"from_initialiser": ["a", "b"]}),
            "restored 199 of 199; 2 moving averages do not start from their variable",
        ),
        (
            _result(
                losses=[],
                resumed_from="model.ckpt-7",
                global_step=7,
                load_pretrained=False,
                counts={
                    "model": {"total": 199, "restored": 199},
                    "step": {"total": 1, "restored": 1},
                },
            ),
            "resumed model.ckpt-7 at step 7, restored 200 of 200",
        ),
        (
            runner.StockResult(
                {
                    "verb": "export",
                    "api": {"revision": "2019-07"},
                    "error": {
                        "type": "NotFoundError",
                        "message": "Key x not found\nmore",
                        "where": "exporter.py:3 in f",
                    },
                }
            ),
            "NotFoundError: Key x not found (exporter.py:3 in f)",
        ),
    ],
)
def test_summary(result, summary):
    assert result.summary.split(": ", 1)[1] == summary
    assert result.summary.startswith("stock API 2019-07 ")


def test_ok_needs_a_complete_verdict_and_no_error():
    assert _result().ok
    assert not _result(verdict="incomplete").ok
    assert not _result(error={"type": "E", "message": "m", "where": "w"}).ok
