"""How a run ends: what is told of it, and its exit code.

0 done, 1 a check found a difference, or doctor found what ruins a run, 2 usage, 3 the input was
refused, 4 verification failed; as a shell counts signals, 130 interrupted, 143 terminated, 141 whoever read stdout left.
"""

import os
import signal
import sys
import threading
from typing import Any, Callable

from graphfix.console import say
from graphfix.errors import GraphfixError, Problem


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a run as Ctrl-C does: what was begun is removed."""


def _end(number: int, frame: Any) -> None:
    """Ends the run, by an exception in the main thread."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            # Python swallows what is raised there, and the run would go on: once more, later.
            again = threading.Timer(0.01, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        frame = frame.f_back
    raise _Terminated if number == signal.SIGTERM else KeyboardInterrupt


def exit_code(work: Callable[[], int]) -> int:
    """Does the work, which ends by itself, by an error or by a signal."""
    if threading.current_thread() is threading.main_thread():
        for number, default in ((signal.SIGTERM, signal.SIG_DFL),
                                (signal.SIGINT, signal.default_int_handler)):
            if signal.getsignal(number) == default:
                signal.signal(number, _end)
    try:
        return work()
    except GraphfixError as error:
        say("graphfix: %s" % problem for problem in error.problems)
        return error.exit_code
    except BrokenPipeError:
        # There is nobody to tell; and what is still buffered must not be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except _Terminated:
        say(["graphfix: terminated"])
        return 143
    except KeyboardInterrupt:
        say(["graphfix: interrupted"])
        return 130
    except OSError as error:
        # Files that are asked for have errors of their own; this is the rest, such as a current
        # directory that somebody removed.
        say(["graphfix: %s" % Problem(str(error.filename or "the system"), str(error.strerror),
                                       "check the file, the disk and the permissions")])
        return 3
    except MemoryError:
        say(["graphfix: %s" % Problem("this machine", "ran out of memory", "give it more")])
        return 3
