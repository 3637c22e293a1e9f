"""Work beside the thread that goes on: waited for, its error raised, ended with it."""

import sys
import threading

import pytest

from graphfix.process.background import Background


def test_it_is_waited_for():
    done, go = [], threading.Event()

    def work(step):
        go.wait()
        step()
        done.append(threading.current_thread())

    with Background(work):
        assert not done
        go.set()
    (thread,) = done
    assert thread is not threading.main_thread() and not thread.is_alive()


def test_what_it_raises_is_raised_where_it_is_waited_for():
    def work(step):
        raise OSError("full")

    reached = []
    with pytest.raises(OSError, match="full"), Background(work):
        reached.append(True)
    assert reached


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_it_ends_with_the_other_one(kind):
    steps, begun = [], threading.Event()

    def work(step):
        try:
            while True:
                step()
                begun.set()
        finally:
            steps.append("undone")

    with pytest.raises(kind), Background(work):
        begun.wait()
        raise kind
    assert steps == ["undone"]


def test_an_error_beside_it_is_the_one_that_is_raised():
    raised = threading.Event()

    def work(step):
        raised.set()
        raise OSError

    with pytest.raises(ValueError), Background(work):
        raised.wait()
        raise ValueError


def test_turns_are_put_back():
    before = sys.getswitchinterval()
    with Background(lambda step: None):
        assert sys.getswitchinterval() < before
    assert sys.getswitchinterval() == before
