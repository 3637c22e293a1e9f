"""From memory to memory, and how often a conversion reads what it reads."""

import collections
import os

import builders
import numpy as np
import pytest

import graphfix
from graphfix.conversion import convert as conversion
from graphfix.formats.textproto import parser

OPTIONS = graphfix.ConvertOptions(num_classes=2, map=["1=2"], target_api="2019-07")


def test_from_memory_to_memory_as_from_disk_to_disk(model, tmp_path):
    opened = graphfix.open_model(model)
    arrays = {name: view.load() for name, view in opened.store.items()}
    source = graphfix.model_in_memory(arrays, opened.config.document.text)
    memory = graphfix.Memory(place=str(tmp_path / "out"))
    report = graphfix.convert(source, memory, OPTIONS)
    assert report.source == "memory" and not os.listdir(str(tmp_path))
    graphfix.convert(model, tmp_path / "out", OPTIONS)
    written = {
        name: (tmp_path / "out" / name).read_bytes() for name in os.listdir(str(tmp_path / "out"))
    }
    assert set(memory.files) == set(written)
    same = {name for name in written if written[name] == memory.files[name]}
    # The rest name the source, or what it was made of.
    assert same >= {"model.ckpt.index", "model.ckpt.data-00000-of-00001", "pipeline.config"}
    for name in ("label_map.pbtxt", "checkpoint"):
        assert name in same


def test_a_plan_replays_from_memory(model):
    source = graphfix.open_model(model)
    plan = graphfix.plan(source, OPTIONS, output_directory="somewhere")
    memory = graphfix.Memory(place=os.path.abspath("somewhere"))
    report = graphfix.convert(source, memory, plan=plan)
    assert report.plan.edits == plan.edits
    with pytest.raises(graphfix.RequestError, match="already fixes seed="):
        graphfix.convert(source, memory, graphfix.ConvertOptions(seed=3), plan=plan)


def test_a_memory_names_a_placeholder(model):
    memory = graphfix.Memory()
    graphfix.convert(model, memory, OPTIONS)
    assert (
        b'fine_tune_checkpoint: "PATH_TO_BE_CONFIGURED/model.ckpt"'
        in (memory.files["pipeline.config"])
    )
    assert "MB>" in repr(memory)


def test_what_is_given_twice_is_refused(model, tmp_path):
    source = graphfix.open_model(model)
    options = graphfix.ConvertOptions(pipeline_config_path="x.config", num_classes=1)
    with pytest.raises(graphfix.RequestError, match="pipeline_config_path=: is given for a model"):
        graphfix.convert(source, tmp_path / "out", options)


def test_each_thing_is_read_once(model, tmp_path, monkeypatch):
    """Each file parsed once, each head's tensor read once."""
    parsed, loaded = collections.Counter(), collections.Counter()
    original = parser._Parser.document

    def parse(self):
        parsed.update([os.path.basename(self.source.subject)])
        return original(self)

    monkeypatch.setattr(parser._Parser, "document", parse)
    source = graphfix.open_model(model)
    for name, view in source.store.items():
        object.__setattr__(view, "load", _counting(loaded, name, view.load))
    labels = builders.write(tmp_path, "labels.pbtxt", builders.label_map(["person", "zebra"]))
    options = graphfix.ConvertOptions(label_map_path=labels, target_api="2019-07")
    report = conversion.convert(source, graphfix.Directory(tmp_path / "out"), options)
    changed = {edit.tensor for edit in report.plan.edits if edit.channels is not None}
    assert {name: loaded[name] for name in changed} == dict.fromkeys(changed, 1)
    assert max(loaded.values()) == 1
    # The source's, the edited text, and what is read back to be verified.
    assert parsed["pipeline.config"] == 3
    # The one beside the source; what is read back is compared with what was to be written.
    assert parsed["label_map.pbtxt"] == 1
    assert parsed["labels.pbtxt"] == 1


def _counting(counter, name, load):
    def counted():
        counter.update([name])
        return load()

    return counted


def test_tensors_of_other_types_are_refused():
    with pytest.raises(graphfix.SourceError, match="which no checkpoint stores"):
        graphfix.model_in_memory({"a": np.array(["x"])}, "model { ssd { } }")


def test_arrays_may_lie_in_any_order(model):
    opened = graphfix.open_model(model)
    arrays = {name: view.load() for name, view in opened.store.items()}
    other = {
        name: array.astype(array.dtype.newbyteorder(">")).copy(order="F")
        for name, array in arrays.items()
    }
    files = []
    for tensors in (arrays, other):
        memory = graphfix.Memory()
        source = graphfix.model_in_memory(tensors, opened.config.document.text)
        graphfix.convert(source, memory, OPTIONS)
        files.append(memory.files)
    assert files[0] == files[1]


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "x" * 2000])
def test_a_tensor_with_a_name_of_no_variable_is_the_checkpoints_fault(tmp_path, name):
    tensors = dict(builders.values(4), **{"FeatureExtractor/" + name: np.float32(3)})
    source = builders.write_model(tmp_path / "source", tensors=tensors)
    options = graphfix.ConvertOptions(num_classes=2, target_api="2019-07")
    with pytest.raises(graphfix.SourceError, match="is no name of a variable"):
        graphfix.convert(source, graphfix.Memory(), options)
