"""batch: many models, one recipe.

    OUT/NAME             a model's directory, as convert writes it
    OUT/.graphfix-batch  locks, downloads (both may be kept or removed between runs), and work,
    where
                         archives are downloaded and unpacked to

Each model is one job, done by one of a few worker processes (`batch_worker`), which live as long
as the run.  What a job does depends on the recipe and the source alone, not on other jobs, so the
result is the same in any order.  A model's directory appears whole or not at all, as with convert,
and holds the digests of what it was made of; so a run finds what is done already, whatever ended
the one before it.  Of two runs at once, one waits for the other's model and finds it done.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import queue
import shutil
import subprocess
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from graphfix.batch.recipe import Entry, read_recipe
from graphfix.errors import RequestError
from graphfix.findings import count as number_of
from graphfix.formats.regular_files import read_file
from graphfix.modeldir.names import MANIFEST
from graphfix.process import signals, workers
from graphfix.process.console import escaped, one_line

PRIVATE = ".graphfix-batch"
LOCKS, DOWNLOADS, WORK = (os.path.join(PRIVATE, name) for name in ("locks", "downloads", "work"))
CONVERTED, UNCHANGED, FAILED = "converted", "unchanged", "failed"
_SECONDS_TO_END = 30


@dataclasses.dataclass(frozen=True, repr=False)
class Outcome:
    """What became of a model: its verdict, the summary of its report or why it failed (one line
    a problem), how many findings of which severity, and what it took."""

    name: str
    verdict: str
    lines: Tuple[str, ...]
    findings: Dict[str, int]
    seconds: float
    worker_mib: float

    def __repr__(self) -> str:
        return f"<Outcome {self.name}: {self.verdict}>"


def batch(
    recipe_path: str,
    *,
    output_directory: str,
    jobs: int,
    progress: Callable[[Sequence[Outcome], int, Sequence[str]], None],
) -> List[Outcome]:
    """Converts every model of a recipe that is not converted yet; in the recipe's order.

    `progress` is called now and then with what is done, how many there are, and what is being
    done.

    Raises:
      SourceError: the recipe cannot be read; nothing was begun.
      RequestError: OUT cannot be written.
    """
    data = read_file(recipe_path, pipes=True)
    entries = read_recipe(data, recipe_path)
    if os.path.lexists(os.path.join(output_directory, MANIFEST)):
        raise RequestError(
            output_directory,
            "is an output itself, not a directory of outputs",
            "name another directory",
        )
    try:
        for name in (LOCKS, DOWNLOADS, WORK):
            os.makedirs(os.path.join(output_directory, name), exist_ok=True)
    except OSError as error:
        raise RequestError(
            output_directory,
            f"cannot be written: {error.strerror}",
            "check the path and its permissions",
        ) from None
    for name in os.listdir(os.path.join(output_directory, WORK)):
        _clean(name, output_directory)  # of a run that was killed, perhaps by another recipe
    run = _Run(entries, os.path.abspath(output_directory))
    threads = [
        threading.Thread(target=run.work, daemon=True) for _ in range(min(jobs, len(entries)))
    ]
    done: Dict[str, Outcome] = {}
    try:
        for thread in threads:
            thread.start()
        while len(done) < len(entries):
            try:
                outcome = run.results.get(timeout=1)
                done[outcome.name] = outcome
            except queue.Empty:
                pass
            progress(list(done.values()), len(entries), sorted(run.running))
    finally:
        with signals.held():
            run.stop()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            for name in run.running:
                _clean(name, output_directory)
    return [done[entry.name] for entry in entries]


def _clean(name: str, out: str) -> None:
    """Removes what a worker that was ended had begun, unless another run is at it."""
    # Which needs NumPy and much else, and few runs: the first worker starts the earlier.
    from graphfix.modeldir import ownership, publishing

    # A pipe in the place of the lock would be waited for.
    handle = os.open(os.path.join(out, LOCKS, name), os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        publishing.sweep(os.path.join(os.path.abspath(out), name))
        ownership.remove(os.path.join(out, WORK, name), unfinished=True)
    except BlockingIOError:
        pass
    finally:
        os.close(handle)


class _Run:
    """The jobs left, the workers at them, and the results."""

    def __init__(self, entries: Sequence[Entry], out: str):
        self.out = out
        self.results: queue.Queue = queue.Queue()
        self.running: set = set()
        # The large ones first, or the last one would be waited for alone.
        self._left = sorted(entries, key=_weight, reverse=True)
        self._workers: List[subprocess.Popen] = []
        self._lock = threading.Lock()
        self._stopped = False

    def work(self) -> None:
        """Has one worker after another do what is left; a thread's life."""
        worker = None
        while True:
            with self._lock:
                if self._stopped or not self._left:
                    break
                entry = self._left.pop(0)
                self.running.add(entry.name)
                if worker is None or worker.poll() is not None:
                    worker = self._start()
            started = time.monotonic()
            answer = self._ask(worker, entry)
            if self._stopped:
                break
            self.running.discard(entry.name)
            self.results.put(
                Outcome(
                    entry.name,
                    answer["verdict"],
                    tuple(answer["lines"]),
                    answer["findings"],
                    time.monotonic() - started,
                    answer["worker_mib"],
                )
            )
        if worker is not None:
            workers.pipes(worker)[0].close()
            worker.wait()

    def stop(self) -> None:
        """Ends all workers."""
        with self._lock:
            self._stopped = True
            busy = bool(self.running)
            started = list(self._workers)
        if busy:
            for worker in started:
                if worker.poll() is None:
                    worker.terminate()
        end = time.monotonic() + _SECONDS_TO_END
        for worker in started:
            while worker.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            if worker.poll() is None:
                worker.kill()

    def _start(self) -> subprocess.Popen:
        worker = workers.start("graphfix.batch.worker")
        self._workers.append(worker)
        return worker

    def _ask(self, worker: subprocess.Popen, entry: Entry) -> Dict[str, Any]:
        question = {"out": self.out, "entry": dataclasses.asdict(entry)}
        answer = b""
        stdin, stdout = workers.pipes(worker)
        try:
            stdin.write(json.dumps(question).encode("ascii") + b"\n")
            stdin.flush()
            answer = stdout.readline()
        except BrokenPipeError:
            pass
        if answer.endswith(b"\n"):
            return json.loads(answer.decode("ascii"))
        return {
            "verdict": FAILED,
            "findings": {},
            "worker_mib": 0.0,
            "lines": [
                f"{entry.name}: its worker process ended with {workers.ending(worker)}; see "
                "whether the machine has memory to spare, and run the batch again"
            ],
        }


