"""convert of a .tflite: kept channels are the source's, everything else stays, and what is told."""

import io
import json
import re
import zipfile

import lite_cases
import numpy as np
import pytest

import graphfix
from graphfix.formats.flatbuffers import flexbuffer


def convert(where, memory=None, **options):
    memory = memory or graphfix.Memory()
    found = graphfix.convert_lite(where, memory, graphfix.ConvertOptions(**options))
    return found, memory.files


def of(kind, tmp_path, **options):
    names = lite_cases.labels(tmp_path)
    return convert(lite_cases.path(kind), source_label_map_path=names, **options)


def detection(content):
    _, _, operators = lite_cases.tables(content)
    (found,) = [one for one in operators if one.get("CustomOptions") is not None]
    return flexbuffer.numbers(found.get("CustomOptions").tobytes())


@pytest.mark.parametrize("kind", lite_cases.KINDS)
@pytest.mark.parametrize("classes", [(4, 2), (3,), (1, 2, 3, 4, 5), (5, 4, 3, 2, 1)])
def test_heads_have_the_channels_of_the_classes(kind, classes, tmp_path):
    names = ",".join(lite_cases.NAMES[one - 1] for one in classes)
    _, files = of(kind, tmp_path, classes=names)
    before, after = (
        lite_cases.constants(content) for content in (lite_cases.data(kind), files["detect.tflite"])
    )
    heads = 0
    assert set(before) == set(after)
    for name, (old, scales) in before.items():
        new, rescaled = after[name]
        if "classes_" in name and len(old) > 3:
            heads += 1
            taken = lite_cases.places(kind, len(old), classes)
            assert np.array_equal(new, old[taken]), name
            own = scales is not None and len(scales) > 1
            assert not own or np.array_equal(rescaled, scales[taken])
        elif old.dtype == np.int32 and len(old) == 3 and old[-1] != 4:
            width = len(classes) + lite_cases.BACKGROUNDS.get(kind, 1)
            assert list(new) == [*old[:-1], width], name
        else:
            assert np.array_equal(new, old), name
    assert heads == (3 if kind == "shared" else 4)
    assert detection(files["detect.tflite"])["num_classes"].value == len(classes)


@pytest.mark.parametrize("kind", lite_cases.KINDS)
def test_what_is_computed_has_the_new_shapes(kind, tmp_path):
    _, files = of(kind, tmp_path, classes="two,five")
    old, new = (
        lite_cases.shapes(content) for content in (lite_cases.data(kind), files["detect.tflite"])
    )
    background = lite_cases.BACKGROUNDS.get(kind, 1)
    changed = {name: (old[name], new[name]) for name in old if old[name] != new[name]}
    computed = [pair for name, pair in changed.items() if name.startswith("classes_")]
    (scores,) = [name for name in old if name in ("Sigmoid", "Softmax")]
    assert changed[scores][1][-1] == 2 + background
    for before, after in changed.values():
        assert len(before) == len(after)
        (axis,) = [one for one, pair in enumerate(zip(before, after)) if pair[0] != pair[1]]
        assert before[axis] * (2 + background) == after[axis] * (5 + background)
    assert len(computed) >= 2


def test_all_classes_in_order_are_the_same_model(tmp_path):
    """Only its bytes may lie elsewhere."""
    for kind in lite_cases.KINDS:
        _, files = of(kind, tmp_path, classes=",".join(lite_cases.NAMES))
        again, _ = lite_cases.reader.read(files["detect.tflite"], lite_cases.SCHEMA)
        source, _ = lite_cases.reader.read(lite_cases.data(kind), lite_cases.SCHEMA)
        assert lite_cases.writer.write(again, lite_cases.SCHEMA) == files["detect.tflite"]
        assert alike(again, source)


