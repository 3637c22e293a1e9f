"""The differences between two things, each with what it is about and how large it is."""

import dataclasses
import hashlib
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

import numpy as np

from graphfix.comparison.configs import ORDER as LABEL_ORDER
from graphfix.comparison.configs import changed_fields
from graphfix.comparison.graphs import DIGEST, FUNCTION_ORDER, NODE_ORDER
from graphfix.comparison.states import SHORT, GraphState, Node, Row, State, Thing
from graphfix.errors import RequestError
from graphfix.formats.tensors import TensorMeta
from graphfix.formats.textproto.literals import BadLiteral, parse_string

TENSORS, CONFIG, LABELS, GRAPH, FILES = ("tensors", "config", "label map", "frozen graph", "files")
PARTS = (TENSORS, CONFIG, LABELS, GRAPH, FILES)


@dataclasses.dataclass(frozen=True)
class Numbers:
    """How two arrays differ: `count` of `total` elements, at most by `max_abs` and, as a part of
    the larger magnitude of the two, by `max_rel`; infinite where only one is finite or a number."""

    count: int
    total: int
    max_abs: float
    max_rel: float

    def __str__(self) -> str:
        return f"{self.count} of {self.total}, max {self.max_abs:.3g} (relative {self.max_rel:.3g})"


@dataclasses.dataclass(frozen=True)
class Difference:
    """One difference: which part, what about it (a class, a tensor, a field, a node), in words, and
    in numbers where both values are at hand."""

    part: str
    subject: str
    message: str
    tensor: str = ""
    numbers: Optional[Numbers] = None

    def __str__(self) -> str:
        return "%s: %s%s" % (
            self.subject,
            self.message,
            f": {self.numbers}" if self.numbers else "",
        )


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All differences, by part, and how many tensors were compared and found equal."""

    differences: Tuple[Difference, ...]
    parts: Tuple[str, ...]
    compared: int
    equal: int

    @property
    def same(self) -> bool:
        return not self.differences


def compare(one: Thing, two: Thing) -> Comparison:
    """Holds `two` against `one`, reading tensors pair by pair.

    Where either is a single file, only what both have is compared; where either is an archive, no
    other files than those that a conversion takes from it.

    Raises:
      RequestError: they have nothing in common that could be compared.
      SourceError: a tensor is damaged.
    """
    found: List[Difference] = []
    parts, counts = [], [0, 0]
    whole = one.whole and two.whole
    for part, before, after in _pairs(one, two):
        if before is None and after is None:
            continue
        if before is None or after is None:
            if whole and part != FILES:
                parts.append(part)
                found.append(Difference(part, part, _gone(after)))
            continue
        if part == GRAPH and not whole:
            before, after = _common(before, after), _common(after, before)
            if not before:
                continue
        parts.append(part)
        found += _PARTS[part](before, after, counts)
    if not parts:
        raise RequestError(
            f"{one.path} and {two.path}",
            "have nothing in common to compare",
            "name two checkpoints, two graphs, two configs, or two directories",
        )
    return Comparison(tuple(found), tuple(dict.fromkeys(parts)), *counts)


def _common(
    own: Mapping[str, GraphState], other: Mapping[str, GraphState]
) -> Mapping[str, GraphState]:
    """One side's graphs, with no more about them than the other side has, too."""
    return {
        place: graph if other[place].saved is not None else dataclasses.replace(graph, saved=None)
        for place, graph in own.items()
        if place in other
    }


def _pairs(one: Thing, two: Thing):
    if (
        (one.tensors is None) != (two.tensors is None)
        and not (one.whole and two.whole)
        and (one.tensors or one.constants) is not None
        and (two.tensors or two.constants) is not None
    ):
        # A graph and a checkpoint: what the graph has of the checkpoint's variables.
        sides = [
            side.tensors if side.tensors is not None else side.constants for side in (one, two)
        ]
        names = set(sides[0]) & set(sides[1])
        yield (TENSORS,) + tuple(
            {name: side[name] for name in side if name in names} for side in sides
        )
    else:
        yield TENSORS, one.tensors, two.tensors
    yield CONFIG, one.config, _where_raw_differs(one, two)
    yield LABELS, one.labels, two.labels
    yield GRAPH, one.graphs, two.graphs
    yield FILES, one.files, two.files


def _where_raw_differs(one: Thing, two: Thing) -> Optional[Mapping[str, str]]:
    """The second config, its fields that say the very same as the first one's taken from there: a
    copy of a config is no other one, wherever paths in it lead."""
    if one.raw_config is None or two.raw_config is None:
        return two.config
    return {
        path: one.config[path] if one.raw_config.get(path) == raw else two.config[path]
        for path, raw in two.raw_config.items()
    }


