"""What the script sees of a Python's files; run by path, as under another interpreter."""

import json
import os
import subprocess
import sys

import pytest

from graphfix.stock_api import runner

DIRECTORY = os.path.dirname(runner.WORKER)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(DIRECTORY)
    import stock_environment

    return stock_environment


def test_distributions_by_their_folders(script, tmp_path):
    for name in ("tf_slim-1.1.0.dist-info", "PyYAML-6.0.1-py3.7.egg-info", "numpy"):
        (tmp_path / name).mkdir()
    found = script.distributions([str(tmp_path), str(tmp_path / "nowhere")])
    assert found == {"tf-slim": ["1.1.0"], "pyyaml": ["6.0.1"]}


def test_protos_that_nobody_compiled(script, tmp_path):
    (tmp_path / "protos").mkdir()
    for name in ("ssd.proto", "ssd_pb2.py", "train.proto"):
        (tmp_path / "protos" / name).write_text("")
    assert script.unbuilt([str(tmp_path)]) == ["train.proto"]


def test_what_hides_a_module(script, tmp_path):
    for name in ("random.py", "mine.py", "numpy.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "__init__.py").write_text("")
    assert script.hiding(str(tmp_path)) == ["json", "random.py"]


def test_a_module_that_ends_the_process_is_the_last(tmp_path):
    (tmp_path / "fine.py").write_text("print('noise')")
    (tmp_path / "fails.py").write_text("raise ValueError('no\\nmore')")
    (tmp_path / "ends.py").write_text("import os; os.kill(os.getpid(), 9)")
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; import json, stock_environment as s; "
        "s.sys.argv[1:] = sys.argv[2:]; "
        "print(json.dumps(s.tried(('fine', 'fails', 'ends', 'never'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, DIRECTORY, str(tmp_path)], stdout=subprocess.PIPE, check=True
    )
    assert [(one["name"], one["error"]) for one in json.loads(done.stdout.decode())] == [
        ("fine", None),
        ("fails", "ValueError: no"),
        ("ends", "signal 9"),
    ]
