"""What is compared, as data: tensors and the classes in them, config fields, labels, graph nodes.

A `Snapshot` is made of files (`snapshots`) or read from a golden file (`golden`); a comparison need
not know which.
"""

import dataclasses
import hashlib
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import numpy as np

from graphfix.detectors.families import MOVING_AVERAGE
from graphfix.formats.tensors import TensorMeta

BACKGROUND = "background"
# Hexadecimal digits of a SHA-256 that are kept where there are thousands, none of them adversarial.
SHORT = 16


@dataclasses.dataclass(frozen=True)
class ClassChannels:
    """A class in a head's tensor: its id (0: the background), its name ("" where unknown), and its
    channels along the last axis.  `digest` is the short SHA-256 of their values, where recorded."""

    id: int
    name: str
    channels: Tuple[int, ...]
    digest: Optional[str] = None

    @property
    def key(self) -> str:
        """What the class is found again by: its name, else its id."""
        return self.name or f"#{self.id}"

    def __str__(self) -> str:
        if self.id == 0:
            return BACKGROUND
        return f"class {self.id} '{self.name}'" if self.name else f"class {self.id}"

    def of(self, value: np.ndarray) -> np.ndarray:
        """The class's part of the tensor's value: its channels along the last axis."""
        return value[..., list(self.channels)]

    def value_digest(self, value: Optional[np.ndarray]) -> Optional[str]:
        """The short SHA-256 of the class's channels in a value, the recorded one where it is
        None."""
        if value is None:
            return self.digest
        return hashlib.sha256(np.ascontiguousarray(self.of(value)).tobytes()).hexdigest()[:SHORT]


@dataclasses.dataclass(frozen=True)
class TensorState:
    """A tensor: `digest()` returns the SHA-256 of its stored bytes; `load` returns its value and is
    None where only the digest is known.  `role` is what it is to its head ("weights of level 2"),
    and `classes` are the head's; both are empty for a tensor of no head."""

    meta: TensorMeta
    digest: Callable[[], str]
    load: Any  # () -> the value; None in a golden file's
    role: str = ""
    classes: Tuple[ClassChannels, ...] = ()


@dataclasses.dataclass(frozen=True)
class Node:
    """A graph's node: its operation, and a short digest of the node without a constant's value."""

    op: str
    digest: str


@dataclasses.dataclass(frozen=True)
class GraphState:
    """A graph: its nodes, its constants' values by the node's name, and whatever else it records,
    as {what: text or digest}.  `saved` is what a SavedModel adds to that; None for a frozen
    graph."""

    nodes: Mapping[str, Node]
    constants: Mapping[str, TensorState]
    facts: Mapping[str, str]
    saved: Optional[Mapping[str, str]] = None


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """One side of a comparison; a part that it does not have is None.

    `config` and `raw_config` have each field's literal by its path, with and without paths into the
    directory being relative to it; a golden file has no raw one.  `labels` has the fields of each
    item by its id, and under "" what stands outside of items.  `graphs` are by their place: "" is
    the graph of a single file, a frozen graph's or a SavedModel's.  `files` describes all other
    files of a directory, each in one way or two: two files agree where one of their ways does.
    `directory` tells a model's directory from a single file; `holder` keeps unpacked files alive.
    """

    path: str
    directory: bool
    tensors: Optional[Mapping[str, TensorState]] = None
    config: Optional[Mapping[str, str]] = None
    raw_config: Optional[Mapping[str, str]] = None
    labels: Optional[Mapping[str, Mapping[str, str]]] = None
    graphs: Optional[Mapping[str, GraphState]] = None
    files: Optional[Mapping[str, Tuple[str, ...]]] = None
    holder: Any = None

    @property
    def constants(self) -> Optional[Mapping[str, TensorState]]:
        """The constants of the first graph."""
        return next(iter(self.graphs.values())).constants if self.graphs else None


def head_rows(model: Any, names: Mapping[int, str]):
    """{tensor: (role, classes)} of a described model's heads, moving averages included.

    `names` are the classes' names by id; a tensor of a head without a class axis has no classes.
    """
    found = {}
    for head in model.heads:
        kind = head.class_axis
        rows = []
        if kind is not None:
            shift = 1 if head.background else 0
            channels: Dict[int, List[int]] = {}
            for number, place in enumerate(head.layout.places()):
                channels.setdefault(place[kind], []).append(number)
            for place, own in sorted(channels.items()):
                identity = place - shift + 1
                rows.append(
                    ClassChannels(
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
