"""Disks that are full, or become read-only."""

import os
import shutil
import subprocess

from robustness.common import (
    ENVIRONMENT,
    GRAPHFIX,
    Forks,
    Tally,
    batch_words,
    convert_words,
    digest,
    whole,
)

NOT_TRIED = "not tried: only root can mount them"


def disks(scratch, options):
    """A full disk and a read-only one, at every step of convert."""
    rows, faults = [], []
    top = os.path.join(scratch, "disk")
    os.makedirs(top)
    out = os.path.join(top, "out")
    with Forks() as forks:

        def sweep(title, key, step=1):
            tally = Tally()
            at = 1
            while True:
                for before in (False, True):
                    shutil.rmtree(top)
                    os.makedirs(top)
                    if before:
                        forks.run(argv=convert_words(scratch, out))
                        old = digest(os.path.join(out, "plan.json"))
                    result = forks.run(
                        argv=convert_words(scratch, out, "--overwrite", "--seed", "5"), **{key: at}
                    )
                    tally.expect(
                        result["code"] in (0, 3) and "Traceback" not in result["err"],
                        f"{title} {at}: {result}",
                    )
                    there, fault = whole(out)
                    tally.expect(
                        fault is None and there == (before or result["code"] == 0),
                        f"{title} {at}: {fault or 'gone'}",
                    )
                    if before and result["code"] == 3:
                        tally.expect(
                            digest(os.path.join(out, "plan.json")) == old,
                            f"{title} {at}: what was there is another",
                        )
                    tally.add(
                        "refused, nothing or the old output left" if result["code"] == 3 else "done"
                    )
                if result["code"] == 0:
                    break
                at += step
            rows.append((title, tally.said()))
            faults.extend(tally.faults)

        sweep("disk full at each sync", "full_at")
        sweep("file system read-only from each change on", "read_only_at")
        sweep("files limited (ulimit -f) to 1, 60001, ... bytes", "file_limit", 60000)
        rows += _full_tmpfs(scratch, forks, options, faults)
    return rows, faults


def _full_tmpfs(scratch, forks, options, faults):
    tally = Tally()

    def one(mount, size):
        result = forks.run(argv=convert_words(scratch, os.path.join(mount, "out")))
        there, fault = whole(os.path.join(mount, "out"))
        tally.expect(
            result["code"] in (0, 3)
            and "Traceback" not in result["err"]
            and not fault
            and there == (result["code"] == 0)
            and (there or not os.listdir(mount)),
            f"{size} KiB: {result} {fault}",
        )
        tally.add("refused, nothing left" if result["code"] else "done")

    if not _mounted(scratch, range(16, 1000, options.tmpfs_step), one):
        return [("small file systems", NOT_TRIED)]
    faults.extend(tally.faults)
    return [("small file systems (tmpfs)", tally.said())]


def disks_batch(scratch, options):
    """A full disk and a read-only one, for a batch of four models."""
    full, locked = Tally(), Tally()
    names = [f"m{number}" for number in range(4)]

    def run(tally, mount, shown):
        out = os.path.join(mount, "out")
        done = subprocess.run(
            GRAPHFIX + batch_words(scratch, names, out, "--jobs", "2"),
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said = done.stdout.decode("utf-8", "replace")
        tally.expect(
            done.returncode in (0, 1, 3) and "Traceback" not in said,
            f"{shown}: {done.returncode} {said}",
        )
        there = 0
        for name in names:
            found, fault = whole(os.path.join(out, name))
            tally.expect(fault is None, f"{shown}: {fault}")
            there += found
        tally.expect(
            there == len(names) or done.returncode, f"{shown}: {there} models, exit code 0"
        )
        return done.returncode, there

    def small(mount, size):
        code, there = run(full, mount, f"{size} KiB")
        full.add({0: "done", 1: "failed in part or whole", 3: "refused"}[code])
        full.add("models whole", there)
        full.add("models absent", len(names) - there)

    def read_only(mount, size):
        _mount("remount,ro", mount)
        code, there = run(locked, mount, "read-only")
        locked.expect(code == 3 and not there, f"read-only: exit code {code}")
        locked.add("refused, nothing left" if code == 3 else "not refused")
        # What was made before it became read-only stays.
        _mount("remount,rw", mount)
        locked.expect(run(locked, mount, "read and write")[0] == 0, "no batch to begin with")
        _mount("remount,ro", mount)
        before = _inodes(mount)
        code, there = run(locked, mount, "read-only again")
        locked.expect(
            code == 1 and there == len(names) and _inodes(mount) == before,
            f"a finished batch, read-only: exit code {code}, {there} models",
        )
        locked.add("over a finished batch: failed, and the models stayed")

    if not _mounted(scratch, range(32, 3000, 6 * options.tmpfs_step), small):
        return [("batch", NOT_TRIED)], []
    _mounted(scratch, [50000], read_only)
    return [
        ("batch on small file systems (tmpfs)", full.said()),
        ("batch on a read-only file system", locked.said()),
    ], full.faults + locked.faults


def _inodes(top):
    return sorted(
        (os.path.join(folder, name), os.stat(os.path.join(folder, name)).st_ino)
        for folder, _, files in os.walk(top)
        for name in files
    )


def _mounted(scratch, sizes, call):
    """Calls with the directory and the size of a small file system, for each of the sizes in KiB;
    False where none can be mounted."""
    mount = os.path.join(scratch, "mount")
    os.makedirs(mount)
    for size in sizes:
        if os.getuid() or _mount(f"size={size}k", mount):
            return False
        try:
            call(mount, size)
        finally:
            subprocess.check_call(["umount", mount])
    os.rmdir(mount)
    return True


def _mount(options, mount):
    return subprocess.call(
        ["mount", "-t", "tmpfs", "-o", options, "none", mount], stderr=subprocess.DEVNULL
    )
