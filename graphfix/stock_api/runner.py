"""Asks the stock API, in a subprocess, and gives its answers as values.

Imports no TensorFlow and runs in graphfix's own interpreter.  `find_stock_python` says which
interpreter has the API, `importable_api` which revision it is (from files alone, without
importing anything), `run_jobs` hands jobs to `worker.py` (its docstring lists them) and returns
the results, and a `StockResult` puts the result of a `restore` job into words.
"""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence

from graphfix.errors import RequestError, VerificationError
from graphfix.findings import count
from graphfix.process import signals
from graphfix.process.import_path import named_directories
from graphfix.process.linear_algebra import given_environment
from graphfix.process.scratch import Scratch
from graphfix.stock_api import api_revision

_HERE = os.path.dirname(os.path.abspath(__file__))
WORKER = os.path.join(_HERE, "worker.py")
_ENVIRONMENT = os.path.join(_HERE, "stock_environment.py")
PROBE_SECONDS = 60
_ENVIRONMENT_SECONDS = 600
_SECONDS_TO_END = 10
_SECONDS_TO_LOOK = 0.2
_FOREVER = 1e9
_NO_PYTHON = "this is not a Python that runs: %s"
_INSTALL = (
    "name, with {}, the python of an environment that has tensorflow==1.15.* "
    "and the TensorFlow 1 Object Detection API (CPython 3.6 or 3.7, or 3.8 with NVIDIA's build)"
)

Job = Dict[str, Any]


class Role(NamedTuple):
    """What a Python is for, in messages, and how its user gets another one."""

    name: str
    remedy: str


def stock_role(flag: str) -> Role:
    """That of TensorFlow 1 and the stock API, which a flag names."""
    return Role("stock API", _INSTALL.format(flag))


_STOCK = stock_role("--stock_python")


def find_stock_python(explicit: Optional[str] = None, role: Role = _STOCK) -> str:
    """The interpreter that has TensorFlow and the stock API: the one named, or this one."""
    if explicit is None:
        named = named_directories()
        if api_revision.find("tensorflow", named) and api_revision.importable(named):
            return sys.executable
        raise RequestError(
            sys.executable, "this Python has no stock Object Detection API", role.remedy
        )
    found = _look(explicit, role=role)
    missing = [
        what
        for what, there in (
            ("TensorFlow", found["tensorflow"]),
            ("stock Object Detection API", found["api"]),
        )
        if not there
    ]
    if missing:
        raise RequestError(explicit, "this Python has no " + " and no ".join(missing), role.remedy)
    return explicit


def importable_api(python: str) -> Optional[str]:
    """Revision (YYYY-MM) of the API that an interpreter would import, or None."""
    api = _look(python)["api"]
    return api["revision"] if api else None


def look_around(python: Optional[str] = None) -> Dict[str, Any]:
    """What `stock_environment.py` prints under an interpreter (this one)."""
    return _look(python or sys.executable, _ENVIRONMENT, _ENVIRONMENT_SECONDS)


def _look(
    python: str,
    script: str = api_revision.__file__,
    seconds: float = PROBE_SECONDS,
    role: Role = _STOCK,
) -> Dict[str, Any]:
    """What a script of this package prints, as JSON, under another interpreter."""
    with Scratch() as directory, open(os.path.join(directory, "answer"), "w+b") as answer:
        try:
            status = _run(
                [python, script], given_environment(), answer, subprocess.DEVNULL, seconds
            )
            if status:
                raise ValueError(f"it ended with status {status}")
            answer.seek(0)
            return json.loads(answer.read().decode("utf-8"))
        except (OSError, subprocess.TimeoutExpired, ValueError) as error:
            raise RequestError(python, _NO_PYTHON % error, role.remedy) from error


def run_job(job: Job, *, python: str, timeout: Optional[float] = None, gpu: bool = False) -> Job:
    """The result of one job."""
    return run_jobs([job], python=python, timeout=timeout, gpu=gpu)[0]


