"""Runs graphfix again and again in children that are killed: one process that has imported it,
and forks.  Started by test_publishing.py as a script; reads jobs, answers results,
each a line of JSON.

A job has `argv` (a command line), or `publish` (directories) and `content` (what is written to two
files in each).  Optional:

    signal, after    sends this signal, so many seconds after the start
    die_at           the child kills itself before its n-th call of a function in STEPS
    no_exchange      as on a system without renameat2
    file_limit       bytes a file may have
    full_at          the n-th fsync finds the disk full
    read_only_at     from the n-th call that changes something on, the file system is read-only
    user             the numeric user to become

The result: `code` (negative: the signal that ended it), `calls` (of functions in STEPS, where
die_at was given and not reached), `err` (what the child wrote to stderr).
"""

import builtins
import codecs
import errno
import json
import os
import resource
import shutil
import signal
import sys
import time

from graphfix.cli import command_line
from graphfix.conversion import convert
from graphfix.errors import GraphfixError
from graphfix.modeldir import manifest, publishing

STEPS = (
    (os, "fsync"),
    (os, "rename"),
    (os, "chmod"),
    (os, "mkdir"),
    (os, "rmdir"),
    (os, "unlink"),
    (os, "remove"),
    (publishing, "_exchange"),
    (publishing, "_lock"),
    (shutil, "rmtree"),
)


def main():
    assert convert  # imported, so that children need not
    codecs.lookup("ascii")  # nor may another user be able to
    for line in sys.stdin:
        job = json.loads(line)
        pid, log = start(job)
        if "with" in job:
            other, other_log = start(job["with"])
        if "signal" in job:
            time.sleep(job["after"])
            os.kill(pid, job["signal"])
        result = finish(pid, log)
        if "with" in job:
            result["with"] = finish(other, other_log)
        print(json.dumps(result), flush=True)


def start(job):
    # Pipes, because a limit on the size of files would hold for files.
    log, calls = os.pipe(), os.pipe()
    pid = os.fork()
    if pid:
        os.close(log[1])
        os.close(calls[1])
        return pid, (log[0], calls[0])
    code = 98
    try:
        os.dup2(log[1], 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = child(job, calls[1])
    except KeyboardInterrupt:
        pass  # before graphfix's own code was reached
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 99
    finally:
        sys.stderr.flush()
        os._exit(code)


def finish(pid, files):
    _, status = os.waitpid(pid, 0)
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    texts = []
    for handle in files:
        with open(handle, "rb") as file:
            texts.append(file.read().decode("utf-8", "replace"))
    return {"code": code, "err": texts[0], "calls": len(texts[1])}


def child(job, calls):
    # Nothing here loses power, and a disk that is busy would be waited for hundreds of times.
    os.fsync = lambda handle: None
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if job.get("no_exchange"):
        publishing._exchange = lambda one, two: False
    if "file_limit" in job:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit"],) * 2)
    if "full_at" in job:
        fail(job["full_at"])
    if "read_only_at" in job:
        refuse(job["read_only_at"], calls)
    if "die_at" in job:
        made = [0]
        for module, name in STEPS:
            count(module, name, job["die_at"], made, calls)
    if "user" in job:
        os.setgroups([])
        os.setgid(job["user"])
        os.setuid(job["user"])
    if "argv" in job:
        return command_line.main(job["argv"])
    try:
        with publishing.staged(*job["publish"], overwrite=True) as stages:
            for stage in stages:
                for name in ("a", "b"):
                    with open(os.path.join(stage, name), "w") as file:
                        file.write(job["content"])
                manifest.write(stage)
    except GraphfixError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def count(module, name, die_at, made, calls):
    function = getattr(module, name)

    def counted(*args, **kwargs):
        os.write(calls, b".")
        made[0] += 1
        if made[0] == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    setattr(module, name, counted)


def fail(at):
    left = [at]

    def fsync(handle):
        left[0] -= 1
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    os.fsync = fsync


def refuse(at, calls):
    made = [0]

    def refused():
        os.write(calls, b".")
        made[0] += 1
        if made[0] >= at:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def guarded(function, changes=lambda *_, **__: True):
        def guard(*args, **kwargs):
            if changes(*args, **kwargs):
                refused()
            return function(*args, **kwargs)

        return guard

    for name in ("rename", "replace", "mkdir", "rmdir", "unlink", "remove", "chmod"):
        setattr(os, name, guarded(getattr(os, name)))
    builtins.open = guarded(builtins.open, lambda _, mode="r", *__, **___: set(mode) & set("wax+"))
    publishing._exchange = guarded(publishing._exchange)


if __name__ == "__main__":
    main()
