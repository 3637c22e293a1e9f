"""A model that lies in no file: its tensors as arrays, its config as text."""

import hashlib
import os
from typing import Mapping, Union

import numpy as np

from graphfix.detectors.describe import describe
from graphfix.errors import SourceError
from graphfix.formats import dtypes
from graphfix.formats.tensors import TensorStore, constant
from graphfix.modeldir.edited_config import settle
from graphfix.modeldir.openers import Source
from graphfix.pipeline_config.document import parse_config


def open_in_memory(
    tensors: Mapping[str, np.ndarray], config: Union[str, bytes], *, name: str = "memory"
) -> Source:
    """The model of arrays by variable name and of a pipeline.config's text; `name` stands for it in
    messages and reports.

    Raises:
      SourceError: an array is of a type that no checkpoint stores, or the config is damaged, or not
        that of these tensors.
    """
    if not isinstance(config, (str, bytes)):
        raise SourceError(name, f"has the config {config!r:.80}", "give its text")
    data = config.encode("utf-8") if isinstance(config, str) else config
    digest = hashlib.sha256(data)
    views = []
    for key in sorted(tensors):
        array = np.asarray(tensors[key])
        dtype = dtypes.BY_NAME.get(array.dtype.name)
        if dtype is None:
            raise SourceError(
                name,
                f"has {key} as {array.dtype}, which no checkpoint stores",
                "give it as one of " + ", ".join(sorted(dtypes.BY_NAME)),
            )
        array = np.asarray(array, dtype.numpy, order="C")
        views.append(constant(key, dtype, array))
        digest.update(f"{key} {dtype.name} {array.shape}".encode() + array.tobytes())
    store = TensorStore(views)
    metas = {key: view.meta for key, view in store.items()}
    given = parse_config(data, f"the config of {name}")
    settled = settle(given, metas, checkpoint=name)
    model = describe(settled.config.message, metas, config=given.document.subject, checkpoint=name)
    # What is in no directory has no neighbours.
    prefix = os.path.join(os.devnull, name)
    return Source(
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