def run_jobs(
    jobs: Sequence[Job],
    *,
    python: str,
    timeout: Optional[float] = None,
    gpu: bool = False,
    worker: str = WORKER,
    begun: Optional[Callable[[int], None]] = None,
    role: Role = _STOCK,
) -> List[Job]:
    """The results of several jobs, in one run of the worker (TensorFlow is imported once), or of
    another script that takes the same arguments, under a Python of another `role`.  `begun` is
    called with a job's number (from 0) when the worker begins it, from another thread.

    Raises:
      SourceError: a job is to run a graph that would do more than compute.
      VerificationError: the worker does not answer.
    """
    sides = [side for job in jobs for side in (job, job.get("source", {}), *job.get("outputs", ()))]
    for side in sides:
        if side.get("graph") and not side.get("allow_effects"):
            from graphfix.formats.graphdef.effects import check_computes
            from graphfix.formats.graphdef.files import open_frozen

            check_computes(open_frozen(side["graph"]).message, side["graph"])
    with Scratch() as directory:
        job_path, result_path, log_path = (
            os.path.join(directory, name) for name in ("job.json", "result.json", "log")
        )
        with open(job_path, "w", encoding="utf-8") as file:
            json.dump(list(jobs), file)
        # What the worker leaves in its temporary directory goes with this one.
        environment = dict(_environment(gpu), TMPDIR=directory)
        with open(log_path, "wb") as log, _watched(result_path + ".begun", begun):
            try:
                status = _run(
                    [python, worker, job_path, result_path], environment, log, log, timeout
                )
            except OSError as error:
                raise RequestError(python, _NO_PYTHON % error, role.remedy) from error
            except subprocess.TimeoutExpired:
                raise VerificationError(
                    f"{role.name} under {python}",
                    f"no answer within {timeout:g} seconds",
                    "allow it more time, or ask for fewer steps",
                ) from None
        if status or not os.path.exists(result_path):
            raise VerificationError(
                f"{role.name} under {python}",
                f"the worker ended with status {status}: {_last_line(log_path)}",
                "see whether that Python can import object_detection"
                if worker == WORKER
                else role.remedy,
            )
        with open(result_path, encoding="utf-8") as file:
            return json.load(file)


@contextlib.contextmanager
def _watched(path: str, begun: Optional[Callable[[int], None]]) -> Iterator[None]:
    """Calls `begun` for each byte that the worker adds to a file, as long as this context is."""
    if begun is None:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        known, last = 0, False
        while not last:
            last = over.wait(_SECONDS_TO_LOOK)
            now = os.path.getsize(path) if os.path.exists(path) else 0
            for number in range(known, now):
                begun(number)
            known = now

    thread = threading.Thread(target=watch, daemon=True)
    with signals.held():
        thread.start()
    try:
        yield
    finally:
        with signals.held():
            over.set()
            thread.join(_SECONDS_TO_END)


def _environment(gpu: bool) -> Dict[str, str]:
    environment = given_environment()
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    if not gpu:
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    return environment


def _run(
    command: Sequence[str],
    environment: Dict[str, str],
    out: Any,
    log: Any,
    timeout: Optional[float],
) -> int:
    """Exit status of a command, which gets PYTHONPATH's directories as arguments instead; whatever
    ends the wait also ends every process it started.

    They all hold one end of a socket as standard input.  By that they see that this process has
    ended, should it not be able to end them; and this one, by the other end, that they have.
    """
    import socket  # every conversion imports this module, and few ask the stock API

    environment.pop("PYTHONPATH", None)
    ours, theirs = socket.socketpair()
    process: Optional[subprocess.Popen[bytes]] = None
    try:
        with signals.held():
            process = subprocess.Popen(
                list(command) + named_directories(),
                env=environment,
                stdin=theirs.fileno(),
                stdout=out,
                stderr=log,
                start_new_session=True,
            )
        # With a limit the wait wakes up now and then: a signal that comes just before a system call
        # that waits for ever would be seen only after it.
        return process.wait(_FOREVER if timeout is None else timeout)
    finally:
        with signals.held():
            theirs.close()
            if process and not _closed(ours, 0):
                with contextlib.suppress(ProcessLookupError):
                    # The worker leads a session, so this reaches what it forked, and only that.
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                _closed(ours, _SECONDS_TO_END)
            ours.close()


