"""Changes of tensors, behind right checksums.

A change takes (output, choose), as `changes` says.
"""

import os
import re

import numpy as np

from graphfix.formats import dtypes
from graphfix.formats.checkpoint import reader, writer
from graphfix.formats.tensors import TensorStore, TensorView, constant

INDEX, DATA = ".index", ".data-00000-of-00001"


def tensors(change):
    """Writes the checkpoint anew, by graphfix's writer."""

    def changed(output, choose):
        prefix = output.path(output.prefix())
        views = {
            name: TensorView(view.meta, lambda value=view.load(): value)
            for name, view in reader.open_bundle(prefix).items()
        }
        name = change(views, choose)
        if name is None:
            return None
        for end in (INDEX, DATA):
            os.remove(prefix + end)
        writer.write_bundle(TensorStore(views.values()), prefix)
        return [name]

    return changed


def values(change, pick=lambda name, array: array.size):
    """Gives one tensor other values."""

    def changed(views, choose):
        name = choose.choice([one for one, view in sorted(views.items()) if pick(one, view.load())])
        old = views[name].load()
        new = np.asarray(change(old, choose), old.dtype)
        if new.tobytes() == old.tobytes() and new.shape == old.shape:
            return None
        views[name] = constant(name, views[name].meta.dtype, new)
        return name

    return tensors(changed)


def is_real(name, array):
    return array.dtype == np.float32 and array.size


def is_head(name, array):
    return array.ndim and is_real(name, array) and re.search("ClassPredictor|class_predictor", name)


def permuted(array, choose):
    order = list(range(array.shape[-1])) if array.shape else []
    choose.shuffle(order)
    return array[..., order] if order else array


def ulp(array, choose):
    out = array.copy().reshape(-1)
    place = choose.randrange(out.size)
    out[place] = np.nextafter(out[place], np.float32(choose.choice((9e9, -9e9))))
    return out.reshape(array.shape)


def left_out(views, choose):
    return views.pop(choose.choice(sorted(views))).meta.name


def added(views, choose):
    name = choose.choice(sorted(views)) + choose.choice(("_1", "/Momentum", "x"))
    if name in views:
        return None
    views[name] = constant(name, dtypes.FLOAT32, np.zeros(3, np.float32))
    return name


def renamed(views, choose):
    name = choose.choice(sorted(views))
    view = views.pop(name)
    views[name + "_1"] = constant(name + "_1", view.meta.dtype, view.load())
    return name


def retyped(views, choose):
    name = choose.choice([one for one in sorted(views) if is_real(one, views[one].load())])
    dtype = choose.choice(("float64", "float16"))
    views[name] = constant(name, dtypes.BY_NAME[dtype], views[name].load().astype(dtype))
    return name


def reshaped(views, choose):
    name = choose.choice([one for one in sorted(views) if views[one].meta.size > 1])
    shape = views[name].meta.shape
    new = choose.choice([(-1,), shape[::-1], (1,) + shape, shape[1:-1] + (-1,)])
    array = views[name].load().reshape(new)
    if array.shape == shape:
        return None
    views[name] = constant(name, views[name].meta.dtype, array)
    return name


def exchanged(views, choose):
    alike = {}
    for name, view in sorted(views.items()):
        alike.setdefault((view.meta.dtype.name, view.meta.shape), []).append(name)
    one, two = choose.sample(
        choose.choice([names for names in alike.values() if len(names) > 1]), 2
    )
    values = [views[name].load() for name in (one, two)]
    if values[0].tobytes() == values[1].tobytes():
        return None
    for name, value in zip((two, one), values):
        views[name] = constant(name, views[name].meta.dtype, value)
    return choose.choice((one, two))


def moved(views, choose):
    if "global_step" not in views:
        return None
    views["global_step"] = constant(
        "global_step",
        dtypes.INT64,
        int(views["global_step"].load()) + choose.choice((1, 7, 200000)),
    )
    return "global_step"
