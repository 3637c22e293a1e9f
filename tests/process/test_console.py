"""Progress: on a terminal one line that is written over, in a pipe nothing."""

import io
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


def test_without_stderr_nothing_happens(monkeypatch):
    monkeypatch.setattr(console, "sys", types.SimpleNamespace(stderr=None))
    with console.ticking("reading") as show:
        show("text")


def test_the_line_is_left_empty_after_an_error(stderr):
    with pytest.raises(KeyError), console.one_line() as show:
        show("text")
        raise KeyError
    assert stderr.getvalue().endswith(AGAIN)
