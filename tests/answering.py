"""Scripts that a test starts once and gives many jobs."""

import contextlib
import json
import subprocess
import sys


@contextlib.contextmanager
def started(script, **more):
    """Starts a script that reads jobs and answers each, both as a line of JSON.

    Args:
      script: its path.
      more: for subprocess.Popen.

    Yields:
      The process, and a function that gives it a job (as keywords) and returns the answer.
    """
    process = subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more
    )

    def run(**job):
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline().decode())

    yield process, run
    process.stdin.close()
    assert process.wait() == 0
