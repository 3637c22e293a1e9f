"""Changes of an output that leave it looking valid, for `tampering`: a table of them, and those of
files as wholes.

A change takes (output, choose): `output` is the directory and what else there is to take from, and
`choose` the source of randomness.  It returns the words of which one must be in what verify says
(a file, a tensor), or None where there is nothing there to be changed so.
"""

import os
import re
import shutil

import builders
import handmade
import numpy as np

from graphfix.formats.checkpoint import table
from robustness import changed_graphs as graphs
from robustness import changed_texts as texts
from robustness.changed_graphs import graph
from robustness.changed_tensors import (
    DATA,
    INDEX,
    added,
    exchanged,
    is_head,
    is_real,
    left_out,
    moved,
    permuted,
    renamed,
    reshaped,
    retyped,
    tensors,
    ulp,
    values,
)

MANIFEST = "manifest.json"


class Output:
    """A copy of an output that is to be changed; `others` are outputs of other conversions,
    `source` is what it was made from."""

    def __init__(self, directory, others, source):
        self.directory, self.others, self.source = directory, others, source

    def path(self, name):
        return os.path.join(self.directory, name)

    def has(self, name):
        return os.path.exists(self.path(name))

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def write(self, name, data):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        builders.write(self.directory, name, data)

    def files(self):
        return sorted(
            os.path.relpath(os.path.join(folder, name), self.directory)
            for folder, _, names in os.walk(self.directory)
            for name in names
        )

    def prefix(self):
        return next(name for name in self.files() if name.endswith(INDEX))[: -len(INDEX)]


def named(name):
    """The words for a file: a checkpoint's by its prefix."""
    return [re.sub(r"\.(index|data-\d+-of-\d+)$", "", name)]


# Bytes, of any file.


def bytes_of(change):
    def changed(output, choose):
        name = choose.choice([one for one in output.files() if output.read(one)])
        data = output.read(name)
        new = change(data, choose)
        if new == data:
            return None
        output.write(name, new)
        return named(name)

    return changed


def flipped(data, choose):
    place = choose.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << choose.randrange(8)]) + data[place + 1 :]


def inserted(data, choose):
    place = choose.randrange(len(data) + 1)
    return (
        data[:place]
        + (
            choose.choice((b" ", b"\n", b"\0", b"x"))
            if choose.random() < 0.5
            else bytes([choose.randrange(256)])
        )
        + data[place:]
    )


def deleted(data, choose):
    place = choose.randrange(len(data))
    return data[:place] + data[place + choose.choice((1, 1, 4, 64)) :]


def cut(data, choose):
    return data[: choose.randrange(len(data))]


def exchanged_bytes(data, choose):
    one, two = sorted(choose.randrange(len(data)) for _ in range(2))
    return (
        data[:one]
        + data[two : two + 1]
        + data[one + 1 : two]
        + data[one : one + 1]
        + data[two + 1 :]
        if one < two
        else data
    )


def missing(output, choose):
    name = choose.choice(output.files())
    if name == MANIFEST and not output.has("plan.json"):
        return None  # what it leaves is refused: nothing says that graphfix wrote it
    os.remove(output.path(name))
    return named(name)


def exchanged_words(data, choose):
    """64-bit words in another order have the same sum."""
    words = len(data) // 8
    one, two = choose.randrange(words or 1), choose.randrange(words or 1)
    out = bytearray(data)
    out[8 * one : 8 * one + 8], out[8 * two : 8 * two + 8] = (
        data[8 * two : 8 * two + 8],
        data[8 * one : 8 * one + 8],
    )
    return bytes(out[: len(data)])


# Files of a checkpoint.


def another_checkpoint(output, choose):
    """A further shard, or checkpoint."""
    prefix = output.prefix()
    name = choose.choice(
        (
            prefix + ".data-00001-of-00002",
            prefix + "-7" + INDEX,
            "x" + DATA,
            prefix + ".meta",
            "saved_model/variables/variables" + INDEX,
            "saved_model/saved_model.pb",
            "new.index",
        )
    )
    if output.has(name):
        return None
    output.write(name, output.read(prefix + (INDEX if name.endswith(INDEX) else DATA)))
    return [name]


def encoded_anew(output, choose):
    """The same index, in blocks of other sizes."""
    name = output.prefix() + INDEX
    pairs = list(table.read(output.read(name), name))
    output.write(
        name, handmade.split_table(pairs, choose.choice((1, 7, 50)), share=choose.random() < 0.5)
    )
    return [name]


