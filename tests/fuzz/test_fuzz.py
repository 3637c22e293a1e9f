"""Any bytes at all give a result or a SourceError: an index, data, a config, a label map, a model.

Inputs are seeded, so the same everywhere.  GRAPHFIX_FUZZ=10 makes ten times as many.  An input may
take two seconds of processor time and a gibibyte, many times what it needs.
"""

import contextlib
import os
import random
import re
import resource
import signal

import builders
import handmade
import mutations
import pytest
from bundle_cases import fixed, save, strings, variants

from graphfix.errors import SourceError
from graphfix.formats.checkpoint import reader, stored_bytes, table
from graphfix.modeldir import openers
from graphfix.modeldir.source_labels import source_labels
from graphfix.pipeline_config.document import parse_config
from graphfix.pipeline_config.label_map import parse_label_map

ROUNDS = int(os.environ.get("GRAPHFIX_FUZZ", "1"))
INPUTS = {
    "raw index": 400,
    "index": 1800,
    "data": 700,
    "config": 1100,
    "label map": 1000,
    "model": 600,
}
_MEMORY = 1 << 30
_SECONDS = 2


class TooSlow(BaseException):
    """Not an Exception: nothing that handles errors may take it for one of its own."""


@pytest.fixture(autouse=True)
def limits():
    """Raises TooSlow in an input that hangs, and MemoryError in one that takes too much (where the
    system tells how much is taken, Linux)."""

    def stop(*_):
        raise TooSlow

    before = signal.signal(signal.SIGPROF, stop)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    signal.signal(signal.SIGPROF, before)


class Outcome:
    """Counts results, and the different things that were said about the rest."""

    def __init__(self):
        self.results = 0
        self.said = set()

    def of(self, call, shown):
        """Runs one input; `shown` is what to print where it breaks the contract."""
        signal.setitimer(signal.ITIMER_PROF, _SECONDS)
        try:
            result = call()
        except SourceError as error:
            for problem in error.problems:
                assert problem.subject and problem.message and problem.remedy
            text = error.problems[0].message
            self.said.add(re.sub(r"'[^']*'|b'.*|[0-9]+|\[.*\]|/\S+", "_", text)[:60])
            return None
        except (Exception, TooSlow) as error:
            pytest.fail(f"{type(error).__name__}: {error}\nof {shown!r}")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        self.results += 1
        return result


def inputs(name):
    """(its own random.Random) of each input."""
    for number in range(INPUTS[name] * ROUNDS):
        yield random.Random(f"{name} {number}")


def checkpoint():
    """Index pairs and data of a checkpoint with one of everything."""
    tensors = {
        "a/weights": fixed(1, (2, 3)),
        "a/biases": fixed(1, (3,)),
        "bf": fixed(14, (2,)),
        "bool": fixed(10, (3,)),
        "empty": fixed(3, (0, 2)),
        "global_step": fixed(9, ()),
        "half": fixed(19, (2, 2)),
        "text": strings((2,), [b"a", b"bc"]),
        "list": variants((1,), [b"xyz"]),
        "unicode \u00e9": fixed(18, (1,)),
    }
    pairs, data = [(b"", handmade.header())], b""
    for name in sorted(tensors, key=str.encode):
        one = tensors[name]
        pairs.append(
            (
                name.encode(),
                handmade.entry(
                    one.dtype, one.shape, offset=len(data), size=len(one.data), crc=one.crc
                ),
            )
        )
        data += one.data
    parts = [[(0, 2), None], [(2, 1), None]]
    pairs.append((b"parts", handmade.entry(1, (3, 2), slices=parts)))
    for where in parts:
        one = fixed(1, (where[0][1], 2))
        pairs.append(
            (
                handmade.slice_key(b"parts", where),
                handmade.entry(1, one.shape, offset=len(data), size=len(one.data), crc=one.crc),
            )
        )
        data += one.data
    return sorted(pairs), data


def read_all(prefix, index, size):
    """Opens a checkpoint and reads what it lists; what it gives must make sense."""
    store = reader.open_bundle(prefix, index)
    loaded = 0
    for name, view in store.items():
        assert view.meta.name == name
        for read in (lambda one: one.load(), stored_bytes.check):
            try:
                value = read(view)
            except SourceError as error:
                assert all(problem.remedy for problem in error.problems)
                continue
            if value is not None:
                assert value.shape == view.meta.shape and value.nbytes == view.meta.nbytes
                loaded += value.nbytes
    assert loaded <= size, "more was read than there is"
    return store


def test_raw_index(tmp_path):
    pairs, data = checkpoint()
    save(str(tmp_path / "m"), b"", data)
    base = handmade.plain_table(pairs)
    outcome = Outcome()
    for made in inputs("raw index"):
        index = mutations.mutate_bytes(made, base)
        outcome.of(lambda: read_all(str(tmp_path / "m"), index, len(data)), index)
    assert len(outcome.said) > 3, outcome.said


