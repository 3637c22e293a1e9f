"""Jobs done by several processes at once, each by one of this package's modules.

A module that does jobs has `main` call `serve` with the function that does one.  Jobs and answers
are pickles in pipes between these processes, which run the same code; nobody else writes there.
Signals end a worker at once, and so does the end of its jobs, whatever ends this process.
"""

import os
import pickle
import queue
import subprocess
import sys
import threading
from typing import Any, Callable, Iterator, List, Optional, Sequence

from graphfix.errors import RequestError
from graphfix.process import signals, workers


def cores() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def serve(do: Callable[[Any, Callable[[int], None]], Any]) -> None:
    """Does jobs until there are no more.  `do` also gets what to call with how far it is."""
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


def run(module: str, tasks: Sequence[Any], jobs: int, told: Callable[[int], None]) -> Iterator[Any]:
    """The answers of a module's workers to all tasks, as they come; the first tasks are begun
    first.  `told` is called with the sum of what all jobs say of how far they are.

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

    def work() -> None:
        worker: Optional[subprocess.Popen[bytes]] = None
        while True:
            with lock:
                if stopped.is_set() or not left:
                    break
                number = len(tasks) - len(left)
                task = left.pop()
                if worker is None:
                    worker = workers.start(module)
                    started.append(worker)
            stdin, stdout = workers.pipes(worker)
            try:
                pickle.dump(task, stdin, pickle.HIGHEST_PROTOCOL)
                stdin.flush()
                done = False
                while not done:
                    done, value = pickle.load(stdout)
                    if not done:
                        amounts[number] = value
                        answers.put((False, sum(amounts)))
            except (OSError, EOFError, ValueError, pickle.UnpicklingError):
                answers.put((True, workers.ending(worker)))
                return
            answers.put((None, value))
        if worker is not None:
            workers.pipes(worker)[0].close()
            worker.wait()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(jobs, len(tasks)))]
    try:
        for thread in threads:
            thread.start()
        while missing:
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
                told(value)
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
