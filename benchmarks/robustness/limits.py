"""Ceilings that the system sets."""

import os
import re
import resource
import shutil
import subprocess

from robustness.common import ENVIRONMENT, GRAPHFIX, Tally, whole


def limits(scratch, options):
    """Ceilings of memory and open files on large sources."""
    rows, tally = [], Tally()
    for source in options.large:
        size = sum(one.stat().st_size for one in os.scandir(source))
        name = f"{os.path.basename(source.rstrip('/'))}, {size / 1e6:.0f} MB"
        for kind, title, steps in (
            (resource.RLIMIT_AS, "address space of %d MiB", (1024, 512, 384, 256, 160, 96)),
            (resource.RLIMIT_NOFILE, "%d open files", (64, 16, 12, 8, 5)),
        ):
            for step in steps:
                limit = step << 20 if kind == resource.RLIMIT_AS else step
                out = os.path.join(scratch, "limited")
                process = subprocess.Popen(
                    GRAPHFIX
                    + [
                        "convert",
                        source,
                        "--num_classes",
                        "3",
                        "--target_api",
                        "2021-01",
                        "--output_directory",
                        out,
                    ],
                    env=ENVIRONMENT,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    preexec_fn=lambda kind=kind, limit=limit: _limit(kind, limit),
                )
                err = process.stderr.read().decode("utf-8", "replace")
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
                there, fault = whole(out)
                tally.expect(
                    fault is None and there == (process.returncode == 0),
                    f"{title % step}: {fault or process.returncode}",
                )
                shutil.rmtree(out, ignore_errors=True)
                if process.returncode == 0:
                    verdict = f"done, peak {usage.ru_maxrss >> 10} MiB"
                elif process.returncode == 3 and "Traceback" not in err:
                    verdict = "refused: " + re.sub(
                        r"graphfix: |/\S+/", "", err.strip().splitlines()[-1]
                    )
                else:
                    # NumPy's OpenBLAS asks for memory for ever, until its time is up.
                    verdict = "Python does not start, or NumPy cannot be loaded"
                    last = (err.strip().splitlines() or [""])[-1]
                    tally.expect(
                        process.returncode in (-1, 127)
                        or re.match(
                            "ImportError|MemoryError|OSError|Fatal Python error|.*shared", last
                        ),
                        f"{title % step}: {err[-500:]}",
                    )
                rows.append((name, title % step, verdict[:110]))
    return [(one + ", " + two, three) for one, two, three in rows], tally.faults


def _limit(kind, limit):
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    resource.setrlimit(kind, (limit, limit))
