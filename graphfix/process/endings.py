"""How a run ends: what is told of it, and its exit code.

0 done, 1 a check found a difference, or doctor found what ruins a run, 2 usage, 3 the input was
refused, 4 verification failed or compared nothing; as a shell counts signals, 129 its terminal hung
up, 130 interrupted, 143 terminated, 141 whoever read stdout left.
"""

from typing import Callable

from graphfix.errors import GraphfixError, Problem
from graphfix.process import signals
from graphfix.process.console import give_up_output, say


def exit_code(work: Callable[[], int]) -> int:
    """Does the work, which ends by itself, by an error or by a signal."""
    try:
        signals.heed()
        code = _told(work)
        signals.over()
        return code
    except signals.Ended as ended:
        signals.over()
        said = ended
    except Exception:
        # A library may take a signal's exception for a failure of its own, and raise that.
        signals.over()
        lost = signals.came()
        if lost is None:
            raise
        said = lost
    say([f"graphfix: {said}"])
    return said.exit_code


def _told(work: Callable[[], int]) -> int:
    try:
        return work()
    except SystemExit as stop:  # of argparse: after the help, or what is wrong with the words
        return int(stop.code or 0)
    except GraphfixError as error:
        say(f"graphfix: {problem}" for problem in error.problems)
        return error.exit_code
    except BrokenPipeError:
        give_up_output()  # and there is nobody to tell
        return 141
    except OSError as error:
        # Files that are asked for have errors of their own; this is the rest, such as a current
        # directory that somebody removed.
        problem = Problem(
            str(error.filename or "the system"),
            str(error.strerror),
            "check the file, the disk and the permissions",
        )
        say([f"graphfix: {problem}"])
        return 3
    except MemoryError:
        say([f"graphfix: {Problem('this machine', 'ran out of memory', 'give it more')}"])
        return 3
