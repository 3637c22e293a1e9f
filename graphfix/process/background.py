"""Work in a thread beside the one that goes on, which waits for it in the end, whatever happens.

Python runs one thread at a time, and gives another its turn after 5 ms.  A thread that copies needs
Python for microseconds between two calls that copy for a millisecond, so while one is beside it the
turns are shorter.
"""

import sys
import threading
import time
from typing import Any, Callable, List

from graphfix.process import signals

_TURN, _PAUSE = 0.0002, 0.0005  # seconds


class Background:
    """Runs `work(step)` in a thread; leaving waits for its end, and raises what it raised.

    It calls `step` now and then: when the other one fails or is ended, that does not return, and
    the work ends.
    """

    def __init__(self, work: Callable[[Callable[[], None]], None]):
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._left = self._done = False
        self._raised: List[BaseException] = []

    def __enter__(self) -> "Background":
        self._turn = sys.getswitchinterval()
        try:
            with signals.held():
                self._thread.start()
            sys.setswitchinterval(_TURN)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._end()

    def wait(self) -> None:
        """Waits for the work's end, and raises what it raised."""
        self._wait()
        if self._raised:
            raise self._raised[0]

    def _end(self) -> None:
        self._left = True
        if self._thread.ident is not None:
            self._wait()
            with signals.held():
                self._thread.join()
        sys.setswitchinterval(self._turn)

    def _wait(self) -> None:
        # Not by a lock: a signal's exception in `join` may leave the thread's own one taken
        # (bpo-45274).
        while not self._done:
            time.sleep(_PAUSE)

    def _run(self) -> None:
        try:
            self._work(self._step)
        except _Left:
            pass
        except BaseException as error:
            self._raised.append(error)
        finally:
            self._done = True

    def _step(self) -> None:
        if self._left:
            raise _Left


class _Left(Exception):
    """Nobody waits for the work any more."""
