"""Carries out a plan's edits on tensors: pure and lazy, nothing is read until it is written."""

import functools
from typing import List

import numpy as np

from graphfix.formats import dtypes
from graphfix.formats.tensors import TensorMeta, TensorStore, TensorView
from graphfix.planning import kernels
from graphfix.planning.edits import Copy, Drop, Gather, Keep, Rename, Reset, Stretch, Widen


def apply_plan(edits, additions, source: TensorStore) -> TensorStore:
    """The outgoing tensors.  Values of Gathers are computed once, when first loaded."""
    views: List[TensorView] = []
    for edit in edits:
        view = source[edit.tensor]
        if isinstance(edit, Keep):
            views.append(view)
        elif isinstance(edit, Rename):
            views.append(_named(view, edit.to))
        elif isinstance(edit, Gather):
            shape = view.meta.shape[:-1] + (len(edit.index),)
            views.append(
                _computed(edit.to, view.meta.dtype, shape, functools.partial(_gathered, view, edit))
            )
        elif isinstance(edit, Reset):
            views.append(_full(edit.tensor, view.meta.dtype, view.meta.shape, edit.value))
        elif isinstance(edit, Stretch):
            views.append(
                _computed(
                    edit.tensor,
                    view.meta.dtype,
                    view.meta.shape,
                    functools.partial(_stretched, view, edit),
                )
            )
        else:
            assert isinstance(edit, (Drop, Widen)), edit
    made = {view.meta.name: view for view in views}
    for edit in edits:
        if isinstance(edit, Widen):
            view = source[edit.tensor]
            made[edit.tensor] = _computed(
                edit.tensor,
                view.meta.dtype,
                view.meta.shape,
                functools.partial(_widened, view, made[edit.of], edit),
            )
            views.append(made[edit.tensor])
    for addition in additions:
        if isinstance(addition, Copy):
            views.append(_named(made[addition.of], addition.name))
        else:
            views.append(
                _full(addition.name, dtypes.BY_NAME[addition.dtype], addition.shape, addition.value)
            )
    return TensorStore(views)


def _gathered(view: TensorView, edit: Gather) -> np.ndarray:
    return kernels.gather(view.load(), edit)


def _widened(view: TensorView, of: TensorView, edit: Widen) -> np.ndarray:
    return kernels.widen(view.load(), of.load(), edit)


def _stretched(view: TensorView, edit: Stretch) -> np.ndarray:
    return kernels.stretch(view.load(), edit)


def _named(view: TensorView, name: str) -> TensorView:
    meta = TensorMeta(name, view.meta.dtype, view.meta.shape)
    return TensorView(meta, view.load, view.extent)


def _computed(name: str, dtype, shape, compute) -> TensorView:
    return TensorView(TensorMeta(name, dtype, shape), functools.lru_cache(maxsize=1)(compute))


def _full(name: str, dtype, shape, value: float) -> TensorView:
    return TensorView(TensorMeta(name, dtype, shape), lambda: np.full(shape, value, dtype.numpy))
