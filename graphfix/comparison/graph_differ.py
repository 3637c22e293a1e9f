"""The differences between graphs: nodes, constants' values, and what else a graph records."""

from typing import Iterator, Mapping, Tuple

from graphfix.comparison.graphs import DIGEST, FUNCTION_ORDER, NODE_ORDER
from graphfix.comparison.result import GRAPH, Difference, Tally
from graphfix.comparison.states import GraphState, Node
from graphfix.comparison.tensor_differ import compare_tensors


def compare_graphs(
    before: Mapping[str, GraphState], after: Mapping[str, GraphState], tally: Tally
) -> Iterator[Difference]:
    """The differences of two sets of graphs by their place in a model."""
    for place in sorted(set(before) | set(after)):
        old, new = before.get(place), after.get(place)
        graph, prefix = place or GRAPH, place + "/" if place else ""
        if old is None or new is None:
            yield Difference(GRAPH, graph, tally.only_in(new))
            continue
        yield from _nodes(old.nodes, new.nodes, "node " + prefix, tally)
        both = set(old.nodes) & set(new.nodes)
        skipped = () if both == set(old.nodes) | set(new.nodes) else (NODE_ORDER,)
        yield from _facts(old.facts, new.facts, graph, skipped, tally)
        if (old.saved is None) != (new.saved is None):
            kind = "a frozen graph" if new.saved is None else "a SavedModel"
            yield Difference(GRAPH, graph, f"is {kind} now")
        elif old.saved is not None and new.saved is not None:
            yield from _facts(old.saved, new.saved, graph, (), tally)
        # The node of a constant that is only in one of them is told already.
        one, two = (
            {name: state for name, state in side.constants.items() if name in both}
            for side in (old, new)
        )
        yield from compare_tensors(one, two, tally, GRAPH, "constant " + prefix, graph + ": ")


def _nodes(
    before: Mapping[str, Node], after: Mapping[str, Node], prefix: str, tally: Tally
) -> Iterator[Difference]:
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield Difference(
                GRAPH, prefix + name, f"{(old or after[name]).op} {tally.only_in(new)}"
            )
        elif old.op != new.op:
            yield Difference(GRAPH, prefix + name, f"{old.op} -> {new.op}")
        elif old.digest != new.digest:
            yield Difference(GRAPH, prefix + name, f"{old.op} has other inputs or attributes")


def _facts(
    before: Mapping[str, str],
    after: Mapping[str, str],
    graph: str,
    skipped: Tuple[str, ...],
    tally: Tally,
) -> Iterator[Difference]:
    if set(before) != set(after):
        skipped += (FUNCTION_ORDER,)  # what only one side has is told
    for what in sorted(set(before) | set(after)):
        old, new = before.get(what), after.get(what)
        if old == new or what in skipped:
            continue
        if (old or new or "").startswith(DIGEST):
            message = "differs" if old and new else tally.only_in(new)
        else:
            message = f"{old or 'none'} -> {new or 'none'}"
        yield Difference(GRAPH, graph, f"{what}: {message}")