def alike(one, other):
    if isinstance(one, lite_cases.reader.Table):
        return set(one.fields) == set(other.fields) and all(
            alike(value, other.fields[name]) for name, value in one.fields.items()
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return one == other


def test_labels_are_numbered_from_0_and_the_label_map_from_1(tmp_path):
    found, files = of("float", tmp_path, classes="four,two")
    assert files["labels.txt"] == b"four\ntwo\n"
    assert b'id: 1\n  name: "four"' in files["label_map.pbtxt"]
    assert set(found.files) | {"export.json", "manifest.json"} == set(files)
    exported = json.loads(files["export.json"].decode())
    assert exported["target"] == "tflite" and exported["details"]["rows"] == [[0], [4], [2]]
    codes = {one.code for one in found.findings}
    assert {"FEW_DETECTIONS", "CLASS_AGNOSTIC", "ROWS", "IDS_FROM_0"} <= codes
    assert "SOFTMAX" not in codes
    assert "SOFTMAX" in {one.code for one in of("softmax", tmp_path, classes="two")[0].findings}


def test_a_class_may_have_another_name_or_be_there_twice(tmp_path):
    _, files = of("float", tmp_path, classes="car,van", map=["car=two", "van=two"])
    old, _ = lite_cases.constants(lite_cases.data("float"))["classes_0/weights"]
    new, _ = lite_cases.constants(files["detect.tflite"])["classes_0/weights"]
    assert np.array_equal(new, old[lite_cases.places("float", len(old), (2, 2))])
    assert files["labels.txt"] == b"car\nvan\n"


@pytest.mark.parametrize("kind", ["float", "quantized", "per_channel"])
def test_the_mean_of_classes(kind, tmp_path):
    """In numbers, what the source's weights mean; rounded by half a step at most."""
    found, files = of(kind, tmp_path, classes="thing,five", map=["thing=one+three"])
    assert "MERGED" in {one.code for one in found.findings}
    before, after = (real(content) for content in (lite_cases.data(kind), files["detect.tflite"]))
    for name in before:
        if "classes_" not in name or len(before[name][0]) <= 3:
            continue
        old, _ = before[name]
        new, step = after[name]
        anchors = len(old) // 6
        for anchor in range(anchors):
            mean = (old[anchor * 6 + 1] + old[anchor * 6 + 3]) / 2
            gap = np.abs(new[anchor * 3 + 1] - mean).max()
            assert gap <= step[anchor * 3 + 1] * 0.5001 + 1e-6 * np.abs(mean).max(), name
            assert np.array_equal(new[anchor * 3 + 2], old[anchor * 6 + 5])


def real(content):
    """The numbers that constants mean, and the step of each channel."""
    _, tensors, _ = lite_cases.tables(content)
    found = {}
    values = lite_cases.constants(content)
    for tensor in tensors:
        name = tensor.get("Name").decode()
        if name not in values:
            continue
        array, quantization = values[name][0], tensor.get("Quantization")
        scales = quantization.get("Scale") if quantization else None
        if scales is None or not len(scales):
            found[name] = array.astype(np.float64), np.zeros(len(array) or 1)
            continue
        zero = np.asarray(quantization.get("ZeroPoint"), np.float64)
        wide = (-1,) + (1,) * (array.ndim - 1)
        steps = np.broadcast_to(scales.astype(np.float64), (len(array),))
        shift = np.broadcast_to(zero, (len(array),))
        found[name] = (array - shift.reshape(wide)) * steps.reshape(wide), steps
    return found


def packed(kind, files):
    """A model with an archive behind it, as TensorFlow Lite's metadata has one."""
    out = io.BytesIO(lite_cases.data(kind))
    with zipfile.ZipFile(out, "a") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("first", ["", "???\n"])
def test_lists_behind_the_model_follow(tmp_path, first):
    """They name the source's classes, too, where nobody else does."""
    lines = first + "".join(f"{name}\n" for name in lite_cases.NAMES)
    source = tmp_path / "packed.tflite"
    source.write_bytes(
        packed("float", {"labelmap.txt": lines, "notes.txt": "hello\n", "blob": b"\0\1"})
    )
    found, files = convert(source, classes="five,one")
    with zipfile.ZipFile(io.BytesIO(files["detect.tflite"])) as archive:
        assert archive.testzip() is None
        assert archive.read("labelmap.txt").decode() == first + "five\none\n"
        assert archive.read("notes.txt") == b"hello\n" and archive.read("blob") == b"\0\1"
        # Offsets count from the beginning of the file.
        assert archive.infolist()[0].header_offset > 1000
    told = {one.code: one for one in found.findings}
    assert told["SOURCE_NAMES"].subject == "labelmap.txt"
    assert told["SIDECAR_KEPT"].subject == "notes.txt"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"classes": "one,forklift"}, "class 'forklift': is none of the source's, .* cannot learn"),
        ({"classes": "one,threee"}, "class 'threee': is a new class, though .* --map"),
        ({"num_classes": 2}, "class 'class_1'"),
        ({"classes": "one", "seed": 3}, "--seed: means nothing to a .tflite"),
        ({"classes": "one", "freeze": "backbone"}, "--freeze: means nothing"),
        ({}, "the new classes: are not given"),
        ({"classes": "one", "map": ["one=7"]}, "7"),
    ],
)
def test_what_cannot_be(options, message, tmp_path):
    memory = graphfix.Memory()
    names = lite_cases.labels(tmp_path)
    with pytest.raises(graphfix.RequestError) as caught:
        convert(lite_cases.path("float"), memory, source_label_map_path=names, **options)
    flags = " ".join(f"{one.subject}: {one.message}; {one.remedy}" for one in caught.value.problems)
    assert re.search(message, flags), flags
    assert not memory.files


def test_label_maps_that_do_not_fit(tmp_path):
    names = lite_cases.labels(tmp_path, lite_cases.NAMES + ("six",))
    with pytest.raises(graphfix.SourceError, match=r"has the id 6, but .* has 5 classes"):
        convert(lite_cases.path("float"), source_label_map_path=names, classes="one")
    with pytest.raises(graphfix.SourceError, match="has the id 90, but"):
        convert(lite_cases.path("float"), source_label_map_path="coco", classes="person")
    with pytest.raises(graphfix.RequestError, match="is needed"):
        convert(lite_cases.path("float"), classes="one")
    gaps = tmp_path / "gaps.pbtxt"
    gaps.write_text('item { id: 1 name: "one" } item { id: 3 name: "five" }')
    with pytest.raises(graphfix.RequestError, match=r"id 2: is no class .* without gaps"):
        of("float", tmp_path, label_map_path=str(gaps))


def test_numbers_of_unnamed_classes(tmp_path):
    """Nobody has to know names."""
    found, files = convert(lite_cases.path("float"), num_classes=2, map=["1=5", "2=1"])
    assert files["labels.txt"] == b"class_1\nclass_2\n"
    assert [one.sources for one in found.classes] == [(5,), (1,)]
