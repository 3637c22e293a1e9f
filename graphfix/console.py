"""Writing to whoever runs the command: results to stdout, messages to stderr."""

import contextlib
import sys
import threading
import time

from graphfix.errors import RequestError


@contextlib.contextmanager
def ticking(text: str):
    """Counts seconds on a terminal, where silence would look like standstill; gives a function that
    changes the text."""
    texts = [text]
    if sys.stderr is None or not sys.stderr.isatty():
        yield texts.append
        return
    done = threading.Event()

    def tick() -> None:
        started = time.monotonic()
        while not done.wait(1):
            say(["\r\033[K%s ... %d s" % (texts[-1], time.monotonic() - started)], end="")
        say(["\r\033[K"], end="")
    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield texts.append
    finally:
        done.set()
        thread.join()


def print_result(text: str) -> None:
    """Writes a result to stdout; what its encoding does not have is escaped."""
    if sys.stdout is None:
        return
    encoding = sys.stdout.encoding or "ascii"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RequestError("standard output", "cannot be written: %s" % error.strerror,
                           "direct it elsewhere") from None


def say(lines, end: str = "\n") -> None:
    """Writes messages to stderr, if anybody is there to read them."""
    if sys.stderr is None:
        return  # print would take stdout instead
    try:
        for line in lines:
            print(line, end=end, file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody listens
