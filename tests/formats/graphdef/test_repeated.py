"""Copies that only come to be where a graph is written: against a graph that has all of them."""

import handgraphs
import numpy as np
import pytest

from graphfix.formats import extents
from graphfix.formats.graphdef import constants, files, skeleton
from graphfix.formats.graphdef.numbered import Numbered
from graphfix.formats.graphdef.repeated import Repetition

NAMES = {"short": "it", "odd": "100%/\u00e9\u4e2d", "127": "l" * 122, "long": "l" * 16400}


def branch(made, name, number, late, size):
    """Adds the branch of a number: copies of that of 0, which has nothing behind its names."""
    end = f"/n_{number}x" if number else ""
    made.value(f"{name}/number{end}", [5, number, 7], "int32")
    made.message.node[-1].input.append("^start")
    made.value(f"{name}/large{end}", np.zeros(size))
    made.node(f"{name}/part{end}", "Slice", "scores", f"{name}/number{end}", "size")
    taken = f"split:{number}" if number else "split"
    made.node(f"{name}/taken{end}", "Sub", taken, late, "^split")
    made.node(f"{name}/several{end}", "Split", "size", f"{name}/part{end}")
    made.message.node[-1].attr["num_split"].i = 2
    made.node(
        f"{name}/out{end}",
        "AddN",
        f"{name}/several{end}:1",
        f"{name}/taken{end}",
        f"{name}/large{end}",
        f"^{name}/part{end}",
    )
    made.message.node[-1].attr["N"].i = 3
    return [
        f"{name}/{part}{end}" for part in ("number", "large", "part", "taken", "several", "out")
    ]


def made_for(numbers, count, name, late, size):
    """A graph with the branches of `numbers`, joined, of `count` altogether; `late` comes last, and
    every branch needs it."""
    made = handgraphs.Made().node("start", "Placeholder").node("scores", "Placeholder", "^start")
    made.value("size", [1, 1], "int32").node("split", "Unpack", "scores")
    outs = [branch(made, name, 0, late, size)[-1]]
    outs += [outs[0] + f"/n_{number}x" for number in numbers if number]
    made.node("joint", "ConcatV2", *outs, "size")
    made.message.node[-1].attr["N"].i = count
    made.node("second", "ConcatV2", *[one.replace("/out", "/part") for one in outs], "size")
    made.message.node[-1].attr["N"].i = count
    made.node("result", "Sub", "joint", "second")
    names = [branch(made, name, number, late, size) for number in numbers if number]
    if late != "scores":
        made.node(late, "Neg", "scores")
    return made.graph(), names[-1]


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("late", ["scores", "late"])
@pytest.mark.parametrize("count", [2, 3, 9, 103])
def test_what_is_repeated_is_written_as_if_it_were_there(name, late, count):
    name = NAMES[name]
    whole, _ = made_for(range(count), count, name, late, 4)
    short = repeated(count, name, late, 4)
    written = extents.joined(files.graph_pieces(short))
    assert written == extents.joined(files.graph_pieces(whole))
    assert files.to_bytes(short.to_graph_def()) == files.to_bytes(whole.to_graph_def()) == written
    assert len(short.nodes) == len(whole.nodes) - 6 * max(0, count - 2)


def repeated(count, name, late, size):
    graph, last = made_for([0, count - 1], count, name, late, size)
    first = [one[: -len(f"/n_{count - 1}x")] for one in last]
    graph.repeated = Repetition(
        range(1, count - 1),
        ("/n_", "x"),
        dict(zip(last, first)),
        {last[0]: Numbered(graph.nodes[first[0]], 1)},
        frozenset(["split"]),
        {"joint": 1, "second": 1},
    )
    return graph


def test_what_lies_in_a_file_is_copied_from_there(tmp_path):
    """A branch may have a large constant, whose content is no part of a graph that was read."""
    size = skeleton.LARGE
    whole, _ = made_for(range(12), 12, "it", "scores", size)
    path = tmp_path / "it.pb"
    path.write_bytes(files.to_bytes(repeated(2, "it", "scores", size).to_graph_def()))
    graph = files.open_frozen(str(path)).graph().copy()
    graph.repeated = repeated(12, "it", "scores", size).repeated
    for old in [one for one in graph.nodes if one.endswith("/n_1x")]:
        node = graph.nodes.pop(old)
        node.name = node.name.replace("/n_1x", "/n_11x")
        graph.nodes[node.name] = node
    for node in graph.nodes.values():
        node.input = [
            one.replace("/n_1x", "/n_11x").replace("split:1", "split:11") for one in node.input
        ]
    for joint in ("joint", "second"):
        graph.nodes[joint].attr["N"].i = 12
    number = graph.nodes["it/number/n_11x"]
    number.attr["value"].CopyFrom(whole.nodes[number.name].attr["value"])
    pieces = files.graph_pieces(graph)
    assert sum(isinstance(one, extents.Span) for one in pieces) == 12
    assert extents.joined(pieces) == files.to_bytes(whole.to_graph_def())
    assert all(constants.stored(graph.nodes[f"it/large{end}"]) for end in ("", "/n_11x"))