def _tensors(
    before: Mapping[str, State],
    after: Mapping[str, State],
    counts: List[int],
    part: str = TENSORS,
    prefix: str = "tensor ",
    graph: str = "",
) -> Iterator[Difference]:
    for name in sorted(set(before) | set(after)):
        if name not in before or name not in after:
            yield Difference(part, prefix + name, _gone(after.get(name)), name)
            continue
        counts[0] += 1
        one, two = before[name], after[name]
        if one.meta == two.meta and _equal(one.digest(), two.digest()):
            counts[1] += 1
            continue
        if one.rows and two.rows and _alike(one.meta, two.meta):
            rows = list(_rows(name, one, two, part, graph))
            for found in rows:
                yield found
            if rows:
                continue
        if one.meta != two.meta:
            yield Difference(
                part,
                prefix + name,
                f"is {one.meta.dtype} {list(one.meta.shape)} -> {two.meta.dtype} "
                f"{list(two.meta.shape)}",
                name,
            )
        else:
            yield Difference(
                part,
                prefix + name + (f" ({one.what})" if one.what else ""),
                "differs",
                name,
                _state_numbers(one, two),
            )


def _equal(one: str, two: str) -> bool:
    """Whether two digests agree, as far as both go: a golden file has short ones of constants."""
    return one.startswith(two) or two.startswith(one)


def _gone(after) -> str:
    return "is gone" if after is None else "is new"


def _alike(one: TensorMeta, two: TensorMeta) -> bool:
    return one.dtype == two.dtype and one.shape[:-1] == two.shape[:-1]


def _rows(name: str, one: State, two: State, part: str, graph: str) -> Iterator[Difference]:
    """Class by class, those of one name, or of one id, held against each other."""
    values = [one.load() if one.load else None, two.load() if two.load else None]
    named = all(row.name for row in one.rows + two.rows)
    sides = [{row.key if named else str(row.id): row for row in state.rows} for state in (one, two)]
    for key in dict.fromkeys(list(sides[0]) + list(sides[1])):
        before, after = sides[0].get(key), sides[1].get(key)
        if before is None or after is None:
            yield Difference(
                part,
                graph + str(before or after),
                f"{one.what} are {'gone' if after is None else 'new'}",
                name,
            )
        elif len(before.channels) != len(after.channels):
            yield Difference(
                part,
                graph + str(before),
                f"{one.what} have {len(before.channels)} -> {len(after.channels)} channels",
                name,
            )
        elif values[0] is not None and values[1] is not None:
            numbers = compare_arrays(before.of(values[0]), after.of(values[1]))
            if numbers.count:
                yield Difference(
                    part, graph + _both(before, after), one.what + " differ", name, numbers
                )
        elif row_digest(before, values[0]) != row_digest(after, values[1]):
            yield Difference(part, graph + _both(before, after), one.what + " differ", name)


def _both(before: Row, after: Row) -> str:
    return str(before) if before.id == after.id else f"{before} (now {after.id})"


def row_digest(row: Row, value: Optional[np.ndarray]) -> Optional[str]:
    """The SHA-256 of a class's channels: of their value, else the recorded one."""
    if value is None:
        return row.digest
    return hashlib.sha256(np.ascontiguousarray(row.of(value)).tobytes()).hexdigest()[:SHORT]


def _state_numbers(one: State, two: State) -> Optional[Numbers]:
    if one.load is None or two.load is None or not one.meta.dtype.itemsize:
        return None
    return compare_arrays(one.load(), two.load(), bfloat16=one.meta.dtype.name == "bfloat16")


def compare_arrays(one: np.ndarray, two: np.ndarray, *, bfloat16: bool = False) -> Numbers:
    """The numbers for two arrays of one shape and type; equal bits are equal, NaN or not."""
    size = one.size
    differ = (_bytes(one) != _bytes(two)).any(axis=1)
    count = int(differ.sum())
    if not count:
        return Numbers(0, size, 0.0, 0.0)
    first, second = one.reshape(-1)[differ], two.reshape(-1)[differ]
    if bfloat16:
        first, second = (
            (half.astype(np.uint32) << 16).view(np.float32) for half in (first, second)
        )
    wide = np.complex128 if first.dtype.kind == "c" else np.float64
    first, second = first.astype(wide), second.astype(wide)
    with np.errstate(all="ignore"):
        gap = np.abs(first - second)
        relative = gap / np.maximum(np.abs(first), np.abs(second))
    gap[np.isnan(gap)] = np.inf
    relative[np.isnan(relative) & (gap > 0)] = np.inf
    return Numbers(
        count,
        size,
        float(gap.max()),
        float(np.nan_to_num(relative).max() if gap.max() < np.inf else np.inf),
    )


