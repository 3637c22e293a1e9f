"""The process that converts a batch's models: reads jobs, answers what came of them, a line each.

A job is {"out": directory, "entry": a recipe's Entry}; the answer has what an Outcome has.  When
its standard input ends, so does it.  Signals end it at once, without cleaning up, which `batch`
does then: an exception raised at any moment, such as within an import, may be lost.
"""

import collections
import contextlib
import fcntl
import functools
import glob
import hashlib
import json
import os
import resource
import sys
import tempfile
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from graphfix import __version__
from graphfix.batch.batch import CONVERTED, DOWNLOADS, FAILED, LOCKS, UNCHANGED, WORK
from graphfix.conversion.convert import convert
from graphfix.errors import GraphfixError, Problem, RequestError, SourceError
from graphfix.exporting.possible import exports
from graphfix.formats.archive import SUFFIXES
from graphfix.formats.checkpoint import reader
from graphfix.formats.extents import AGAIN
from graphfix.formats.graphdef.kinds import saved_model_file
from graphfix.formats.regular_files import read_file, unreadable
from graphfix.fronts import Front, asked_by
from graphfix.modeldir import foreign, ownership
from graphfix.modeldir.destinations import Directory
from graphfix.modeldir.manifest import Manifest, read_manifest
from graphfix.modeldir.names import (
    CHECKPOINT,
    CONFIG,
    FROZEN,
    LABEL_MAP,
    META,
    SAVED_MODEL_DIRECTORY,
    TFLITE,
)
from graphfix.modeldir.search import find_archive, find_frozen, find_prefix, model_of
from graphfix.modeldir.source_labels import label_maps_in, named_label_maps
from graphfix.options import OPTIONS, ConvertOptions
from graphfix.pipeline_config.document import parse_config
from graphfix.process.background import Background
from graphfix.report.report import Report
from graphfix.stock_api.target_api import find_target_api
from graphfix.verification.judge import judge

_CHUNK = 1 << 20


