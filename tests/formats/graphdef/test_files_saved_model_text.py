"""A SavedModel as text, and fields that no schema knows."""

import os

import pytest
import repository
from handgraphs import Made

import graphfix
from graphfix.errors import SourceError
from graphfix.formats import extents
from graphfix.formats.graphdef import files, kinds
from graphfix.formats.schema import message_class

FROZEN = os.path.join(repository.DETECTOR, "frozen_inference_graph.pb")


def saved(graph_def):
    message = message_class("graphfix.graph.SavedModel")(saved_model_schema_version=1)
    meta = message.meta_graphs.add(graph_def=graph_def)
    meta.meta_info_def.tags.append(files.SERVE)
    return message


def both(tmp_path, graph_def, config=None):
    """Directories of the same SavedModel, as bytes and as text."""
    message = saved(graph_def)
    forms = {"bytes": message.SerializeToString(), "text": str(message).encode()}
    for form, data in forms.items():
        (tmp_path / form).mkdir()
        (tmp_path / form / kinds.SAVED_MODEL_FILES[form == "text"]).write_bytes(data)
        if config:
            (tmp_path / form / "pipeline.config").write_bytes(config)
    return [str(tmp_path / form) for form in sorted(forms)]


def test_it_is_read_as_if_it_were_bytes(tmp_path):
    made = Made().constant("w", (2000,)).node("x", "Neg", "w").message
    one, other = map(files.open_saved_model, both(tmp_path, made))
    assert other.path.endswith("saved_model.pbtxt")
    assert one.whole() == other.whole() == saved(made) and other.is_saved_model
    # TensorFlow reads the bytes where there are both.
    (tmp_path / "text" / "saved_model.pb").write_bytes(
        (tmp_path / "bytes" / "saved_model.pb").read_bytes()
    )
    assert files.open_saved_model(str(tmp_path / "text")).path.endswith("saved_model.pb")


def test_what_is_none_is_refused(tmp_path):
    (tmp_path / "saved_model.pbtxt").write_text("saved_model_schema_version: 'one'")
    with pytest.raises(SourceError, match="is not a SavedModel as text: 1:29"):
        files.open_saved_model(str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("place", ["", "saved_model.pbtxt"])
def test_it_is_converted_as_if_it_were_bytes(tmp_path, place):
    with open(os.path.join(repository.DETECTOR, "pipeline.config"), "rb") as file:
        directories = both(tmp_path, files.read_graph_def(FROZEN), file.read())
    options = graphfix.ConvertOptions(
        num_classes=3,
        map=["1=ring"],
        fine_tune_checkpoint="x",
        require_graph=True,
        source_label_map_path=os.path.join(repository.DETECTOR, "shapes_label_map.pbtxt"),
    )
    made = []
    for source in (directories[0], os.path.join(directories[1], place)):
        out = tmp_path / f"out{len(made)}"
        graphfix.convert(source, out, options)
        written = files.open_saved_model(str(out / "saved_model")).whole()
        others = ("model.ckpt.data-00000-of-00001", "model.ckpt.index", "pipeline.config")
        made.append([written, *((out / name).read_bytes() for name in others)])
    assert made[0] == made[1]


@pytest.mark.parametrize("parts", [1, 2])
def test_unknown_fields_of_a_graph_stay(tmp_path, parts):
    """Also where a file is not read node by node, such as one of two parts (a message may be
    written so)."""
    unknown = b"\xf8\x06\x05" + b"\xfa\x06\x03abc"  # field 111, as a number and as bytes
    node = Made().constant("w", (2,)).node("x", "Neg", "w").message.SerializeToString()
    graph = node + unknown
    if parts == 2:
        # MetaGraphDef's graph_def, twice.
        half = Made().node("y", "Placeholder").message.SerializeToString()
        meta = b"".join(b"\x12" + bytes([len(one)]) + one for one in (graph, half))
        path = tmp_path / "it.meta"
        file = files.open_meta_graph(str(_written(path, meta)))
    else:
        file = files.open_frozen(str(_written(tmp_path / "it.pb", graph)))
    made = extents.joined(files.graph_pieces(file.graph().copy()))
    assert unknown in made and b"w" in made


def _written(path, data):
    path.write_bytes(data)
    return path
