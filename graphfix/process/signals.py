"""Ctrl-C, SIGTERM and SIGHUP, which end a run by an exception in the main thread.

What was begun is undone on the way out.  So from then on further signals are ignored: they would
break off the undoing.  That is told from the exceptions being handled, not from a flag, because
an exception may be lost (Python swallows what is raised in `__del__`, and a library may catch all):
then the run goes on, and the next signal ends it.  An alarm sends that next signal.

Code that may not be broken off, such as what makes a directory and notes that it must go, is run
under `held`.  Signals that are ignored when a run begins, as by nohup, stay ignored.
"""

import contextlib
import signal
import sys
import threading
from typing import Any, Dict, Iterator, Optional

WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
_AGAIN = 0.05  # seconds
_WEAK = {"weakref", "_weakrefset"}
# The standard library's other callbacks of weak references, from Python 3.6 to 3.13.
_CALLBACKS = {
    ("importlib._bootstrap", "cb"),
    ("importlib._bootstrap", "remove"),
    ("logging", "_removeHandlerRef"),
    ("concurrent.futures.thread", "weakref_cb"),
    ("concurrent.futures.process", "weakref_cb"),
}


class Ended(KeyboardInterrupt):
    """A signal came; `number` says which."""

    def __init__(self, number: int):
        KeyboardInterrupt.__init__(self, WORDS[signal.Signals(number)])
        self.number = number

    @property
    def exit_code(self) -> int:
        """As a shell counts it."""
        return 128 + self.number


class _State:
    """What is so now: the signal that came first, how many `held` there are, whether all is
    over."""

    def __init__(self) -> None:
        self.number: Optional[int] = None
        self.held = 0
        self.over = True


_now = _State()


def handlers() -> Dict[int, Any]:
    """What `restore` puts back."""
    return {number: signal.getsignal(number) for number in list(WORDS) + [signal.SIGALRM]}


def heed() -> None:
    """Begins to end the run by signals that nobody else heeds, if this is the main thread."""
    _now.number, _now.held, _now.over = None, 0, False
    if threading.current_thread() is threading.main_thread():
        for number in WORDS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, _came)


def came() -> Optional[Ended]:
    """What the signal raises that came first, if one came."""
    return None if _now.number is None else Ended(_now.number)


def over() -> None:
    """From here on signals do nothing: the run has its exit code."""
    _now.over = True


def restore(before: Dict[int, Any]) -> None:
    """Puts back what was heeded otherwise."""
    for number, handler in before.items():
        if signal.getsignal(number) in (_came, _again):
            signal.signal(number, handler)


def ignore() -> None:
    """Has the system ignore what was heeded, for the rest of the process: Python takes its handlers
    away before it ends."""
    restore(dict.fromkeys(list(WORDS) + [signal.SIGALRM], signal.SIG_IGN))


@contextlib.contextmanager
def held() -> Iterator[None]:
    """What is done inside is done to its end before a signal ends the run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _now.held += 1
    try:
        yield
    finally:
        _now.held -= 1
        if _now.number is not None:
            _came(_now.number, sys._getframe())


def _came(number: int, frame: Any) -> None:
    if _now.over:
        return
    _now.number = _now.number or number
    # Should the exception not be raised now, or be lost.
    signal.signal(signal.SIGALRM, _again)
    signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    if not _now.held and not _undoing() and not _swallowed(frame):
        raise Ended(_now.number)


def _again(_: int, frame: Any) -> None:
    if _now.number is not None:
        _came(_now.number, frame)


def _undoing() -> bool:
    """Whether a run that was ended is being undone, or a generator that is given up, from which
    Python lets no exception come."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, (Ended, GeneratorExit)):
            return True
        error = error.__context__
    return False


def _swallowed(frame: Any) -> bool:
    """Whether Python would swallow an exception here, and complain on stderr: it does where what
    it called was a destructor, or a weak reference's callback."""
    while frame is not None:
        name, module = frame.f_code.co_name, frame.f_globals.get("__name__")
        if name == "__del__" or module in _WEAK or (module, name) in _CALLBACKS:
            return True
        frame = frame.f_back
    return False