def _peak() -> float:
    """The most memory this process ever had, in MiB."""
    try:
        # What getrusage says begins, on Linux, with what the process was before exec: its parent.
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024.0
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def main() -> None:
    """Answers until there are no more jobs."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what anything else prints is no answer
    try:
        for line in sys.stdin:
            job = json.loads(line)
            answer = do(job["entry"], job["out"])
            answer["worker_mib"] = _peak()
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    except BrokenPipeError:
        os._exit(1)  # nobody asks any more


def do(entry: Dict[str, Any], out: str) -> Dict[str, Any]:
    """Converts one model, unless that is done already; never raises for what goes wrong with it."""
    name = entry["name"]
    try:
        with _alone(name, out) as work:
            return _converted(entry, out, work)
    except GraphfixError as error:
        problems: Tuple[Problem, ...] = error.problems
    except MemoryError:
        problems = (Problem(name, "needs more memory than there is", "give it more"),)
    except OSError as error:
        problems = (
            Problem(
                str(error.filename or name),
                str(error.strerror),
                "check the file, the disk and the permissions",
            ),
        )
    except Exception as error:  # a fault of graphfix's own must not end the others
        problems = (
            Problem(
                name,
                f"ended with {type(error).__name__}: {error}",
                "this is a fault of graphfix: please report it",
            ),
        )
    with asked_by(Front.RECIPE):
        return {"verdict": FAILED, "lines": [str(one) for one in problems], "findings": {}}


@contextlib.contextmanager
def _alone(name: str, out: str) -> Iterator[str]:
    """Waits until no other run is at this model; gives a directory for what is downloaded and
    unpacked."""
    handle = os.open(os.path.join(out, LOCKS, name), os.O_RDWR | os.O_CREAT, 0o666)
    before = tempfile.tempdir
    work = os.path.join(out, WORK, name)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not ownership.remove(work, unfinished=True):  # of a run that was killed
            raise RequestError(work, "holds what no batch put there", "move it elsewhere")
        os.mkdir(work)
        ownership.mark(work)
        tempfile.tempdir = work
        yield work
    finally:
        tempfile.tempdir = before
        ownership.remove(work, unfinished=True)
        os.close(handle)


def _converted(entry: Dict[str, Any], out: str, work: str) -> Dict[str, Any]:
    name = entry["name"]
    directory = os.path.join(out, name)
    target = dict(entry["target"])
    download = entry["download"]
    archive = download and os.path.join(
        out,
        DOWNLOADS,
        download["sha256"]
        + next(suffix for suffix in SUFFIXES if download["url"].endswith(suffix)),
    )
    made_of = {"target": _target_digest(target, directory), "graphfix": __version__}
    if download:
        made_of["source"] = download["sha256"]
    else:
        content = _content(entry["source"], target.get("pipeline_config_path"))
    record = _record(directory)
    changed: Tuple[Problem, ...] = ()
    if record is None and os.path.isdir(directory) and os.listdir(directory):
        raise RequestError(
            directory,
            "exists already, and no batch made it: it holds "
            f"{ownership.named(sorted(os.listdir(directory)))}",
            "move it elsewhere, or give the model another name",
        )
    before = (record.made_of if record else None) or {}

    def read(step: Callable[[], None]) -> None:
        if "source" not in made_of:
            made_of["source"] = content(step)

    if record:
        read(lambda: None)
    if record and {key: before.get(key) for key in made_of} == made_of:
        changed = judge(directory, record).problems
        if not changed:
            return {
                "verdict": UNCHANGED,
                "lines": [before["summary"]],
                "findings": before["findings"],
            }
    names = sorted({os.path.basename(one.subject) for one in changed})
    others = ownership.foreign(directory)[0] if record else []
    if others:
        cause = ownership.named(names) if names else "the source, the recipe or graphfix"
        raise RequestError(
            directory,
            f"is to be made again, because {cause} changed, but holds what graphfix did not put "
            f"there: {ownership.named(others)}",
            "move that elsewhere, or give the model another name",
        )
    if download:
        _have(download, archive, out, work)

    def told(report: Report) -> Dict[str, Any]:
        reading.wait()
        counts = collections.Counter(one.severity for one in report.findings)
        return dict(made_of, summary=report.summary, findings=dict(counts))

    # Nobody asks whether a new model has changed: a processor that is free reads it for its digest,
    # beside the conversion.
    with Background(read) as reading:
        report = convert(
            archive or entry["source"],
            Directory(directory, overwrite=record is not None),
            ConvertOptions(**target),
            made_of=told,
            exports=exports,
        )
    lines = [report.summary] + [f"replaced what had changed: {ownership.named(names)}"] * bool(
        names
    )
    return {"verdict": CONVERTED, "lines": lines, "findings": told(report)["findings"]}


def _have(download: Dict[str, Any], archive: str, out: str, work: str) -> None:
    """Has a published archive here, whole; of several models that want it, one fetches it."""
    # It brings Python's own for the network, a tenth of what a worker imports.
    from graphfix.modeldir.download import fetch

    handle = os.open(
        os.path.join(out, LOCKS, ".download-" + download["sha256"]), os.O_RDWR | os.O_CREAT, 0o666
    )
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not os.path.isfile(archive) or _sha256(archive) != download["sha256"]:
            fetch(
                download["url"],
                size=download["size"],
                sha256=download["sha256"],
                path=archive,
                work=work,
            )
    finally:
        os.close(handle)


def _target_digest(target: Dict[str, Any], directory: str) -> str:
    """Of the flags, of what is in the files they name, and of the place that the config will
    name."""
    said = dict(target, target_api=find_target_api(target.get("target_api", "auto")).revision)
    for key in said:
        if OPTIONS[key].read and OPTIONS[key].is_read(said[key]):
            said[key] = hashlib.sha256(read_file(said[key])).hexdigest()
    said.setdefault("fine_tune_checkpoint", os.path.join(directory, CHECKPOINT))
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode("ascii")).hexdigest()


def _content(path: str, config_path: Optional[str]) -> Callable[[Callable[[], None]], str]:
    """What reads a source, and gives a digest of what it holds: of an archive's bytes; else of all
    but the weights, whose checksums are in the checkpoint's index.  It calls what it is given now
    and then."""
    path, config = model_of(path)
    config_path = config_path or config
    foreign.refuse(path)
    if find_archive(path):
        return functools.partial(_unchanged, path, _seen(path))
    frozen = find_frozen(path)
    rows: List[str] = []
    if frozen:
        found = [saved_model_file(frozen) if os.path.isdir(frozen) else frozen]
    else:
        prefix = find_prefix(path)
        reader.read_index(prefix)  # says what is wrong, where it is no checkpoint
        found = [reader.index_path(prefix), prefix + META]
        rows += [
            f"{os.path.basename(one)} {os.path.getsize(one)}"
            for one in sorted(glob.glob(glob.escape(prefix) + ".data-*"))
        ]
        found.append(prefix + META)
    beside = os.path.dirname(found[0])
    config = config_path or os.path.join(beside, CONFIG)
    found += [config] + [os.path.join(beside, one) for one in (LABEL_MAP, FROZEN, TFLITE)]
    found.append(saved_model_file(os.path.join(beside, SAVED_MODEL_DIRECTORY)))
    found += label_maps_in(beside)
    with contextlib.suppress(SourceError):  # the conversion says what is wrong with it
        found += named_label_maps(parse_config(read_file(config), config).message, config, beside)

    seen = {one: _seen(one) for one in found if os.path.isfile(one)}

    def digest(step: Callable[[], None]) -> str:
        told = rows + [
            f"{os.path.basename(one)} {_unchanged(one, then, step)}" for one, then in seen.items()
        ]
        return hashlib.sha256("\n".join(told).encode("utf-8", "surrogateescape")).hexdigest()

    return digest


def _seen(path: str) -> Tuple[int, ...]:
    """What differs where a file was written to."""
    found = os.stat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _unchanged(path: str, seen: Tuple[int, ...], step: Callable[[], None]) -> str:
    """The SHA-256 of a file that still is what was seen, or the digest might be of other bytes than
    were converted."""
    try:
        digest, now = _sha256(path, step), _seen(path)
    except OSError as error:
        raise unreadable(path, error) from None
    if now != seen:
        raise SourceError(path, "changed while it was read", AGAIN)
    return digest


def _sha256(path: str, step: Callable[[], None] = lambda: None) -> str:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    with open(path, "rb", buffering=0) as file:
        while True:
            count = file.readinto(buffer)
            if not count:
                return digest.hexdigest()
            digest.update(buffer[:count])
            step()


def _record(directory: str) -> Optional[Manifest]:
    """The manifest of a directory that a batch made, None where none did."""
    try:
        record = read_manifest(directory)
    except SourceError:
        return None
    if record is None or not record.made_of:
        return None
    summary, findings = (record.made_of.get(name) for name in ("summary", "findings"))
    told = (
        isinstance(summary, str)
        and isinstance(findings, dict)
        and all(type(count) is int for count in findings.values())
    )
    return record if told else None
