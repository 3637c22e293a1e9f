"""Jobs done by several processes at once: this one, and others that run one of this package's
modules.

A module that does jobs has `main` call `serve` with the function that does one.  This process does
jobs, too: it has begun before another has started, and one start fewer is paid.  Jobs and answers
are pickles in pipes between these processes, which run the same code; nobody else writes there.
Signals end a worker at once, and so does the end of its jobs, whatever ends this process.
"""

import contextlib
import functools
import os
import pickle
import queue
import subprocess
import sys
import threading
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

from graphfix.errors import RequestError
from graphfix.process import signals, workers

# Does a task; the second is to be called with how far it is.
Job = Callable[[Any, Callable[[int], None]], Any]


def cores() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def serve(do: Job) -> None:
    """Does jobs until there are no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything else prints is no answer

    def answer(value: Any) -> None:
        pickle.dump(value, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()

    try:
        while True:
            try:
                job = pickle.load(sys.stdin.buffer)
            except EOFError:
                return
            answer((True, do(job, lambda amount: answer((False, amount)))))
    except BrokenPipeError:
        os._exit(1)  # nobody asks any more
    except MemoryError:
        os._exit(2)


def shares(sizes: Sequence[int], jobs: int, least: int, most: int) -> List[List[int]]:
    """The numbers of things of these sizes, shared out for so many processes, the largest first.

    Shares are few, for each costs a word with another process; and ever less of what is left, so
    that all processes end at about the same time.  They have at least `least`, and end when they
    have `most`.
    """
    out: List[List[int]] = []
    left, held, enough = sum(sizes), 0, 0
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
        if not out or held >= enough:
            out.append([])
            held, enough = 0, min(most, max(least, left // (2 * jobs)))
        out[-1].append(number)
        held += sizes[number]
        left -= sizes[number]
    return out


def run(
    module: str, do: Job, tasks: Sequence[Any], jobs: int, told: Callable[[int], None]
) -> Iterator[Any]:
    """The answers to all tasks, as they come; the first tasks are begun first.  `do` is the job
    that the module's `main` serves; up to `jobs` tasks are done at once, one of them here.  `told`
    is called with the sum of what all jobs say of how far they are.

    Raises:
      RequestError: a worker ended before its job did.
    """
    left = list(reversed(tasks))
    answers: queue.Queue[Any] = queue.Queue()
    started: List[subprocess.Popen[bytes]] = []
    lock = threading.Lock()
    stopped = threading.Event()
    amounts = [0] * len(tasks)
    missing = len(tasks)

    def take() -> Optional[Tuple[int, Any]]:
        """A task and its number."""
        return None if stopped.is_set() or not left else (len(tasks) - len(left), left.pop())

    def say(number: int, amount: int) -> None:
        amounts[number] = amount
        told(sum(amounts))

    def work() -> None:
        worker: Optional[subprocess.Popen[bytes]] = None
        while True:
            with lock:
                mine = take()
                if mine is None:
                    break
                if worker is None:
                    worker = workers.start(module)
                    started.append(worker)
            number, task = mine
            stdin, stdout = workers.pipes(worker)
            try:
                pickle.dump(task, stdin, pickle.HIGHEST_PROTOCOL)
                stdin.flush()
                done = False
                while not done:
                    done, value = pickle.load(stdout)
                    if not done:
                        answers.put((False, (number, value)))
            except (OSError, EOFError, ValueError, pickle.UnpicklingError):
                with contextlib.suppress(OSError):
                    stdin.close()  # or Python would complain of what it could not write
                answers.put((True, workers.ending(worker)))
                return
            answers.put((None, value))
        if worker is not None:
            workers.pipes(worker)[0].close()
            worker.wait()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(jobs, len(tasks)) - 1)]
    try:
        for thread in threads:
            thread.start()
        while missing:
            with lock:
                mine = take() if answers.empty() else None
            if mine is not None:
                value = do(mine[1], functools.partial(say, mine[0]))
                missing -= 1
                yield value
                continue
            try:
                kind, value = answers.get(timeout=1)  # a signal is seen in between
            except queue.Empty:
                continue
            if kind is None:
                missing -= 1
                yield value
            elif kind:
                raise RequestError(
                    f"--jobs {jobs}",
                    f"one of its processes ended with {value}",
                    "see whether the machine has memory to spare, or use --jobs 1",
                )
            else:
                say(*value)
    finally:
        with signals.held():
            stopped.set()
            with lock:
                for worker in started:
                    if missing and worker.poll() is None:
                        worker.kill()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