def _weight(entry: Entry) -> int:
    """About how much there is to do, in bytes."""
    if entry.download:
        return entry.download.size
    assert entry.source is not None
    try:
        if os.path.isdir(entry.source):
            return sum(one.stat().st_size for one in os.scandir(entry.source) if one.is_file())
        return os.path.getsize(entry.source)
    except OSError:
        return 0


def format_outcomes(outcomes: Sequence[Outcome]) -> List[str]:
    """A row for each model, and the sum."""
    widest = max(len(one.name) for one in outcomes)
    rows = []
    for one in outcomes:
        told = [
            f"{count} {kind}{'' if count == 1 else 's'}"
            for kind, count in sorted(one.findings.items())
            if kind != "info"
        ]
        words = "; ".join(list(one.lines) + told)
        rows.append(f"{one.name:<{widest}}  {one.verdict:<9}  {words}")
    counts = [
        f"{sum(one.verdict == kind for one in outcomes)} {kind}"
        for kind in (CONVERTED, UNCHANGED, FAILED)
    ]
    rows.append(f"{number_of(len(outcomes), 'model')}: {', '.join(counts)}")
    return rows


@contextlib.contextmanager
def progress() -> Iterator[Callable[[Sequence[Outcome], int, Sequence[str]], None]]:
    """Gives what shows how far a batch is, on a terminal."""
    with one_line() as show:
        yield lambda done, total, running: show(
            bar(done, total, running, shutil.get_terminal_size().columns)
        )


def bar(done: Sequence[Outcome], total: int, running: Sequence[str], width: Optional[int]) -> str:
    """One line that says how far a batch is."""
    failed = sum(one.verdict == FAILED for one in done)
    filled = 20 * len(done) // total
    failures = f", {failed} failed" if failed else ""
    text = escaped(f"[{'#' * filled:.<20}] {len(done)} of {total}{failures}  {', '.join(running)}")
    return text[: width - 1] if width else text
