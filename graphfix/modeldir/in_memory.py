"""A model that lies in no file: its tensors as arrays, its config as text."""

import hashlib
import os
from typing import Mapping, Tuple, Union

import numpy as np

from graphfix.detectors.describe import describe
from graphfix.errors import SourceError
from graphfix.formats import dtypes
from graphfix.formats.tensors import TensorStore, constant
from graphfix.modeldir.edited_config import settle
from graphfix.modeldir.openers import Model
from graphfix.pipeline_config.document import parse_config
from graphfix.values import encodes, text_of, wrong


def open_in_memory(
    tensors: Mapping[str, np.ndarray], config: Union[str, bytes], *, name: str = "memory"
) -> Model:
    """The model of arrays by variable name and of a pipeline.config's text; `name` stands for it in
    messages and reports.

    Raises:
      RequestError: the tensors, their config or the name is of another type.
      SourceError: an array is of a type that no checkpoint stores, or the config is damaged, or not
        that of these tensors.
    """
    text_of("name", name)
    data = _encoded(config)
    if not isinstance(tensors, Mapping):
        raise wrong("tensors", tensors, "give a dictionary of arrays by variable name")
    for key in tensors:
        if not isinstance(key, str) or not encodes(key):
            raise wrong("tensors", key, "name each array by its variable's name, as str")
    digest = hashlib.sha256(data)
    views = []
    for key in sorted(tensors):
        dtype, array = _array(key, tensors[key], name)
        views.append(constant(key, dtype, array))
        digest.update(f"{key} {dtype.name} {array.shape}".encode() + array.tobytes())
    store = TensorStore(views)
    metas = {key: view.meta for key, view in store.items()}
    given = parse_config(data, f"the config of {name}")
    settled = settle(given, metas, checkpoint=name)
    model = describe(settled.config.message, metas, config=given.document.subject, checkpoint=name)
    # What is in no directory has no neighbours.
    prefix = os.path.join(os.devnull, name)
    return Model(
        prefix,
        settled.config,
        name,
        store,
        model,
        digest.hexdigest(),
        findings=settled.findings,
        path=name,
        asked=settled.asked,
    )


def _encoded(config: Union[str, bytes]) -> bytes:
    try:
        if isinstance(config, (str, bytes)):
            return config.encode("utf-8") if isinstance(config, str) else config
    except UnicodeEncodeError:
        pass
    raise wrong("pipeline_config", config, "give the text of a pipeline.config")


def _array(key: str, value: np.ndarray, name: str) -> Tuple[dtypes.DType, np.ndarray]:
    """A copy of a tensor's value, which nobody changes."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise SourceError(
            name, f"has {key} with masked values, which no checkpoint stores", "fill them in"
        )
    try:
        array = np.array(value)
    except ValueError:  # a list of lists of several lengths
        array = np.array(None)
    dtype = dtypes.BY_NAME.get(array.dtype.name)
    if dtype is None:
        raise SourceError(
            name,
            f"has {key} as {array.dtype}, which no checkpoint stores",
            "give it as one of " + ", ".join(sorted(dtypes.BY_NAME)),
        )
    array = np.array(array, dtype.numpy, order="C")
    array.setflags(write=False)
    return dtype, array
