"""What a parser reads counts, and nothing else: `diff` and `check` against protobuf's parser.

tests/stock/test_parsers.py has the same with TensorFlow's messages, and the API's text format.
"""

import collections
import random

import mutations
import parsed_files
import pytest
import thorough
from google.protobuf.message import DecodeError

from graphfix.formats.schema import message_class

ERRORS = (DecodeError, UnicodeDecodeError, RecursionError)
MADE = {
    "GraphDef": (parsed_files.rich_graph, "it.pb"),
    "SavedModel": (parsed_files.rich_saved_model, "saved_model.pb"),
}


@pytest.mark.parametrize(
    "name, mutants",
    [
        ("GraphDef", 80),
        ("SavedModel", 40),
        thorough.slow(("GraphDef", 500)),
        thorough.slow(("SavedModel", 250)),
    ],
)
def test_changed_bytes(name, mutants, tmp_path):
    kind = message_class("graphfix.graph." + name)
    make, path = MADE[name]
    data = make(kind).SerializeToString(deterministic=True)
    before, counts = parsed_files.parsed(kind, data, ERRORS), collections.Counter()
    for seed in range(mutants):
        made = random.Random(f"{name} {seed}")
        changed = made.choice(
            (mutations.mutate_bytes, mutations.mutate_message, mutations.mutate_message)
        )(made, data)
        if parsed_files.strays(changed, kind.DESCRIPTOR):
            continue
        after = parsed_files.parsed(kind, changed, ERRORS)
        found = parsed_files.held(tmp_path, path, data, changed)
        assert found in (None, after == before), (seed, changed)
        counts[found] += 1
    assert counts[False] > mutants / 8 and counts[None] > mutants / 8, counts


@pytest.mark.parametrize("name", sorted(MADE))
def test_other_spellings(name, tmp_path):
    kind = message_class("graphfix.graph." + name)
    make, path = MADE[name]
    message = make(kind)
    data = message.SerializeToString()
    seen = set()
    for seed in range(30):
        changed = parsed_files.spelled(random.Random(seed), data, kind.DESCRIPTOR)
        assert parsed_files.parsed(kind, changed, ERRORS) == parsed_files.parsed(
            kind, data, ERRORS
        ), seed
        assert parsed_files.held(tmp_path, path, data, changed) is True, seed
        seen.add(changed)
    assert len(seen) == 30


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MADE))
def test_every_field_counts(name, tmp_path):
    """One field after the other left out, in every message within, however deep; of the graph in a
    SavedModel, one of ten."""
    kind = message_class("graphfix.graph." + name)
    make, path = MADE[name]
    data = make(kind).SerializeToString(deterministic=True)
    before, counts = parsed_files.parsed(kind, data, ERRORS), collections.Counter()
    for number, (changed, above) in enumerate(_without_one(data, kind.DESCRIPTOR)):
        if name == "SavedModel" and "GraphDef" in above and number % 10:
            continue
        after = parsed_files.parsed(kind, changed, ERRORS)
        found = parsed_files.held(tmp_path, path, data, changed)
        assert found in (None, after == before), changed
        counts[found] += 1
    assert counts[False] > 100, counts


@pytest.mark.parametrize("name", sorted(MADE))
def test_the_order_of_lists_counts(name, tmp_path):
    kind = message_class("graphfix.graph." + name)
    make, path = MADE[name]
    data = make(kind).SerializeToString(deterministic=True)
    found = [
        parsed_files.held(tmp_path, path, data, changed)
        for changed in _with_two_exchanged(data, kind.DESCRIPTOR)
        if changed != data
    ]
    # Control inputs before others are refused.
    assert True not in found and found.count(False) >= 12, found


def _without_one(data, descriptor, above=()):
    """A message's bytes without one field; and the names of the messages that this was in."""
    parts, above = mutations.fields(data), above + (descriptor.name,)
    for at, (number, kind, value) in enumerate(parts):
        yield mutations.message(parts[:at] + parts[at + 1 :]), above
        inner = kind == 2 and descriptor.fields_by_number[number].message_type
        for one, names in _without_one(value, inner, above) if inner else ():
            yield mutations.message(parts[:at] + [[number, kind, one]] + parts[at + 1 :]), names


def _with_two_exchanged(data, descriptor):
    """A message's bytes with two neighbours of a list exchanged."""
    parts = mutations.fields(data)
    for at, (number, kind, value) in enumerate(parts):
        field = descriptor.fields_by_number[number]
        inner = kind == 2 and field.message_type
        if at and parts[at - 1][0] == number and not (inner and inner.GetOptions().map_entry):
            yield mutations.message(parts[: at - 1] + [parts[at], parts[at - 1]] + parts[at + 1 :])
        for one in _with_two_exchanged(value, inner) if inner else ():
            yield mutations.message(parts[:at] + [[number, kind, one]] + parts[at + 1 :])
