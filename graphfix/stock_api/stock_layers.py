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
    """[step, words] of the first tensor that is not equal, None where all layers are; and what the
    output's graph is to be fed, so that they are: see `_rounded`."""
    pairs, equal, forced = _layers(source, output, job), None, {}
    feeds = [
        dict(zip(one.crops, values)) for one, values in ((source, before["crops"]), (output, crops))
    ]
    at = 0
    while at < len(pairs):
        some = pairs[at : at + _AT_ONCE]
        values = [
            one.graph.run([pair[1 + side] for pair in some], picture, feeds[side])
            for side, one in enumerate((source, output))
        ]
        for (words, tensor, other), this, that in zip(some, *values):
            at += 1
            apart = agreement.gap(this, that)
            if apart.equal:
                equal = words
            elif _rounded(source, output, (tensor, other), apart, picture, feeds):
                forced[other] = feeds[1][other] = this
                break  # the rest of these follows from it
            else:
                behind = f"; {equal} is equal" if equal else ""
                return ["layers", f"{words} {apart}{behind}"], {}
    return None, forced


def _rounded(source, output, tensors, apart, picture, feeds):
    """Whether values differ by no more than their rounding to 8 bits, of equal values.

    In two graphs they differ in the last place, and one that is just between two steps is then
    rounded up in one graph and down in the other.
    """
    if tensors[0].op.type != agreement.QUANTIZATION or tensors[1].op.type != agreement.QUANTIZATION:
        return False
    inputs = [
        one.graph.run(list(tensor.op.inputs), picture, fed)
        for one, tensor, fed in zip((source, output), tensors, feeds)
    ]
    _, low, high = inputs[0]
    return apart.largest <= agreement.step(low, high) and all(
        agreement.gap(one, other).equal for one, other in zip(*inputs)
    )


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
    scopes_of_heads = tuple(kernel.rpartition("/")[0] + "/" for kernel in heads)
    pairs: List[Tuple[str, Any, Any]] = []
    for one in order:
        if one in both:
            if not pairs:
                images = [_preprocessed(this.inputs[0]) for this in (one, both[one])]
                pairs.append(("the preprocessed image", *images))
            pairs.append((f"the input of {one.name}", one.inputs[0], both[one].inputs[0]))
            pairs.append((f"the output of {one.name}", one.outputs[0], both[one].outputs[0]))
        elif (
            pairs
            and one.type not in _NOT_LAYERS
            and (_scope(one, scopes) or one.type == agreement.QUANTIZATION)
            and not one.name.startswith(scopes_of_heads)
        ):
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
