"""What is compared, as data: tensors and the classes in them, config fields, labels, graph nodes.

A `Thing` is made of files (`things`) or read from a golden file (`golden`), so that what compares
two of them need not know which.
"""

import dataclasses
from typing import Any, Callable, Mapping, Optional, Tuple

import numpy as np

from graphfix.detectors.families import MOVING_AVERAGE
from graphfix.formats.tensors import TensorMeta

BACKGROUND = "background"
# How much of a SHA-256 is kept where there are thousands, and nobody is to be fooled.
SHORT = 16


@dataclasses.dataclass(frozen=True)
class Row:
    """A class in a head's tensor: its id (0: the background), its name ("" where nobody knows it),
    and its channels of the last axis.  `digest` is the short SHA-256 of their values, where
    recorded."""

    id: int
    name: str
    channels: Tuple[int, ...]
    digest: Optional[str] = None

    @property
    def key(self) -> str:
        """By what it is found again: its name, else its id."""
        return self.name or f"#{self.id}"

    def __str__(self) -> str:
        if self.id == 0:
            return BACKGROUND
        return f"class {self.id} '{self.name}'" if self.name else f"class {self.id}"

    def of(self, value: np.ndarray) -> np.ndarray:
        """The class's part of the tensor's value: its channels along the last axis."""
        return value[..., list(self.channels)]


@dataclasses.dataclass(frozen=True)
class State:
    """A tensor: `digest()` is the SHA-256 of its stored bytes, `load` gives its value, None where
    only the digest is known.  `what` says what it is to its head ("weights of level 2"), and `rows`
    has the head's classes; without a head both are empty."""

    meta: TensorMeta
    digest: Callable[[], str]
    load: Optional[Callable[[], np.ndarray]]
    what: str = ""
    rows: Tuple[Row, ...] = ()


@dataclasses.dataclass(frozen=True)
class Node:
    """A graph's node: its operation, and a short digest of it, its inputs and all its attributes but a
    constant's value."""

    op: str
    digest: str


@dataclasses.dataclass(frozen=True)
class GraphState:
    """A graph: its nodes, its constants' values by name of the node, and what else it says, as
    {what: text or digest}.  `saved` is what a SavedModel says of it besides; a frozen graph's is
    None."""

    nodes: Mapping[str, Node]
    constants: Mapping[str, State]
    facts: Mapping[str, str]
    saved: Optional[Mapping[str, str]] = None


@dataclasses.dataclass(frozen=True)
class Thing:
    """What is known of one side; a part that it does not have is None.

    `config` and `raw_config` have each field's literal by its path, with and without paths into the
    directory being relative to it; a golden file has no raw one.  `labels` has the fields of each
    item by its id, and under "" what is said outside of items.  `graphs` are by their place:
    "" is the graph of a single file, a frozen graph's or a SavedModel's.  `files` has what all other
    files of a directory are, in one way or two: two agree where they do in the same one.
    `whole` tells a directory from a single file of one; `holder` keeps unpacked files alive.
    """

    path: str
    whole: bool
    tensors: Optional[Mapping[str, State]] = None
    config: Optional[Mapping[str, str]] = None
    raw_config: Optional[Mapping[str, str]] = None
    labels: Optional[Mapping[str, Mapping[str, str]]] = None
    graphs: Optional[Mapping[str, GraphState]] = None
    files: Optional[Mapping[str, Tuple[str, ...]]] = None
    holder: Any = None

    @property
    def constants(self) -> Optional[Mapping[str, State]]:
        """Those of the first graph."""
        return next(iter(self.graphs.values())).constants if self.graphs else None


def head_rows(model, names: Mapping[int, str]):
    """{tensor: (what, rows)} of a described model's heads, moving averages included.

    `names` are those of class ids; a tensor of a head that knows no classes has no rows.
    """
    found = {}
    for head in model.heads:
        kind = head.class_axis
        rows = []
        if kind is not None:
            shift = 1 if head.background else 0
            channels = {}
            for number, place in enumerate(head.layout.places()):
                channels.setdefault(place[kind], []).append(number)
            for place, own in sorted(channels.items()):
                identity = place - shift + 1
                rows.append(
                    Row(
                        identity,
                        BACKGROUND if identity == 0 else names.get(identity, ""),
                        tuple(own),
                    )
                )
        stage = head.stage.replace("map ", "level ").replace("all maps", "all levels")
        if "stage" in stage:
            stage = "the " + stage
        for name in head.tensors:
            part = name[len(head.scope) + 1 :]
            what = f"{'' if head.role == 'class' else head.role + ' '}{part} of {stage}"
            found[name] = what, tuple(rows)
            found[name + MOVING_AVERAGE] = "moving average of " + what, tuple(rows)
    return found