# Files of other outputs, and manifests.


def of_another(output, choose, more=()):
    other = choose.choice(output.others)
    names = [
        name
        for name in output.files()
        if name != MANIFEST and os.path.isfile(os.path.join(other, name))
    ]
    names = [name for name in names if output.read(name) != content(other, name)]
    if not names:
        return None
    name = choose.choice(names)
    for one in [name] + list(more):
        shutil.copy(os.path.join(other, one), output.path(one))
    return [name.split("/")[-1]] if not more else [""]


def content(directory, name):
    with open(os.path.join(directory, name), "rb") as file:
        return file.read()


def of_another_with_its_manifest(output, choose):
    return of_another(output, choose, more=[MANIFEST])


def manifest_of_another(output, choose):
    other = choose.choice(output.others)
    shutil.copy(os.path.join(other, MANIFEST), output.path(MANIFEST))
    return [""]


def manifest_digit(output, choose):
    """A value of the manifest's, behind its old checksum, in its own layout."""
    text = output.read(MANIFEST).decode()
    found = choose.choice(list(re.finditer(r"[0-9a-f]+", text)))
    digit = "1" if found.group()[0] != "1" else "2"
    output.write(MANIFEST, text[: found.start()] + digit + text[found.start() + 1 :])
    return [MANIFEST]


CHANGES = {
    "files as they are": {
        "bit flipped": bytes_of(flipped),
        "byte inserted": bytes_of(inserted),
        "bytes deleted": bytes_of(deleted),
        "file cut": bytes_of(cut),
        "two bytes exchanged": bytes_of(exchanged_bytes),
        "two words exchanged": bytes_of(exchanged_words),
        "file missing": missing,
    },
    "tensors, written by graphfix's own writer": {
        "left out": tensors(left_out),
        "added": tensors(added),
        "renamed": tensors(renamed),
        "of another type": tensors(retyped),
        "reshaped": tensors(reshaped),
        "two exchanged": tensors(exchanged),
        "global_step moved": tensors(moved),
        "scaled": values(lambda a, choose: a * np.float32(choose.choice((2, 1.001))), is_real),
        "negated": values(lambda a, choose: -a, is_real),
        "rows permuted": values(permuted, is_real),
        "class channels permuted": values(permuted, is_head),
        "class channels reversed": values(lambda a, choose: a[..., ::-1], is_head),
        "last bit of a value": values(ulp, is_real),
        "zeros": values(lambda a, choose: a * 0, is_real),
    },
    "checkpoint's files": {
        "shard or checkpoint added": another_checkpoint,
        "index encoded anew": encoded_anew,
        "state": texts.state,
    },
    "label map": {
        "ids exchanged": texts.labels(texts.two_labels),
        "renamed": texts.labels(texts.other_name),
        "display name": texts.labels(texts.other_display),
        "class removed": texts.labels(texts.no_label),
        "class added": texts.labels(texts.new_label),
    },
    "config": {
        "field changed": texts.config(texts.field),
        "removed": texts.config(texts.no_field),
        "twice": texts.config(texts.field_again),
        "block twice": texts.config(texts.block_again),
        "num_classes": texts.one_field("num_classes"),
        "learning rate": texts.one_field("learning_rate(?:_base)?"),
        "anchors": texts.one_field("(?:min_scale|max_scale|aspect_ratios?|scales)"),
        "path": texts.one_field("(?:fine_tune_checkpoint|label_map_path|input_path)"),
    },
    "plan and reports": {
        "plan": texts.json_of("plan.json"),
        "class sources": texts.json_of("plan.json", texts.class_sources),
        "finding": texts.json_of("plan.json", texts.finding),
        "edit": texts.json_of("plan.json", texts.gathered),
        "report": texts.json_of("report.json"),
        "page": texts.page,
    },
    "frozen graph and SavedModel": {
        "constant": graph(graphs.graph_constant),
        "variable": graph(graphs.graph_variable),
        "node removed": graph(graphs.no_node),
        "node renamed": graph(graphs.node_renamed),
        "attribute": graph(graphs.attribute),
        "emptied": graph(graphs.no_nodes),
        "version": graph(graphs.other_version),
        "unknown field": graphs.unknown_field,
        "the source's": graphs.of_the_source,
    },
    "files of other outputs": {
        "a file": of_another,
        "a file and the manifest": of_another_with_its_manifest,
        "the manifest": manifest_of_another,
    },
    "manifest": {"a value": texts.json_of(MANIFEST), "a digit": manifest_digit},
}
