"""Processes that do jobs for this one: a Python that runs the `main` of a module of this package.

They are started, not forked: a fork of a process with threads may wait for ever for a lock that a
thread held, and a notebook has many.
"""

import os
import subprocess
import sys
from typing import IO, Tuple

from graphfix.process import import_path, linear_algebra

# Where the package is.
_PLACE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Nothing is imported before the path is set; the package is imported from where it is here, and all
# else from where Python has it (see import_path).  PYTHONPATH, which Python does not get to see, is
# put back for whoever asks where the stock API is.
_PROGRAM = (
    "import sys\n"
    "sys.path[:] = %(path)r\n"
    "sys.path.insert(0, %(place)r)\n"
    "import graphfix\n"
    "del sys.path[0]\n"
    "import os, signal\n"
    "os.environ.update(%(environment)r)\n"
    "from graphfix.process import collector, linear_algebra\n"
    "linear_algebra.use_one_thread()\n"
    "collector.begin()\n"
    "if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:\n"
    "    signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
    "from %(module)s import main\n"
    "main()\n"
    "collector.end()\n"
)


def start(module: str) -> "subprocess.Popen[bytes]":
    """A process that runs a module's `main`, with pipes to its stdin and from its stdout."""
    # Python 3.13 imports a module before it comes to the code: not from the current directory.
    environment = dict(linear_algebra.given_environment(), PYTHONSAFEPATH="1")
    hidden = {name: environment.pop(name) for name in ("PYTHONPATH",) if name in environment}
    program = _PROGRAM % {
        "path": import_path.settled(sys.path),
        "environment": hidden,
        "place": _PLACE,
        "module": module,
    }
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def pipes(worker: "subprocess.Popen[bytes]") -> Tuple[IO[bytes], IO[bytes]]:
    """The ends of a worker's stdin and stdout that are here."""
    assert worker.stdin is not None and worker.stdout is not None
    return worker.stdin, worker.stdout


def ending(worker: "subprocess.Popen[bytes]") -> str:
    """How a worker that has ended did, in words."""
    code = worker.wait()
    return f"signal {-code}" if code < 0 else f"code {code}"
