"""A job that stands still, as sessions of TensorFlow 1.15 may, is not waited for."""

import json
import os
import subprocess
import sys

import pytest

from graphfix.stock_api import runner

CODE = """
import os, sys, time
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import worker
worker.STILL_SECONDS = 1
worker.probe = lambda: {"importable": True}

def run(job, scratch, result):
    if job["still"] > len(os.listdir(sys.argv[4])):
        open(os.path.join(sys.argv[4], str(time.time())), "w").close()
        time.sleep(600)
    ends = time.process_time() + 1.2
    while time.process_time() < ends:
        pass
    result["done"] = True

worker.run = run
worker.main(sys.argv[2:4])
"""


@pytest.mark.slow
@pytest.mark.parametrize("still", [0, 1, 2])
def test_a_job_that_stands_still_is_tried_again_once(tmp_path, still):
    os.mkdir(str(tmp_path / "tries"))
    (tmp_path / "job").write_text(json.dumps({"verb": "restore", "still": still}))
    words = [
        runner.WORKER,
        str(tmp_path / "job"),
        str(tmp_path / "result"),
        str(tmp_path / "tries"),
    ]
    subprocess.run(
        [sys.executable, "-c", CODE, *words], check=True, timeout=60, stdin=subprocess.DEVNULL
    )
    found = json.loads((tmp_path / "result").read_text())
    if still < 2:
        assert found["done"] is True
    else:
        assert found["error"]["type"] == "Stuck" and "twice" in found["error"]["message"]
    assert len(os.listdir(str(tmp_path / "tries"))) == still
