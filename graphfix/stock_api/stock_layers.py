"""The first place along a network where two graphs part.

The same layers are found in both graphs by their kernels' names, and what is between two of a
layer's operations by its own name, where both graphs have it in that layer's scope.
"""

import re
from typing import Any, Dict, List, Set, Tuple

import agreement
import tensorflow.compat.v1 as tf

_AT_ONCE = 24  # tensors whose values are held in memory
_VERSION = re.compile(r"V\d+\Z")
_PREPROCESSOR = re.compile(r"(.*/)?Preprocessor/")
_NOT_LAYERS = ("Const", "Identity", "Variable", "VariableV2", "VarHandleOp", "ReadVariableOp")


def first_difference(source, output, picture, crops, before, job):
    """[step, words] of the first tensor that is not equal, None where all layers are."""
    pairs, equal = _layers(source, output, job), None
    feeds = [
        dict(zip(one.crops, values)) for one, values in ((source, before["crops"]), (output, crops))
    ]
    for start in range(0, len(pairs), _AT_ONCE):
        some = pairs[start : start + _AT_ONCE]
        values = [
            one.graph.run([pair[1 + side] for pair in some], picture, feeds[side])
            for side, one in enumerate((source, output))
        ]
        for (words, _, _), this, that in zip(some, *values):
            apart = agreement.gap(this, that)
            if not apart.equal:
                behind = f"; {equal} is equal" if equal else ""
                return ["layers", f"{words} {apart}{behind}"]
            equal = words
    return None


def _layers(source, output, job):
    """(words, tensor, the output's tensor) of all that can be compared, in the order in which the
    source computes it."""
    order = source.graph.needed(source.ends)
    needed = [set(order), set(output.graph.needed(output.ends))]
    heads = {
        kernel
        for stage in job["stages"]
        for pairs in (stage["class_kernels"], stage["box_kernels"])
        for kernel in pairs
        for kernel in kernel
    }
    heads |= set(job["masks"]["kernel"]) if job.get("masks") else set()
    both: Dict[Any, Any] = {}
    scopes: Set[str] = set()
    others = set(output.graph.kernels())
    for kernel in source.graph.kernels():
        if kernel in heads or kernel not in others:
            continue
        found = [
            [one for one in side.graph.convolutions(kernel) if one in some]
            for side, some in zip((source, output), needed)
        ]
        if len(found[0]) == len(found[1]):
            both.update(zip(*found))
            scopes.update(one.name.rpartition("/")[0] + "/" for one in found[0])
    pairs: List[Tuple[str, Any, Any]] = []
    for one in order:
        if one in both:
            if not pairs:
                images = [_preprocessed(this.inputs[0]) for this in (one, both[one])]
                pairs.append(("the preprocessed image", *images))
            pairs.append((f"the input of {one.name}", one.inputs[0], both[one].inputs[0]))
            pairs.append((f"the output of {one.name}", one.outputs[0], both[one].outputs[0]))
        elif pairs and one.type not in _NOT_LAYERS and _scope(one, scopes):
            other = output.graph.operation(one.name)
            if (
                other in needed[1]
                and _VERSION.sub("", other.type) == _VERSION.sub("", one.type)
                and [tensor.dtype for tensor in one.outputs[:1]] == [tf.float32]
            ):
                pairs.append((one.name, one.outputs[0], other.outputs[0]))
    return pairs


def _preprocessed(tensor):
    """The preprocessed image, which a network's first layer may take padded."""
    found = tensor
    while not _PREPROCESSOR.match(found.op.name):
        if not found.op.inputs:
            return tensor
        found = found.op.inputs[0]
    return found


def _scope(operation, scopes):
    """Whether an operation is in the scope of a layer."""
    parts = operation.name.split("/")
    return any("/".join(parts[:end]) + "/" in scopes for end in range(1, len(parts)))
