"""Progress: on a terminal one line that is written over, in a pipe a line where work takes long."""

import io
import os
import re
import time
import types

import pytest

from graphfix.process import console

AGAIN = "\r\033[K"


@pytest.fixture
def stderr(monkeypatch):
    """What Progress writes to: a terminal, unless `terminal` is changed."""

    class Stream(io.StringIO):
        terminal = True

        def isatty(self):
            return self.terminal

    stream = Stream()
    # Not sys.stderr itself, in whose place pytest puts its own for the test.
    monkeypatch.setattr(console, "sys", types.SimpleNamespace(stderr=stream))
    return stream


def test_a_text_replaces_the_one_before(stderr):
    with console.one_line() as show:
        show("one")
        show("two\n")
    assert stderr.getvalue() == f"{AGAIN}one{AGAIN}two\\n{AGAIN}"


@pytest.mark.slow
def test_whole_seconds_are_counted_behind_the_newest_text(stderr):
    with console.ticking("reading") as show:
        show("still reading")
        deadline = time.monotonic() + 30
        while "2 s" not in stderr.getvalue() and time.monotonic() < deadline:
            time.sleep(0.05)
    shown = stderr.getvalue().split(AGAIN)
    assert shown[:3] == ["", "still reading ... 1 s", "still reading ... 2 s"] and shown[-1] == ""


@pytest.mark.slow
@pytest.mark.parametrize("progress", [console.one_line, lambda: console.ticking("reading")])
def test_a_pipe_gets_nothing(stderr, progress):
    stderr.terminal = False
    with progress() as show:
        show("text")
        time.sleep(1.1)
    assert stderr.getvalue() == ""


class Clock:
    """Time that passes where an Event is waited for; the end comes after so many waits."""

    def __init__(self, waits):
        self.now, self.left = 0.0, waits

    def monotonic(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds
        self.left -= 1
        return self.left < 0


@pytest.fixture
def clock(monkeypatch):
    clock = Clock(8)
    monkeypatch.setattr(console, "time", clock)
    return clock


def test_a_pipe_gets_a_line_at_growing_intervals(stderr, clock):
    stderr.terminal = False
    show = console.ticking("asking")
    show._done = clock
    show._say_now_and_then()
    words = [f"asking ... {seconds} s" for seconds in (20, 40, 80, 160, 320, 640, 1280, 1920)]
    assert stderr.getvalue().splitlines() == words


@pytest.mark.parametrize("progress", [console.one_line, lambda: console.ticking("reading")])
def test_a_pipe_is_told_the_newest_text_unless_quiet(stderr, monkeypatch, progress):
    monkeypatch.setattr(console, "FIRST_SECONDS", 0.01)
    stderr.terminal = False
    with progress() as show:
        show("one\ntwo")
        deadline = time.monotonic() + 30
        while "one" not in stderr.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    lines = stderr.getvalue().splitlines()  # the first may be older than the text
    assert any(re.match(r"one\\ntwo \.\.\. \d+ s$", line) for line in lines)
    said = stderr.getvalue()
    with console.talking(verbose=False, quiet=True, color="auto"), progress() as show:
        show("text")
        assert show._thread.ident is None
    assert stderr.getvalue() == said


def test_a_line_is_no_longer_than_its_terminal(stderr, monkeypatch):
    sizes = types.SimpleNamespace(get_terminal_size=lambda _: os.terminal_size((8, 24)))
    monkeypatch.setattr(console, "os", sizes)
    stderr.fileno = lambda: 2
    with console.one_line() as show:
        show("converting")
    assert stderr.getvalue() == f"{AGAIN}convert{AGAIN}"


def test_without_stderr_nothing_happens(monkeypatch):
    monkeypatch.setattr(console, "sys", types.SimpleNamespace(stderr=None))
    with console.ticking("reading") as show:
        show("text")


def test_the_line_is_left_empty_after_an_error(stderr):
    with pytest.raises(KeyError), console.one_line() as show:
        show("text")
        raise KeyError
    assert stderr.getvalue().endswith(AGAIN)
