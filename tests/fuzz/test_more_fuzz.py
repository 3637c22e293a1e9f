"""Any bytes at all give a result or a SourceError: graphs, archives, recipes, plans, golden
files."""

import contextlib
import io
import os
import random
import tarfile

import builders
import mutations
import pytest
from test_fuzz import ROUNDS, Outcome, limits  # noqa: F401  (a fixture)

from graphfix.batch.recipe import read_recipe
from graphfix.comparison.golden import read_golden, to_json
from graphfix.comparison.snapshots import open_snapshot
from graphfix.errors import RequestError, SourceError
from graphfix.formats.archive import Unpacked
from graphfix.formats.graphdef import constants, files
from graphfix.formats.schema import message_class
from graphfix.modeldir.openers import open_source
from graphfix.planning import plan_json
from graphfix.planning.plan_check import check_plan

INPUTS = {"graph": 600, "archive": 250, "recipe": 500, "plan": 300, "golden file": 300}
RECIPE = f"""# A recipe.
defaults {{ label_map_path: "labels.pbtxt" new_rows: mean seed: 3 map: ["a=b", "c="] }}
model {{ source: "one" name: "first" target {{ weights: ema trainer: legacy anchor_boxes: random }} }}
model {{ download {{ url: "https://h.example/two.tar.gz" size: 12345 sha256: "{"0123456789abcdef" * 4}" }} }}
"""  # noqa: E501


def inputs(name):
    for number in range(INPUTS[name] * ROUNDS):
        yield random.Random(f"{name} {number}")


def small_graph():
    """A graph with a few constants, attributes of several kinds, and inputs of each form."""
    graph = message_class("graphfix.graph.GraphDef")()
    for number, dtype in enumerate((1, 3, 9, 7)):
        node = graph.node.add(name=f"c{number}", op="Const")
        node.attr["dtype"].type = dtype
        tensor = node.attr["value"].tensor
        tensor.dtype = dtype
        tensor.tensor_shape.dim.add(size=2)
        if dtype == 1:
            tensor.tensor_content = bytes(8)
        elif dtype == 3:
            tensor.int_val.append(5)
        elif dtype == 9:
            tensor.int64_val.extend([1, 2])
        else:
            tensor.string_val.extend([b"a", b"b"])
    add = graph.node.add(name="scope/add", op="Add", input=["c0", "c1:0", "^c2"])
    add.attr["T"].type = 1
    graph.node.add(name="out", op="Identity", input=["scope/add:0"])
    return graph.SerializeToString()


@pytest.mark.slow
def test_graph(tmp_path):
    base, outcome = small_graph(), Outcome()
    path = str(tmp_path / "frozen_inference_graph.pb")
    for made in inputs("graph"):
        data = mutations.mutate_message(made, base)
        with open(path, "wb") as file:
            file.write(data)

        def read():
            graph = files.open_graph(files.read_graph_def(path), path)
            for node in graph.nodes.values():
                if constants.is_constant(node):
                    try:
                        value = constants.value_of(node)
                        assert value.shape == constants.meta_of(node).shape
                    except ValueError as error:
                        assert node.name in str(error)
            thing = open_snapshot(path)
            return [state.digest() for state in (thing.constants or {}).values()]

        outcome.of(read, data)
    assert outcome.results > 50 * ROUNDS and len(outcome.said) > 2, outcome.said


def test_archive(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, size in (
            ("m/pipeline.config", 40),
            ("m/model.ckpt.index", 700),
            ("m/" + "x" * 120 + "\u00e9.index", 10),
        ):
            info = tarfile.TarInfo(name)
            info.size = size
            archive.addfile(info, io.BytesIO(bytes(size)))
    base = buffer.getvalue()[:6144]
    outcome = Outcome()
    path = str(tmp_path / "it.tar")
    for made in inputs("archive"):
        data = mutations.mutate_bytes(made, base)
        if made.random() < 0.5:  # so that the header's checksum is right
            at = made.choice(list(range(0, 2048, 512)))
            block = bytearray(data[at : at + 512].ljust(512, b"\0"))
            block[made.randrange(512)] = made.choice((0, 47, 46, 48, 49, 50, 51, 83, 120, 255))
            block[148:156] = b" " * 8
            block[148:156] = b"%06o\0 " % sum(block)
            data = data[:at] + bytes(block) + data[at + 512 :]
        with open(path, "wb") as file:
            file.write(data)

        def unpack():
            try:
                unpacked = Unpacked(path)
            except RequestError:
                return None
            names = os.listdir(unpacked.directory)
            unpacked.close()
            return names

        outcome.of(unpack, data)
        assert os.listdir(str(tmp_path)) == ["it.tar"]
    assert outcome.results > 20 * ROUNDS and len(outcome.said) > 2, outcome.said


def test_recipe(tmp_path):
    outcome = Outcome()
    for made in inputs("recipe"):
        text = mutations.mutate_text(made, RECIPE)
        entries = outcome.of(lambda: read_recipe(text, str(tmp_path / "recipe.txt")), text)
        for entry in entries or ():
            assert entry.name and "/" not in entry.name and not entry.name.startswith(".")
            assert (entry.source is None) != (entry.download is None)
    assert outcome.results > 10 * ROUNDS and len(outcome.said) > 20, outcome.said


@pytest.fixture
def converted(graphfix, model, tmp_path):
    out = str(tmp_path / "out")
    labels = builders.write(tmp_path, "labels", builders.label_map(["person", "zebra"]))
    assert (
        graphfix("convert", model, "--label_map_path", labels, "--output_directory", out).code == 0
    )
    return out


@pytest.mark.slow
def test_plan(model, converted):
    with open(os.path.join(converted, "plan.json"), encoding="utf-8") as file:
        base = file.read()
    source = open_source(model)
    outcome = Outcome()
    for made in inputs("plan"):
        text = mutations.mutate_text(made, base).decode("utf-8", "replace")

        def read():
            plan = plan_json.from_json(text, "it")
            with contextlib.suppress(RequestError):
                check_plan(plan, source, "it")
            return plan

        outcome.of(read, "a plan")
    assert len(outcome.said) > 2, outcome.said


def test_golden_file(tmp_path, converted):
    base = to_json(open_snapshot(converted))
    # A few rows of each part are as good as all.
    lines = [
        line
        for number, line in enumerate(base.splitlines(True))
        if not line.startswith("  ") or number % 40 == 5 or "BoxPredictor_0/C" in line
    ]
    base = "".join(lines)
    for last in (",\n}", ",\n }"):
        base = base.replace(last, "\n}")
    path = str(tmp_path / "golden.json")
    outcome = Outcome()
    for made in inputs("golden file"):
        with open(path, "wb") as file:
            file.write(mutations.mutate_text(made, base))
        outcome.of(lambda: read_golden(path), "a golden file")
    with open(path, "w") as file:
        file.write(base)
    assert read_golden(path).tensors, "the unchanged one must be read"
    assert len(outcome.said) > 2, outcome.said


def test_the_contract_is_about_something(tmp_path):
    with pytest.raises(SourceError):
        read_recipe(b"x", "it")
