"""The differences between two things, each with what it is about and how large it is."""

import dataclasses
import hashlib
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

import numpy as np

from graphfix.compare.configs import changed_fields
from graphfix.compare.states import SHORT, Node, Row, State, Thing
from graphfix.errors import RequestError
from graphfix.tensors import TensorMeta

TENSORS, CONFIG, LABELS, GRAPH = "tensors", "config", "label map", "frozen graph"
PARTS = (TENSORS, CONFIG, LABELS, GRAPH)


@dataclasses.dataclass(frozen=True)
class Numbers:
    """How two arrays differ: `count` of `total` elements, at most by `max_abs` and, as a part of
    the larger magnitude of the two, by `max_rel`; infinite where only one is finite or a number."""

    count: int
    total: int
    max_abs: float
    max_rel: float

    def __str__(self) -> str:
        return "%d of %d, max %.3g (relative %.3g)" % (
            self.count, self.total, self.max_abs, self.max_rel)


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
        return "%s: %s%s" % (self.subject, self.message,
                             ": %s" % self.numbers if self.numbers else "")


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

    Where either is a single file, only what both have is compared.

    Raises:
      RequestError: they have nothing in common that could be compared.
      SourceError: a tensor is damaged.
    """
    found = []  # type: List[Difference]
    parts, counts = [], [0, 0]
    for part, before, after in _pairs(one, two):
        if before is None and after is None:
            continue
        if before is None or after is None:
            if one.whole and two.whole:
                parts.append(part)
                found.append(Difference(part, part, _gone(after)))
            continue
        parts.append(part)
        found += _PARTS[part](before, after, counts)
    if one.nodes is not None and two.nodes is not None:
        found += _tensors(one.constants, two.constants, counts, GRAPH)
    if not parts:
        raise RequestError("%s and %s" % (one.path, two.path), "have nothing in common to compare",
                           "name two checkpoints, two graphs, two configs, or two directories")
    return Comparison(tuple(found), tuple(dict.fromkeys(parts)), *counts)


def _pairs(one: Thing, two: Thing):
    if (one.tensors is None) != (two.tensors is None) and not (one.whole and two.whole) \
            and (one.tensors or one.constants) is not None \
            and (two.tensors or two.constants) is not None:
        # A graph and a checkpoint: what the graph has of the checkpoint's variables.
        sides = [side.tensors if side.tensors is not None else side.constants
                 for side in (one, two)]
        names = set(sides[0]) & set(sides[1])
        yield (TENSORS,) + tuple({name: side[name] for name in side if name in names}
                                 for side in sides)
    else:
        yield TENSORS, one.tensors, two.tensors
    yield CONFIG, one.config, two.config
    yield LABELS, one.labels, two.labels
    yield GRAPH, one.nodes, two.nodes


def _tensors(before: Mapping[str, State], after: Mapping[str, State], counts: List[int],
             part: str = TENSORS) -> Iterator[Difference]:
    prefix = "constant " if part == GRAPH else "tensor "
    for name in sorted(set(before) | set(after)):
        if name not in before or name not in after:
            if part == GRAPH:
                continue  # told as a node
            yield Difference(part, prefix + name, _gone(after.get(name)), name)
            continue
        counts[0] += 1
        one, two = before[name], after[name]
        if one.meta == two.meta and _equal(one.digest(), two.digest()):
            counts[1] += 1
            continue
        if one.rows and two.rows and _alike(one.meta, two.meta):
            rows = list(_rows(name, one, two, part))
            for found in rows:
                yield found
            if rows:
                continue
        if one.meta != two.meta:
            yield Difference(part, prefix + name, "is %s %s -> %s %s" % (
                one.meta.dtype, list(one.meta.shape), two.meta.dtype, list(two.meta.shape)), name)
        else:
            yield Difference(part, prefix + name + (" (%s)" % one.what if one.what else ""),
                             "differs", name, _state_numbers(one, two))


def _equal(one: str, two: str) -> bool:
    """Whether two digests agree, as far as both go: a golden file has short ones of constants."""
    return one.startswith(two) or two.startswith(one)


def _gone(after) -> str:
    return "is gone" if after is None else "is new"


def _alike(one: TensorMeta, two: TensorMeta) -> bool:
    return one.dtype == two.dtype and one.shape[:-1] == two.shape[:-1]


def _rows(name: str, one: State, two: State, part: str) -> Iterator[Difference]:
    """Class by class, those of one name, or of one id, held against each other."""
    values = [one.load() if one.load else None, two.load() if two.load else None]
    named = all(row.name for row in one.rows + two.rows)
    sides = [{row.key if named else str(row.id): row for row in state.rows} for state in (one, two)]
    graph = "frozen graph: " if part == GRAPH else ""
    for key in dict.fromkeys(list(sides[0]) + list(sides[1])):
        before, after = sides[0].get(key), sides[1].get(key)
        if before is None or after is None:
            yield Difference(part, graph + str(before or after), "%s are %s" % (
                one.what, "gone" if after is None else "new"), name)
        elif len(before.channels) != len(after.channels):
            yield Difference(part, graph + str(before), "%s have %d -> %d channels" % (
                one.what, len(before.channels), len(after.channels)), name)
        elif values[0] is not None and values[1] is not None:
            numbers = compare_arrays(before.of(values[0]), after.of(values[1]))
            if numbers.count:
                yield Difference(part, graph + _both(before, after), one.what + " differ", name,
                                 numbers)
        elif row_digest(before, values[0]) != row_digest(after, values[1]):
            yield Difference(part, graph + _both(before, after), one.what + " differ", name)


def _both(before: Row, after: Row) -> str:
    return str(before) if before.id == after.id else "%s (now %d)" % (before, after.id)


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
        first, second = ((half.astype(np.uint32) << 16).view(np.float32)
                         for half in (first, second))
    wide = np.complex128 if first.dtype.kind == "c" else np.float64
    first, second = first.astype(wide), second.astype(wide)
    with np.errstate(all="ignore"):
        gap = np.abs(first - second)
        relative = gap / np.maximum(np.abs(first), np.abs(second))
    gap[np.isnan(gap)] = np.inf
    relative[np.isnan(relative) & (gap > 0)] = np.inf
    return Numbers(count, size, float(gap.max()), float(np.nan_to_num(relative).max()
                                                        if gap.max() < np.inf else np.inf))


def _bytes(value: np.ndarray) -> np.ndarray:
    """One row of bytes for each element."""
    return np.ascontiguousarray(value).reshape(-1).view(np.uint8).reshape(
        value.size, value.dtype.itemsize)


def _config(before: Mapping[str, str], after: Mapping[str, str], _) -> Iterator[Difference]:
    for path, message in changed_fields(before, after):
        yield Difference(CONFIG, "config " + path, message)


def _labels(before: Mapping[int, Tuple[str, str]], after: Mapping[int, Tuple[str, str]], _
            ) -> Iterator[Difference]:
    for number in sorted(set(before) | set(after)):
        old, new = before.get(number), after.get(number)
        if old != new:
            yield Difference(LABELS, "label map", "class %d: %s -> %s" % (
                number, _label(old), _label(new)))


def _label(names: Optional[Tuple[str, str]]) -> str:
    if names is None:
        return "none"
    return "'%s'" % names[0] if names[0] == names[1] else "'%s' ('%s')" % names


def _nodes(before: Mapping[str, Node], after: Mapping[str, Node], _) -> Iterator[Difference]:
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield Difference(GRAPH, "node " + name, "%s %s" % ((old or new).op, _gone(new)))
        elif old.op != new.op:
            yield Difference(GRAPH, "node " + name, "%s -> %s" % (old.op, new.op))
        elif old.digest != new.digest:
            yield Difference(GRAPH, "node " + name, "%s has other inputs or attributes" % old.op)


_PARTS = {TENSORS: _tensors, CONFIG: _config, LABELS: _labels, GRAPH: _nodes}  # type: Dict
