"""What is not graphfix's stays, whatever it lies among, through every verb that writes."""

import collections
import hashlib
import os
import random
import shutil
import signal
import stat
import sys
import tempfile

from graphfix.anchor_fitting import plots, search
from graphfix.cli import command_line
from robustness import worlds, writing
from robustness.common import Tally, whole

# What a manifest makes graphfix's is replaced; of these outputs, verify writes to no other part.
REPORTED = ("report.json", "report.html", worlds.MANIFEST, "pictures")
SECONDS = 60
CODES = {0: "done", 1: "done in part, or a difference found", 3: "refused", 4: "not what it was"}


def ownership(scratch, options):
    """What is not graphfix's, in and beside random directories, through every verb that writes."""
    tally, choose = Tally(), random.Random(options.seed)
    made = os.path.join(scratch, "made")
    os.mkdir(made)
    worlds.make(made)
    counts = collections.defaultdict(collections.Counter)
    states = collections.Counter()
    for number in range(options.directories):
        top = os.path.join(scratch, "world")
        world = worlds.World(top, made, random.Random(choose.getrandbits(64)))
        states[writing.furnished(world)] += 1
        chosen = [writing.VERBS[name] for name in world.choose.sample(sorted(writing.VERBS), 3)]
        for verb in chosen + [writing.batch] * (number % 5 == 0):
            last = None
            for run in verb(world):
                changed = tried(run, world, tally, counts[run.verb], f"{number} {run.verb}")
                tally.expect(
                    verb is not writing.batch or run.words != last or not changed,
                    f"{number}: a second batch changed something",
                )
                last = run.words
        for folder, folders, _ in os.walk(top):
            for one in folders:
                if not os.path.islink(os.path.join(folder, one)):
                    os.chmod(os.path.join(folder, one), 0o755)
        shutil.rmtree(top)
    shutil.rmtree(made)
    rows = [("directories", ", ".join(f"{count} {how}" for how, count in sorted(states.items())))]
    rows += [
        (
            verb,
            f"{sum(found.values())} runs: "
            + ", ".join(f"{count} {what}" for what, count in sorted(found.items())),
        )
        for verb, found in sorted(counts.items())
    ]
    return rows, tally.faults


def tried(run, world, tally, counts, shown):
    """Runs a command line, and holds what is there afterwards against what was before; whether it
    changed."""
    places = [os.path.realpath(one) for one in run.directories]
    written = [os.path.realpath(run.file)] if run.file else []
    before = snapshot(world.top)
    allowed = may_change(run, places, before)
    full = [one for one in places if os.path.isdir(one) and os.listdir(one)]
    code, said = in_a_child(run.words, world.top)
    after = snapshot(world.top)
    tally.expect(
        code in CODES and "Traceback" not in said and "fault of graphfix" not in said,
        f"{shown}: exit code {code}: {run.words}: {said[-600:]}",
    )
    for path, was in before.items():
        if path in allowed or (run.replaces and path in written):
            continue
        now = after.get(path)
        if path in places and now and was[:2] == now[:2] == ("directory", was[1]):
            continue  # an empty directory, which is filled or replaced
        tally.expect(
            now == was or put_back(path, was, before, after, places),
            f"{shown}: {path} was {was}, is {now}: {run.words}: {said}",
        )
    private = (
        {
            os.path.realpath(os.path.join(os.path.dirname(one), ".graphfix-batch"))
            for one in run.directories
        }
        if run.verb == "batch"
        else set()
    )
    homes = places + sorted(private) + sorted(map(os.path.dirname, private))
    for path in set(after) - set(before):
        tally.expect(
            path in written
            or any(
                path == one or path.startswith(one + "/")
                for one in homes[: len(places) + len(private)]
            )
            or path in homes,
            f"{shown}: {path} is new: {run.words}: {said}",
        )
    if code == 0 and places and not run.verb.startswith(("verify", "anchors")):
        for one in places:
            fault = whole(one)[1]
            tally.expect(not fault, f"{shown}: not whole: {fault}: {run.words}")
    what = CODES.get(code, f"code {code}")
    if code == 0 and places:
        what = (
            "made"
            if not full
            else "unchanged"
            if before == after
            else "updated"
            if run.verb.startswith("verify")
            else "replaced"
        )
    counts[what] += 1
    return before != after


def may_change(run, places, before):
    """What is graphfix's of the destinations, and of what lies beside them."""
    allowed = set()
    for place in places:
        mine = worlds.owned(place)
        if run.verb.startswith("verify"):
            mine = {
                one for one in mine if os.path.relpath(one, place).lstrip(".").startswith(REPORTED)
            }
        allowed |= mine
        parent, name = os.path.split(place)
        for left in os.listdir(parent) if os.path.isdir(parent) else ():
            path = os.path.join(parent, left)
            mark = [
                one for one in ("staging", "old") if left.startswith(f".{name}.graphfix-{one}-")
            ]
            if not mark or os.path.islink(path) or not os.path.isdir(path):
                continue
            if not os.listdir(path) or os.path.isfile(os.path.join(path, worlds.MARKER)):
                allowed |= {one for one in before if one == path or one.startswith(path + "/")}
            else:
                mine = worlds.owned(path)
                allowed |= mine | ({path} if mine else set())
    return allowed


def put_back(path, was, before, after, places):
    """Whether a thing is where it was before a run that was killed had moved it aside."""
    for place in places:
        parent, name = os.path.split(place)
        left = f".{name}.graphfix-old-"
        if path.startswith(os.path.join(parent, left)) and place not in before:
            top = os.path.join(parent, os.path.relpath(path, parent).split(os.sep)[0])
            if os.path.join(top, worlds.MANIFEST) in before:
                return after.get(place + path[len(top) :]) == was
    return False


def snapshot(top):
    """{path: what is there}: kind, mode, inode, and contents, of files and directories."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            kind, content = "another", None
            if stat.S_ISDIR(status.st_mode):
                kind = "directory"
            elif stat.S_ISLNK(status.st_mode):
                kind, content = "link", os.readlink(path)
            elif stat.S_ISFIFO(status.st_mode):
                kind = "pipe"
            elif stat.S_ISREG(status.st_mode):
                kind = "file"
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
            found[path] = kind, oct(status.st_mode), status.st_ino, content
    return found


def in_a_child(words, where):
    """(exit code, stderr) of a command line; in a fork, which has all modules already."""
    with tempfile.TemporaryFile() as log:
        pid = os.fork()
        if not pid:
            code = 99
            try:
                os.chdir(where)
                os.dup2(log.fileno(), 2)
                os.dup2(os.open(os.devnull, os.O_RDWR), 1)
                os.dup2(1, 0)
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(SECONDS)
                os.fsync = lambda handle: None
                search._SHAKES = ()
                plots.require = lambda: None
                plots.draw = drawn
                code = command_line.main(words)
            except SystemExit as stop:
                code = stop.code
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), said


def drawn(directory, *_):
    """Pictures, without matplotlib, which draws for a second what matters nothing here."""
    for name in ("anchors.png", "boxes.png"):
        with open(os.path.join(directory, name), "wb") as file:
            file.write(b"\x89PNG")
    return ("anchors.png", "boxes.png")
