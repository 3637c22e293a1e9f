"""The differences between tensors: bit by bit, and of heads class by class."""

from typing import Iterator, Mapping, Optional

import numpy as np

from graphfix.comparison.result import TENSORS, ArrayDifference, Difference, Tally
from graphfix.comparison.states import ClassChannels, TensorState
from graphfix.formats.tensors import TensorMeta


def compare_tensors(
    before: Mapping[str, TensorState],
    after: Mapping[str, TensorState],
    tally: Tally,
    part: str = TENSORS,
    prefix: str = "tensor ",
    graph: str = "",
) -> Iterator[Difference]:
    """The differences of two sets of tensors by name; `part`, `prefix` and `graph` are how they are
    told: of which part, before a tensor's name, and before a class's."""
    for name in sorted(set(before) | set(after)):
        if name not in before or name not in after:
            yield Difference(part, prefix + name, tally.only_in(after.get(name)), name)
            continue
        tally.compared += 1
        one, two = before[name], after[name]
        if one.meta == two.meta and _equal(one.digest(), two.digest()):
            tally.equal += 1
            continue
        if one.classes and two.classes and _alike(one.meta, two.meta):
            found = list(_classes(name, one, two, tally, part, graph))
            yield from found
            if found:
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
                prefix + name + (f" ({one.role})" if one.role else ""),
                "differs",
                name,
                _state_numbers(one, two),
            )


def _equal(one: str, two: str) -> bool:
    """Whether two digests agree, as far as both go: a golden file has short ones of constants."""
    return one.startswith(two) or two.startswith(one)


def _alike(one: TensorMeta, two: TensorMeta) -> bool:
    return one.dtype == two.dtype and one.shape[:-1] == two.shape[:-1]


def _classes(
    name: str, one: TensorState, two: TensorState, tally: Tally, part: str, graph: str
) -> Iterator[Difference]:
    """The differences class by class: classes of the same name, or else of the same id, match."""
    values = [one.load() if one.load else None, two.load() if two.load else None]
    named = all(row.name for row in one.classes + two.classes)
    sides = [
        {row.key if named else str(row.id): row for row in state.classes} for state in (one, two)
    ]
    for key in dict.fromkeys(list(sides[0]) + list(sides[1])):
        before, after = sides[0].get(key), sides[1].get(key)
        if before is None or after is None:
            yield Difference(
                part, graph + str(before or after), f"{one.role} are {tally.only_in(after)}", name
            )
        elif len(before.channels) != len(after.channels):
            yield Difference(
                part,
                graph + str(before),
                f"{one.role} have {len(before.channels)} -> {len(after.channels)} channels",
                name,
            )
        elif values[0] is not None and values[1] is not None:
            numbers = compare_arrays(before.of(values[0]), after.of(values[1]))
            if numbers.count:
                yield Difference(
                    part, graph + _both(before, after), one.role + " differ", name, numbers
                )
        elif before.value_digest(values[0]) != after.value_digest(values[1]):
            yield Difference(part, graph + _both(before, after), one.role + " differ", name)


def _both(before: ClassChannels, after: ClassChannels) -> str:
    return str(before) if before.id == after.id else f"{before} (now {after.id})"


def _state_numbers(one: TensorState, two: TensorState) -> Optional[ArrayDifference]:
    if one.load is None or two.load is None or not one.meta.dtype.itemsize:
        return None
    return compare_arrays(one.load(), two.load(), bfloat16=one.meta.dtype.name == "bfloat16")


def compare_arrays(one: np.ndarray, two: np.ndarray, *, bfloat16: bool = False) -> ArrayDifference:
    """How two arrays of the same shape and type differ; equal bits are equal, NaN or not."""
    size = one.size
    differ = (_bytes(one) != _bytes(two)).any(axis=1)
    count = int(differ.sum())
    if not count:
        return ArrayDifference(0, size, 0.0, 0.0)
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
    return ArrayDifference(
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