@pytest.mark.slow
def test_index(tmp_path):
    pairs, data = checkpoint()
    save(str(tmp_path / "m"), b"", data)
    outcome = Outcome()
    for made in inputs("index"):
        index = mutations.random_table(made, mutations.mutate_pairs(made, pairs))
        outcome.of(lambda: read_all(str(tmp_path / "m"), index, len(data)), index)
    # Mutations must get past the first check, and not all be refused: else this tests little.
    assert outcome.results > 200 * ROUNDS
    assert len(outcome.said) > 25, outcome.said


@pytest.mark.slow
def test_data(tmp_path):
    pairs, data = checkpoint()
    index = handmade.plain_table(pairs)
    outcome = Outcome()
    damaged = 0
    save(str(tmp_path / "m"), index, data)
    for made in inputs("data"):
        changed = mutations.mutate_bytes(made, data)
        (tmp_path / "m.data-00000-of-00001").write_bytes(changed)

        def check():
            store = reader.open_bundle(str(tmp_path / "m"), index)
            bad = 0
            for view in store.values():
                try:
                    stored_bytes.check(view)
                except SourceError as error:
                    assert f"tensor '{view.meta.name}' is damaged" in str(error)
                    bad += 1
            return bad

        bad = outcome.of(check, changed)
        if bad is not None:
            damaged += bad > 0
            assert bad or changed.startswith(data), "a change went unseen"
    assert outcome.results > 300 * ROUNDS and damaged > 200 * ROUNDS
    assert any("truncated" in said for said in outcome.said)


@pytest.mark.slow
def test_config():
    base = builders.CONFIG % {"classes": 4}
    outcome = Outcome()
    for made in inputs("config"):
        text = mutations.mutate_text(made, base)
        parsed = outcome.of(lambda: parse_config(text, "it"), text)
        if parsed is not None:
            mark = b"\xef\xbb\xbf"
            assert parsed.document.encode() == text[3 if text.startswith(mark) else 0 :]
    assert outcome.results > 100 * ROUNDS
    assert len(outcome.said) > 25, outcome.said


def test_label_map():
    base = (
        '# Classes.\nitem {\n  id: 1\n  name: "/m/01"\n  display_name: "person"\n}\n'
        "item { name: 'traffic light', id: 3 keypoints { id: 1 label: \"nose\" } }\n"
        'item: <\n  id: 7\n  display_name: "caf\u00e9" # a comment\n'
        "  ancestor_ids: [1, 2]\n>\n"
    )
    outcome = Outcome()
    for made in inputs("label map"):
        text = mutations.mutate_text(made, base)
        labels = outcome.of(lambda: parse_label_map(text, "it"), text)
        if labels is not None:
            ids = [label.id for label in labels.labels]
            assert ids == sorted(set(ids)) and ids[0] > 0
            assert all(
                isinstance(name, str) and name for label in labels.labels for name in label.names
            )
    assert outcome.results > 50 * ROUNDS
    assert len(outcome.said) > 20, outcome.said


@pytest.mark.slow
def test_model(tmp_path):
    """A whole model: index and config mutated so that both can still be read, mostly."""
    directory = builders.write_model(tmp_path / "model")
    paths = {
        name: os.path.join(directory, name)
        for name in ("model.ckpt.index", "pipeline.config", "label_map.pbtxt")
    }
    base = {}
    for name, path in paths.items():
        with open(path, "rb") as file:
            base[name] = file.read()
    pairs = list(table.read(base["model.ckpt.index"], "it"))
    outcome = Outcome()
    written = base
    for made in inputs("model"):
        changed = dict(base)
        kind = made.choice(("index", "config", "config", "both", "label map"))
        if kind in ("index", "both"):
            changed["model.ckpt.index"] = table.write(mutations.mutate_pairs(made, pairs))
        if kind in ("config", "both"):
            changed["pipeline.config"] = mutations.mutate_text(
                made, base["pipeline.config"].decode("utf-8")
            )
        if kind == "label map":
            changed["label_map.pbtxt"] = mutations.mutate_text(
                made, base["label_map.pbtxt"].decode("utf-8")
            )
        for name, path in paths.items():
            if changed[name] != written[name]:
                with open(path, "wb") as file:
                    file.write(changed[name])
        written = changed

        def describe():
            opened = openers.open_source(directory)
            return opened.model, source_labels(opened, None)

        outcome.of(describe, {name: data for name, data in changed.items() if data != base[name]})
    assert outcome.results > 50 * ROUNDS
    assert len(outcome.said) > 25, outcome.said


def test_the_traps_work(monkeypatch):
    monkeypatch.setitem(globals(), "_SECONDS", 0.1)

    def hang():
        while True:
            with contextlib.suppress(Exception):
                sum(range(1000))

    broken = [("TooSlow", hang), ("ZeroDivisionError", lambda: 1 // 0)]
    if os.path.exists("/proc/self/statm"):
        broken.append(("MemoryError", lambda: bytearray(2 * _MEMORY)))
    for name, call in broken:
        with pytest.raises(pytest.fail.Exception, match=name):
            Outcome().of(call, "it")


def test_enough():
    assert sum(INPUTS.values()) >= 5000
