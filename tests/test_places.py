"""No message, and nothing that is written, names the directory that an archive is unpacked to."""

import gc
import os
import shutil
import tarfile

import builders
import pytest
import repository

from graphfix import places
from graphfix.errors import Problem
from graphfix.findings import Finding
from graphfix.formats.archive import Unpacked


def cut(path, size=5000):
    with open(str(path), "r+b") as file:
        file.truncate(size)


# What is wrong with a model in an archive.
FAULTS = {
    "nothing": lambda top: None,
    "edited": lambda top: replace(top / "pipeline.config", "num_classes: 8", "num_classes: 5"),
    "graph": lambda top: cut(top / "frozen_inference_graph.pb"),
    "labels": lambda top: builders.write(top, "label_map.pbtxt", 'item { id: 77 name: "x" }'),
    "data": lambda top: cut(top / "model.ckpt.data-00000-of-00001"),
    "index": lambda top: cut(top / "model.ckpt.index", 500),
    "config": lambda top: builders.write(top, "pipeline.config", "model { ssd { foo: 3 } }"),
    "no config": lambda top: os.remove(str(top / "pipeline.config")),
}
COMMANDS = (
    "inspect PATH -v",
    "convert PATH --classes ring,foo -v -o OUT/c --target_api 2019-07",
    "convert PATH --classes a --source_label_map_path coco -o OUT/l --target_api 2019-07",
    "convert PATH --num_classes 2 --require_graph -v -o OUT/g --target_api 2019-07",
    "export torch PATH -v -o OUT/t",
    "export opencv PATH -v -o OUT/o",
    "diff PATH PATH",
)


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("fault", FAULTS)
def test_an_archive_goes_by_its_name(graphfix, tmp_path, monkeypatch, fault):
    for name in ("model", "out", "temporary"):
        (tmp_path / name).mkdir()
    model = tmp_path / "model" / "shapes"
    shutil.copytree(repository.DETECTOR, str(model))
    FAULTS[fault](model)
    path = str(tmp_path / "shapes.tar.gz")
    with tarfile.open(path, "w:gz", compresslevel=1) as file:
        file.add(str(model), "shapes")
    temporary = str(tmp_path / "temporary")
    monkeypatch.setattr("tempfile.tempdir", temporary)
    refused = []
    for command in COMMANDS:
        words = [
            word.replace("PATH", path).replace("OUT", str(tmp_path / "out"))
            for word in command.split()
        ]
        done = graphfix(*words)
        assert temporary not in done.out + done.err, command
        assert done.code in (0, 3), done.err
        refused += [done.err] if done.code else []
    # What concerns a file of the archive names it there.
    assert any("shapes.tar.gz/" in one for one in refused) or fault == "edited"
    for top, _, names in os.walk(str(tmp_path / "out")):
        for name in names:
            with open(os.path.join(top, name), "rb") as file:
                assert temporary.encode() not in file.read(), name


def test_what_is_said_of_a_directory_ends_with_it(tmp_path):
    with tarfile.open(str(tmp_path / "m.tar"), "w") as file:
        file.add(os.path.join(repository.DETECTOR, "pipeline.config"), "m/pipeline.config")
    unpacked = Unpacked(str(tmp_path / "m.tar"))
    inside = os.path.join(unpacked.directory, "pipeline.config")
    shown = str(tmp_path / "m.tar") + "/pipeline.config"
    assert str(Problem(inside, f"see {inside}", f"read {inside}")).count(shown) == 3
    assert str(Finding("X", "info", inside, f"see {inside}", f"read {inside}")).count(shown) == 3
    assert places.named("elsewhere") == "elsewhere"
    del unpacked
    gc.collect()
    assert places.named(inside) == inside