def _bytes(value: np.ndarray) -> np.ndarray:
    """One row of bytes for each element."""
    return (
        np.ascontiguousarray(value)
        .reshape(-1)
        .view(np.uint8)
        .reshape(value.size, value.dtype.itemsize)
    )


def _config(before: Mapping[str, str], after: Mapping[str, str], _) -> Iterator[Difference]:
    for path, message in changed_fields(before, after):
        yield Difference(CONFIG, "config " + path, message)


def _labels(
    before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]], _
) -> Iterator[Difference]:
    for key in sorted(set(before) | set(after), key=lambda key: int(key or 0)):
        old, new = before.get(key, {}), after.get(key, {})
        names = _label(old), _label(new)
        if not key and old.get(LABEL_ORDER) != new.get(LABEL_ORDER) and set(before) == set(after):
            yield Difference(LABELS, "label map", "the items are in another order")
        elif key and names[0] != names[1]:
            yield Difference(LABELS, "label map", "class %s: %s -> %s" % ((key,) + names))
        if not (old and new) and key:
            continue
        for path, message in changed_fields(old, new):
            if path != LABEL_ORDER and not (path in _NAMES and names[0] != names[1]):
                yield Difference(
                    LABELS,
                    "label map",
                    "%s%s: %s" % (f"class {key}: " if key else "", path, message),
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


def _graphs(
    before: Mapping[str, GraphState], after: Mapping[str, GraphState], counts: List[int]
) -> Iterator[Difference]:
    for place in sorted(set(before) | set(after)):
        old, new = before.get(place), after.get(place)
        graph, prefix = place or GRAPH, place + "/" if place else ""
        if old is None or new is None:
            yield Difference(GRAPH, graph, _gone(new))
            continue
        for one in _nodes(old.nodes, new.nodes, "node " + prefix):
            yield one
        both = set(old.nodes) & set(new.nodes)
        skipped = () if both == set(old.nodes) | set(new.nodes) else (NODE_ORDER,)
        for one in _facts(old.facts, new.facts, graph, skipped):
            yield one
        if (old.saved is None) != (new.saved is None):
            yield Difference(
                GRAPH,
                graph,
                "is %s now" % ("a frozen graph" if new.saved is None else "a SavedModel"),
            )
        elif old.saved is not None:
            for one in _facts(old.saved, new.saved, graph, ()):
                yield one
        # A constant that is gone with its node has been told.
        for one in _tensors(
            *[
                {name: state for name, state in side.constants.items() if name in both}
                for side in (old, new)
            ],
            counts,
            GRAPH,
            "constant " + prefix,
            graph + ": ",
        ):
            yield one


def _nodes(
    before: Mapping[str, Node], after: Mapping[str, Node], prefix: str
) -> Iterator[Difference]:
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield Difference(GRAPH, prefix + name, f"{(old or new).op} {_gone(new)}")
        elif old.op != new.op:
            yield Difference(GRAPH, prefix + name, f"{old.op} -> {new.op}")
        elif old.digest != new.digest:
            yield Difference(GRAPH, prefix + name, f"{old.op} has other inputs or attributes")


def _facts(
    before: Mapping[str, str], after: Mapping[str, str], graph: str, skipped: Tuple[str, ...]
) -> Iterator[Difference]:
    if set(before) != set(after):
        skipped += (FUNCTION_ORDER,)  # what is gone or new is told
    for what in sorted(set(before) | set(after)):
        old, new = before.get(what), after.get(what)
        if old == new or what in skipped:
            continue
        if (old or new).startswith(DIGEST):
            message = "differs" if old and new else _gone(new)
        else:
            message = f"{old or 'none'} -> {new or 'none'}"
        yield Difference(GRAPH, graph, f"{what}: {message}")


def _files(
    before: Mapping[str, Tuple[str, ...]], after: Mapping[str, Tuple[str, ...]], _
) -> Iterator[Difference]:
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield Difference(FILES, "file " + name, _gone(new))
        elif not any(one == two for one, two in zip(old, new)):
            yield Difference(FILES, "file " + name, f"{old[0]} -> {new[0]}")


_PARTS: Dict = {TENSORS: _tensors, CONFIG: _config, LABELS: _labels, GRAPH: _graphs, FILES: _files}
