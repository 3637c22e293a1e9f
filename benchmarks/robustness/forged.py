"""Changes behind which the manifest is made anew, as graphfix would have made it: for `tampering`.

A manifest has no key, so whoever can change a file can change it, too.  What is noticed then is
what contradicts another part: labels and tensors the plan, config the tensors, graph the
checkpoint.
"""

import json
import os

from graphfix.detectors.describe import describe
from graphfix.errors import GraphfixError
from graphfix.formats.checkpoint import reader
from graphfix.modeldir import manifest, measuring
from graphfix.modeldir.names import MANIFEST
from graphfix.pipeline_config.document import parse_config
from robustness import changed_texts, changes

# group, kind in `changes`: is noticed where the output is one of convert's (its plan says what it
# is).
PLANNED = [
    ("tensors, written by graphfix's own writer", "left out"),
    ("tensors, written by graphfix's own writer", "added"),
    ("tensors, written by graphfix's own writer", "renamed"),
    ("tensors, written by graphfix's own writer", "global_step moved"),
    ("checkpoint's files", "state"),
    ("label map", "ids exchanged"),
    ("label map", "renamed"),
    ("label map", "display name"),
    ("label map", "class removed"),
    ("label map", "class added"),
    ("config", "num_classes"),
    ("plan and reports", "class sources"),
    ("plan and reports", "finding"),
]
# Where there is a graph beside the checkpoint, too.
WITH_GRAPH = [
    ("tensors, written by graphfix's own writer", "class channels permuted"),
    ("tensors, written by graphfix's own writer", "class channels reversed"),
    ("frozen graph and SavedModel", "variable"),
    ("frozen graph and SavedModel", "emptied"),
    ("frozen graph and SavedModel", "the source's"),
]
# Contradict nothing else, so that nobody can notice it.
CONSISTENT = [
    ("tensors, written by graphfix's own writer", "scaled"),
    ("tensors, written by graphfix's own writer", "class channels permuted"),
    ("tensors, written by graphfix's own writer", "reshaped"),
    ("tensors, written by graphfix's own writer", "of another type"),
    ("config", "learning rate"),
    ("config", "anchors"),
    ("plan and reports", "edit"),
    ("plan and reports", "page"),
]


def anew(directory):
    """Makes a directory's manifest anew; its model, where it is one."""
    before = manifest.read_manifest(directory)
    model = None
    if before.model is not None:
        try:
            with open(os.path.join(directory, "pipeline.config"), "rb") as file:
                message = parse_config(file.read(), "pipeline.config").message
            metas = {
                name: view.meta
                for name, view in reader.open_bundle(os.path.join(directory, "model.ckpt")).items()
            }
            model = manifest.spec_json(describe(message, metas, config="", checkpoint=""))
        except GraphfixError:
            model = before.model
    measured = measuring.measure(directory)
    write(
        directory,
        manifest.Manifest(
            measured.files, measured.directories, measured.checkpoints, model, before.made_of
        ),
    )


def write(directory, record):
    changes.builders.write(directory, MANIFEST, record.to_json())


def rows_of(kind):
    """A change of one row of the manifest, behind a right checksum."""

    def changed(output, choose):
        text = output.read(MANIFEST).decode()
        data = json.loads(text)
        names = kind(data, choose)
        if names is None:
            return None
        data.pop("checksum")
        body = json.dumps(data, sort_keys=True)[1:] + "\n"
        output.write(MANIFEST, f'{{"checksum": "{manifest._checksum(body.encode())}",\n{body}')
        return names

    return changed


def file_row(data, choose):
    name = choose.choice(sorted(data["files"]))
    row = data["files"][name]
    field = choose.choice(sorted(row))
    row[field] = (
        row[field] + 1
        if field == "size"
        else ("1" if row[field][0] != "1" else "2") + row[field][1:]
    )
    return [name]


def file_left_out(data, choose):
    name = choose.choice(sorted(data["files"]))
    del data["files"][name]
    return [name]


def file_added(data, choose):
    name = choose.choice(("x.pb", "saved_model/x", "frozen_inference_graph.pb", "export.meta"))
    if name in data["files"]:
        return None
    data["files"][name] = {"size": 3, "crc32c": "00000000", "sum64": "0000000000000000"}
    return [name]


def tensor_row(data, choose):
    rows = data["checkpoints"][choose.choice(sorted(data["checkpoints"]))]
    name = choose.choice(sorted(rows))
    row = rows[name]
    field = choose.choice(sorted(row))
    if field == "shape":
        row["shape"] = row["shape"] + [1]
    elif field == "dtype":
        row["dtype"] = "int32"
    else:
        row[field] = ("1" if row[field][0] != "1" else "2") + row[field][1:]
    return [name]


def tensor_left_out(data, choose):
    rows = data["checkpoints"][choose.choice(sorted(data["checkpoints"]))]
    name = choose.choice(sorted(rows))
    del rows[name]
    return [name]


def model_field(data, choose):
    if not data["model"]:
        return None
    while changed_texts.leaf(data["model"], choose) is False:
        pass
    return ["makes the model's", "classes", "conversion"]


ROWS = {
    "a file's": rows_of(file_row),
    "a file's left out": rows_of(file_left_out),
    "a file's added": rows_of(file_added),
    "a tensor's": rows_of(tensor_row),
    "a tensor's left out": rows_of(tensor_left_out),
    "the model's": rows_of(model_field),
}
