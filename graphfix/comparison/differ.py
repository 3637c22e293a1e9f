"""The differences between two snapshots, part by part."""

import dataclasses
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from graphfix.comparison.configs import ORDER as LABEL_ORDER
from graphfix.comparison.configs import changed_fields
from graphfix.comparison.graph_differ import compare_graphs
from graphfix.comparison.result import (
    CONFIG,
    FILES,
    GRAPH,
    LABELS,
    TENSORS,
    Comparison,
    Difference,
    Tally,
)
from graphfix.comparison.states import GraphState, Snapshot
from graphfix.comparison.tensor_differ import compare_tensors
from graphfix.errors import RequestError
from graphfix.formats.textproto.literals import BadLiteral, parse_string


def compare(one: Snapshot, two: Snapshot, *, names: Tuple[str, str] = ("A", "B")) -> Comparison:
    """The differences between two snapshots, whose tensors are read pair by pair; messages call the
    snapshots by `names`.

    Where either is a single file, only what both have is compared; where either is an archive, no
    other files than those that a conversion takes from it.

    Raises:
      RequestError: they have nothing in common that could be compared.
      SourceError: a tensor is damaged.
    """
    found: List[Difference] = []
    parts, tally = [], Tally(names)
    whole = one.directory and two.directory
    for part, before, after in _pairs(one, two):
        if before is None and after is None:
            continue
        if before is None or after is None:
            if whole and part != FILES:
                parts.append(part)
                found.append(Difference(part, part, tally.only_in(after)))
            continue
        if part == GRAPH and not whole:
            before, after = _common(before, after), _common(after, before)
            if not before:
                continue
        parts.append(part)
        found += _PARTS[part](before, after, tally)
    if not parts:
        raise RequestError(
            f"{one.path} and {two.path}",
            "have nothing in common to compare",
            "name two checkpoints, two graphs, two configs, or two directories",
        )
    return Comparison(tuple(found), tuple(dict.fromkeys(parts)), tally.compared, tally.equal)


def _common(
    own: Mapping[str, GraphState], other: Mapping[str, GraphState]
) -> Mapping[str, GraphState]:
    """One side's graphs, reduced to what the other side has of them, too."""
    return {
        place: graph if other[place].saved is not None else dataclasses.replace(graph, saved=None)
        for place, graph in own.items()
        if place in other
    }


def _pairs(one: Snapshot, two: Snapshot):
    if (
        (one.tensors is None) != (two.tensors is None)
        and not (one.directory and two.directory)
        and (one.tensors or one.constants) is not None
        and (two.tensors or two.constants) is not None
    ):
        # A graph and a checkpoint: what the graph has of the checkpoint's variables.
        sides: List[Any] = [
            side.tensors if side.tensors is not None else side.constants for side in (one, two)
        ]
        names = set(sides[0]) & set(sides[1])
        yield (TENSORS, *({name: side[name] for name in side if name in names} for side in sides))
    else:
        yield TENSORS, one.tensors, two.tensors
    yield CONFIG, one.config, _where_raw_differs(one, two)
    yield LABELS, one.labels, two.labels
    yield GRAPH, one.graphs, two.graphs
    yield FILES, one.files, two.files


def _where_raw_differs(one: Snapshot, two: Snapshot) -> Optional[Mapping[str, str]]:
    """The second config, with the first one's fields where their texts agree: so a copy of a config
    is the same, wherever its paths lead."""
    old, new = one.raw_config, two.raw_config
    before, after = one.config, two.config
    if old is None or new is None or before is None or after is None:
        return after
    return {
        path: before[path] if old.get(path) == raw else after[path] for path, raw in new.items()
    }


def _config(
    before: Mapping[str, str], after: Mapping[str, str], tally: Tally
) -> Iterator[Difference]:
    for path, message in changed_fields(before, after, tally.only_in):
        yield Difference(CONFIG, "config " + path, message)


def _labels(
    before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]], tally: Tally
) -> Iterator[Difference]:
    for key in sorted(set(before) | set(after), key=lambda key: int(key or 0)):
        old, new = before.get(key, {}), after.get(key, {})
        names = _label(old), _label(new)
        if not key and old.get(LABEL_ORDER) != new.get(LABEL_ORDER) and set(before) == set(after):
            yield Difference(LABELS, "label map", "the items are in another order")
        elif key and names[0] != names[1]:
            yield Difference(LABELS, "label map", f"class {key}: {names[0]} -> {names[1]}")
        if not (old and new) and key:
            continue
        for path, message in changed_fields(old, new, tally.only_in):
            if path != LABEL_ORDER and not (path in _NAMES and names[0] != names[1]):
                yield Difference(
                    LABELS,
                    "label map",
                    f"class {key}: {path}: {message}" if key else f"{path}: {message}",
                )


_NAMES = "name", "display_name"


def _label(fields: Mapping[str, str]) -> str:
    """A class's names, as they are in most label maps: one that people use, and perhaps another."""
    if not fields:
        return "none"
    names = [_unquoted(fields[path]) for path in _NAMES if path in fields]
    return (
        " ".join(
            [f"'{name}'" for name in names[:1]]
            + [f"('{name}')" for name in names[1:] if name != names[0]]
        )
        or "no name"
    )


def _unquoted(literal: str) -> str:
    try:
        return parse_string(literal).decode("utf-8")
    except (BadLiteral, UnicodeDecodeError):
        return literal  # of a golden file that somebody wrote by hand


def _files(
    before: Mapping[str, Tuple[str, ...]], after: Mapping[str, Tuple[str, ...]], tally: Tally
) -> Iterator[Difference]:
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield Difference(FILES, "file " + name, tally.only_in(new))
        elif not any(one == two for one, two in zip(old, new)):
            yield Difference(FILES, "file " + name, f"{old[0]} -> {new[0]}")


_PARTS: Dict = {
    TENSORS: compare_tensors,
    CONFIG: _config,
    LABELS: _labels,
    GRAPH: compare_graphs,
    FILES: _files,
}
