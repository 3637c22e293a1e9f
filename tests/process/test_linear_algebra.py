"""NumPy's linear algebra gets one thread in graphfix's own processes, and in no other."""

import json
import os
import subprocess
import sys

import pytest
import repository

NAME = "OPENBLAS_NUM_THREADS"
# Says what a command's process and one that it starts see, and what the stock API would get.
SEEN = """
import json, os
import graphfix.__main__
from graphfix.process import linear_algebra, workers
name = "OPENBLAS_NUM_THREADS"
theirs = json.loads(workers.start("seen_by_worker").stdout.read())
print(json.dumps([os.environ.get(name), linear_algebra.given_environment().get(name), *theirs]))
"""
WORKER = """
import json, os
from graphfix.process import linear_algebra
def main():
    name = "OPENBLAS_NUM_THREADS"
    print(json.dumps([os.environ.get(name), linear_algebra.given_environment().get(name)]))
"""


def seen(tmp_path, given):
    (tmp_path / "seen_by_worker.py").write_text(WORKER)
    environment = repository.environment()
    del environment[NAME]
    if given is not None:
        environment[NAME] = given
    program = f"import sys; sys.path.append({str(tmp_path)!r})\n{SEEN}"
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment, check=True
    )
    return json.loads(done.stdout.decode())


def test_our_processes_have_one_thread_and_others_what_was_given(tmp_path):
    assert seen(tmp_path, None) == ["1", None, "1", None]


def test_what_was_given_is_heeded(tmp_path):
    assert seen(tmp_path, "7") == ["7"] * 4


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
def test_numpy_starts_no_thread():
    program = "import graphfix.__main__, numpy, os; print(len(os.listdir('/proc/self/task')))"
    environment = repository.environment()
    del environment[NAME]
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment, check=True
    )
    assert done.stdout.split() == [b"1"]


def test_a_library_leaves_its_users_environment_alone():
    program = f"import graphfix, os; graphfix.convert; print(os.environ.get({NAME!r}))"
    environment = repository.environment()
    del environment[NAME]
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment, check=True
    )
    assert done.stdout.split() == [b"None"]