def _closed(end: Any, seconds: float) -> bool:
    """Whether nobody holds the other end of a socket (any more, within so many seconds)."""
    end.settimeout(seconds)
    try:
        return not end.recv(1)
    except OSError:
        return False


def _last_line(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return lines[-1] if lines else "it printed nothing"


@dataclasses.dataclass(frozen=True)
class StockResult:
    """The result of a `restore` job, read."""

    result: Job

    @property
    def ok(self) -> bool:
        """Every model variable and quantization range restored bit for bit (resuming: every
        variable there is), no moving average left to chance, every loss finite."""
        return "error" not in self.result and self.result.get("verdict") == "complete"

    @property
    def restored(self) -> int:
        """Variables that hold the checkpoint's value, among those of `total`."""
        return sum(count["restored"] for count in self._wanted())

    @property
    def total(self) -> int:
        """Model variables; when resuming, all variables."""
        return sum(count["total"] for count in self._wanted())

    def _wanted(self) -> List[Dict[str, int]]:
        counts = self.result.get("counts", {})
        if self.result.get("resumed_from"):
            return list(counts.values())
        return [counts["model"]] if "model" in counts else []

    @property
    def summary(self) -> str:
        """One line, such as `stock API 2019-07 legacy: restored 199 of 199; 50 steps, ...`."""
        revision = self.result["api"].get("revision") or "of unknown revision"
        head = f"stock API {revision} {self.result.get('trainer') or self.result['verb']}: "
        parts = []
        if "counts" in self.result:
            parts.append(self._restored_words())
            parts.extend(self._exceptions())
        error = self.result.get("error")
        if self.result.get("losses"):
            parts.append(self._loss_words())
        if error:
            first = (error["message"].strip().splitlines() or ["no message"])[0]
            parts.append(f"{error['type']}: {first} ({error['where']})")
        return head + "; ".join(parts)

    def _restored_words(self) -> str:
        words = f"restored {self.restored} of {self.total}"
        if self.result.get("resumed_from"):
            step = self.result["global_step"]
            return f"resumed {self.result['resumed_from']} at step {step}, {words}"
        why = []
        for key, text in (
            ("dropped", "of another shape"),
            ("missing", "not in the checkpoint"),
            ("not_asked_for", "not asked for"),
        ):
            number = sum(row["category"] == "model" for row in self.result[key])
            if number:
                why.append(f"{number} {text}")
        return words + (f" ({', '.join(why)})" if why else "")

    def _exceptions(self) -> List[str]:
        parts = []
        if self.result.get("load_pretrained") is False and not self.result.get("resumed_from"):
            parts.append("this model_main ignores fine_tune_checkpoint")
        quantization = self.result["counts"].get("quantization")
        if quantization and not self.result.get("resumed_from"):
            restored, total = quantization["restored"], quantization["total"]
            parts.append(f"quantization ranges {restored} of {total}")
        chance = len(self.result["moving_averages"]["from_initialiser"])
        if chance and not self.result.get("resumed_from"):
            averages = count(chance, "moving average does", "moving averages do")
            parts.append(f"{averages} not start from their variable")
        return parts

    def _loss_words(self) -> str:
        losses = self.result["losses"]
        shown = [loss if isinstance(loss, str) else f"{loss:.4g}" for loss in losses]
        loss = shown[0] if len(losses) == 1 else f"{shown[0]} -> {shown[-1]}"
        finite = "all finite" if self.result["finite"] else "not all finite"
        return f"{count(len(losses), 'step')}, loss {loss}, {finite}"
