"""Runs command lines of graphfix in children that get signals: one process that has imported it,
and forks.  Started by test_signals.py as a script; reads jobs, answers results, each a line of
JSON.

A job has `argv`, `signals` (at most two numbers), `at` (the first one comes at the child's so
manieth call or return of a function) and `after` (the second one comes so many lines of Python
later).

The result: `code` (negative: the signal that ended it), `calls` (calls and returns in all, where no
signal ended it), `err` (what the child wrote to stderr).
"""

import atexit
import contextlib
import importlib
import inspect
import json
import os
import pkgutil
import signal
import sys
import time

import jinja2  # noqa: F401
import numpy.random  # noqa: F401

import graphfix
from graphfix.cli import command_line


def load_all():
    """Imports what a command imports when it needs it.

    Children need not: Python prints an exception that a signal raises while it lets go of a
    module's lock, and goes on.
    """
    for module in pkgutil.walk_packages(graphfix.__path__, "graphfix."):
        if module.name != "graphfix.__main__":
            with contextlib.suppress(ImportError):  # what runs in the stock API's Python
                importlib.import_module(module.name)
    time.strptime("1", "%d")


def main():
    load_all()
    for line in sys.stdin:
        job = json.loads(line)
        log, calls = os.pipe(), os.pipe()
        pid = os.fork()
        if not pid:
            os.close(log[0])
            os.close(calls[0])
            child(job, log[1], calls[1])
        os.close(log[1])
        os.close(calls[1])
        texts = []
        for handle in (log[0], calls[0]):
            with open(handle, "rb") as file:
                texts.append(file.read().decode("utf-8", "replace"))
        _, status = os.waitpid(pid, 0)
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        print(json.dumps({"code": code, "err": texts[0], "calls": int(texts[1] or 0)}), flush=True)


def child(job, log, calls):
    """Ends as a process does that runs the command."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(log, 2)
    os.close(log)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.fsync = lambda handle: None  # nothing here loses power
    numbers = list(job["signals"])
    count = [0, 0]

    def profile(frame, event, argument):
        count[0] += 1
        # A generator that is given up returns where Python lets no exception out, and no signal
        # comes without a profiler: it comes at what is next.
        if event == "return" and frame.f_code.co_flags & inspect.CO_GENERATOR:
            return
        if job.get("at") and count[0] >= job["at"]:
            sys.setprofile(None)
            if len(numbers) > 1:
                sys.settrace(trace)
            os.kill(os.getpid(), numbers[0])

    def trace(frame, event, argument):
        count[1] += 1
        if count[1] == job["after"]:
            sys.settrace(None)
            os.kill(os.getpid(), numbers[1])
        return trace

    atexit.register(lambda: os.write(calls, b"%d" % count[0]))
    sys.argv[1:] = job["argv"]
    # A function that is profiled from within heed on, where signals begin to end a run.
    heed = command_line.signals.heed

    def heed_and_count():
        heed()
        sys.setprofile(profile)

    command_line.signals.heed = heed_and_count
    sys.exit(command_line.run())


if __name__ == "__main__":
    main()
