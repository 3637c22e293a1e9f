"""Signals in scripts: none is lost, and what is held or being undone is done to its end."""

import importlib
import subprocess
import sys

import pytest
import repository
from test_signals import heeding

from graphfix.process import endings, signals


def script(body, complaint=""):
    """What a script says that begins to heed signals and runs `body`."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, signal, sys, time, weakref\n"
            "from graphfix.process import signals\nsignals.heed()\n" + body,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        timeout=60,
        preexec_fn=heeding,
        env=repository.environment(),
    )
    assert done.stderr == complaint
    return done.stdout.split()


KILL = "os.kill(os.getpid(), signal.SIG%s)\n"
# Ends as a command does: an alarm that is still to come does nothing from here on.
SAY = (
    "except BaseException as error:\n"
    "    signals.over()\n"
    "    print(type(error).__name__, error.exit_code)\n"
    "time.sleep(0.1)\n"
    "signals.ignore()\n"
)


@pytest.mark.parametrize("name, code", [("TERM", "143"), ("INT", "130"), ("HUP", "129")])
def test_a_signal_is_not_lost_where_python_swallows_exceptions(name, code):
    assert script(
        "class Ending:\n"
        "    def __del__(self):\n"
        "        " + KILL % name + "        time.sleep(0)\n"
        "        print('deleted')\n"
        "try:\n"
        "    Ending()\n"
        "    time.sleep(20)\n" + SAY
    ) == ["deleted", "Ended", code]
    assert script(
        "class Thing:\n"
        "    pass\n"
        "def end():\n"
        "    " + KILL % name + "    time.sleep(0)\n"
        "    print('ended')\n"
        "thing = Thing()\n"
        "weakref.finalize(thing, end)\n"
        "try:\n"
        "    del thing\n"
        "    time.sleep(20)\n" + SAY
    ) == ["ended", "Ended", code]


def test_a_signal_is_not_lost_while_a_generator_is_given_up():
    assert script(
        "def some():\n"
        "    try:\n"
        "        yield 1\n"
        "    finally:\n"
        "        " + KILL % "TERM" + "        time.sleep(0)\n"
        "        print('closed')\n"
        "def first():\n"
        "    for one in some():\n"
        "        return one\n"
        "try:\n"
        "    first()\n"
        "    time.sleep(20)\n" + SAY
    ) == ["closed", "Ended", "143"]


@pytest.mark.parametrize(
    "modules, make",
    [
        (["_weakrefset"], "weakref.WeakSet([thing])"),
        (["weakref"], "weakref.WeakKeyDictionary({thing: 1})"),
        (["weakref"], "weakref.WeakValueDictionary({1: thing})"),
        (["logging"], "[thing.flush, thing.close]"),
        (["concurrent.futures.thread"], "thing.submit(time.sleep, 0).result()"),
        (["importlib._bootstrap"], "importlib.import_module('wave')"),
    ],
)
def test_a_signal_is_not_lost_in_a_callback_of_the_standard_library(modules, make):
    kinds = {
        "logging": "logging.StreamHandler()",
        "concurrent.futures.thread": "concurrent.futures.thread.ThreadPoolExecutor(1)",
    }
    said = script(
        "import concurrent.futures.thread, gc, importlib, logging\n"
        "class Thing:\n"
        "    pass\n"
        "def profile(frame, event, argument):\n"
        f"    if event == 'call' and frame.f_globals.get('__name__') in {modules} and (\n"
        "        frame.f_code.co_name in ('_remove', 'remove', 'cb', 'weakref_cb',\n"
        "                                 '_removeHandlerRef')):\n"
        "        sys.setprofile(None)\n"
        "        print('called')\n"
        "        " + KILL % "TERM" + "        time.sleep(0)\n"
        "try:\n"
        f"    thing = {kinds.get(modules[0], 'Thing()')}\n"
        "    sys.setprofile(profile)\n"
        f"    kept = {make}\n"
        "    del thing\n"
        "    if type(kept) is list:\n"
        "        del kept\n"
        "    gc.collect()\n"
        "    time.sleep(20)\n" + SAY
    )
    assert said == ["called", "Ended", "143"]


def test_an_exception_that_is_lost_comes_again():
    assert script(
        "try:\n"
        "    try:\n"
        "        " + KILL % "TERM" + "        time.sleep(20)\n"
        "    except BaseException:\n"
        "        print('lost')\n"
        "    time.sleep(20)\n" + SAY
    ) == ["lost", "Ended", "143"]


def test_what_is_held_is_done_to_its_end():
    assert script(
        "try:\n"
        "    with signals.held():\n"
        "        " + KILL % "INT" + "        " + KILL % "TERM" + "        with signals.held():\n"
        "            time.sleep(0.2)\n"
        "        print('done')\n"
        "    print('never')\n" + SAY
    ) == ["done", "Ended", "130"]


def test_what_undoes_is_not_broken_off():
    assert script(
        "try:\n"
        "    try:\n"
        "        " + KILL % "INT" + "    finally:\n"
        "        " + KILL % "TERM" + "        try:\n"
        "            {}['x']\n"
        "        except KeyError:\n"
        "            " + KILL % "INT" + "            time.sleep(0.2)\n"
        "        print('undone')\n" + SAY
    ) == ["undone", "Ended", "130"]


def test_a_run_that_ended_is_not_ended_again():
    assert script(
        "from graphfix.process.endings import exit_code\n"
        "def work():\n"
        "    try:\n"
        "        " + KILL % "INT" + "        time.sleep(20)\n"
        "    finally:\n"
        "        time.sleep(0.1)\n"
        "code = exit_code(work)\n"
        "time.sleep(0.2)\n"
        "print(code)\n"
        "signals.ignore()\n",
        complaint="graphfix: interrupted\n",
    ) == ["130"]


@pytest.mark.parametrize("name, said", [("TERM", "terminated"), ("INT", "interrupted")])
def test_what_a_library_makes_of_a_signal_is_the_signal(name, said):
    """As NumPy does of one that comes while it is imported: an ImportError of its own."""
    body = (
        "from graphfix.process.endings import exit_code\n"
        "def work():\n"
        "    try:\n"
        f"        os.kill(os.getpid(), signal.SIG{name})\n"
        "        time.sleep(1)\n"
        "    except BaseException:\n"
        "        raise ImportError('try another directory') from None\n"
        "print(exit_code(work))\n"
        "signals.ignore()\n"
    )
    code = {"TERM": "143", "INT": "130"}[name]
    assert script(body, f"graphfix: {said}\n") == [code]


def test_a_failure_without_a_signal_stays_one():
    before = signals.handlers()
    try:
        with pytest.raises(ImportError):
            endings.exit_code(lambda: importlib.import_module("no_such_module"))
    finally:
        signals.restore(before)
