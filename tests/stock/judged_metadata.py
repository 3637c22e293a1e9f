"""A .tflite with metadata, beside what tflite-support writes, reads and detects."""

import json
import os
import subprocess

import numpy as np
import repository
import shapes_pictures

from graphfix.exporting import detections
from graphfix.exporting.tflite.metadata import NAME
from graphfix.formats.flatbuffers import reader, schema, writer

SCRIPT = os.path.join(repository.TESTS, "stock", "task_library.py")
LEAST = 0.3


def without_metadata(path):
    """A model's file as it was before."""
    with open(path, "rb") as file:
        root, _ = reader.read(file.read(), schema.tflite())
    entry = root.fields["Metadata"].pop()
    assert entry.get("Name") == NAME and entry.get("Buffer") == len(root.fields["Buffers"]) - 1
    root.fields["Buffers"].pop()
    return writer.write(root, schema.tflite())


def asked(python, directory, **job):
    """The answer of the Task Library's process."""
    paths = [str(directory / name) for name in ("job.json", "result.json")]
    with open(paths[0], "w") as file:
        json.dump(job, file)
    subprocess.run([python, SCRIPT, *paths], check=True)
    with open(paths[1]) as file:
        return json.load(file)


def bare(value):
    """Metadata without descriptions and what is empty."""
    if isinstance(value, dict):
        left = {name: bare(one) for name, one in value.items() if name != "description"}
        return {name: one for name, one in left.items() if name != "stats" or one}
    return [bare(one) for one in value] if isinstance(value, list) else value


def check(out, python, litert, directory):
    """The package reads and detects what it should; returns how many objects it finds."""
    model, labels = (os.path.join(out, name) for name in ("detect.tflite", "labels.txt"))
    with open(os.path.join(out, "export.json")) as file:
        details = json.load(file)["details"]
    plain = directory / "bare.tflite"
    plain.write_bytes(without_metadata(model))
    images = shapes_pictures.written(directory)
    arrays = [one + ".npy" for one in images]
    found = asked(
        python,
        directory,
        model=model,
        bare=str(plain),
        labels=labels,
        mean=[127.5],
        std=[127.5],
        least=LEAST,
        images=images,
        arrays=arrays,
    )
    assert bare(found["metadata"]) == bare(found["written"]["metadata"])
    with open(labels) as file:
        text = file.read()
    assert found["files"] == found["written"]["files"] == {"labels.txt": text}
    job = {"verb": "tflite_detect", "arrays": arrays, "bytes": details["quantized"]}
    job.update({name: details[name] for name in ("scale", "offset")})
    before, after = (
        detections.of_runtime(dict(job, model=one), litert, detections.JOBS, "ai-edge-litert")
        for one in (str(plain), model)
    )
    assert before["detections"] == after["detections"]
    names = text.splitlines()
    pairs = [pair for both in zip(after["detections"], found["detections"]) for pair in same(*both)]
    for ours, theirs in pairs:
        assert theirs["name"] == names[ours["class_id"] - 1]
        assert theirs["class_id"] == ours["class_id"]
        assert abs(theirs["score"] - ours["score"]) < 1e-5
        # Whole pixels, of pictures of the model's size; the runtime's job clips boxes to those.
        sides = np.array([details["height"], details["width"]] * 2)
        pixels = np.clip(theirs["pixels"], 0, sides)
        assert np.abs(ours["box"] * sides - pixels).max() < 2
    return len(pairs)


def same(ours, theirs):
    """The same objects of both.  Integers make equal scores, whose order is each one's own."""
    kept = [one for one in ours if one["score"] >= LEAST]
    assert len(kept) == len(theirs)
    return zip(
        sorted(kept, key=lambda one: (round(one["score"], 4), one["class_id"], one["box"])),
        sorted(theirs, key=lambda one: (round(one["score"], 4), one["class_id"], one["pixels"])),
    )
