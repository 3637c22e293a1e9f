"""Mutated inputs."""

import os
import shutil
import signal
import subprocess

from robustness.common import ENVIRONMENT, GRAPHFIX, Tally, convert_words


def parsers(scratch, options):
    """Mutated inputs, by parser."""
    import test_fuzz
    import test_more_fuzz

    tally = Tally()

    class Counted(test_fuzz.Outcome):
        def of(self, call, shown):
            before = self.results
            for what in ("inputs", "taken", "refused"):
                tally.add(what, 0)
            tally.add("inputs")
            try:
                result = super().of(call, shown)
            except BaseException as error:  # pytest's failure is no Exception
                tally.expect(False, str(error)[:300])
                return None
            tally.add("taken" if self.results > before else "refused")
            return result

    signal.signal(signal.SIGPROF, _too_slow(test_fuzz))
    rows = []
    out = os.path.join(scratch, "fuzz-out")
    subprocess.check_call(
        GRAPHFIX + convert_words(scratch, out),
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for module, name, title, arguments in (
        (test_fuzz, "raw_index", "checkpoint index, its bytes", ["path"]),
        (test_fuzz, "index", "checkpoint index, its contents", ["path"]),
        (test_fuzz, "data", "checkpoint data", ["path"]),
        (test_fuzz, "config", "pipeline.config", []),
        (test_fuzz, "label_map", "label map", []),
        (test_fuzz, "model", "whole model", ["path"]),
        (test_more_fuzz, "graph", "frozen graph", ["path"]),
        (test_more_fuzz, "recipe", "recipe", ["path"]),
        (test_more_fuzz, "golden_file", "golden file", ["path", "out"]),
    ):
        tally.counts = {}
        module.Outcome = Counted
        module.ROUNDS = options.fuzz
        place = os.path.join(scratch, "fuzz-" + name)
        os.makedirs(place)
        values = {"path": _Path(place), "out": out}
        try:
            getattr(module, "test_" + name)(*[values[one] for one in arguments])
        except AssertionError as error:
            tally.expect(False, f"{title}: {str(error)[:300]}")
        rows.append((title, tally.said()))
        shutil.rmtree(place)
    return rows, tally.faults


def _too_slow(test_fuzz):
    def stop(*_):
        raise test_fuzz.TooSlow

    return stop


class _Path(type(__import__("pathlib").Path())):
    """A tmp_path."""
