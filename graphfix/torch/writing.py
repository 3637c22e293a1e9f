"""Writes a detector's files for PyTorch; needs neither PyTorch nor TensorFlow."""

import os
from typing import Mapping

import numpy as np

from graphfix.errors import SourceError
from graphfix.formats import safetensors
from graphfix.formats.dtypes import FLOAT32
from graphfix.formats.tensors import TensorMeta, TensorStore, TensorView
from graphfix.torch.files import CONFIG, README, WEIGHTS, Settings, readme, to_json
from graphfix.torch.layout import layers_of
from graphfix.torch.names import to_torch, torch_name, torch_shape
from graphfix.torch.refusals import predicts_masks


def write(
    directory: str, settings: Settings, variables: TensorStore, title: str, checkpoint: str
) -> Mapping[str, str]:
    """Writes model.safetensors, config.json and README.md; gives each variable's name in PyTorch.

    `checkpoint` is what holds the variables, for what is wrong with them.

    Raises:
      Unknown: the layers of the model are not known for certain.
      SourceError: a variable is missing, or of another shape or type than the config's model has.
    """
    views, names = [], {}
    for spec in layers_of(settings.message, CONFIG):
        for one in spec.variables:
            view = variables.get(one.name)
            if view is None or view.meta.shape != one.shape or view.meta.dtype != FLOAT32:
                raise SourceError(
                    checkpoint,
                    f"{one.name} is "
                    + (f"{view.meta.dtype} {list(view.meta.shape)}" if view else "missing")
                    + f", and not float32 {list(one.shape)}",
                    "give the pipeline.config that the checkpoint was trained with",
                )
            names[one.name] = torch_name(one.name)
            meta = TensorMeta(names[one.name], FLOAT32, torch_shape(one.name, one.shape))
            views.append(TensorView(meta, _loader(one.name, view)))
    with open(os.path.join(directory, WEIGHTS), "wb") as file:
        safetensors.write(file, TensorStore(views), {"format": "pt"})
    texts = {
        CONFIG: to_json(settings),
        README: readme(
            title,
            [name for _, name in sorted(settings.classes.items())],
            masks=predicts_masks(settings.message.model.faster_rcnn),
        ),
    }
    for name, text in texts.items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)
    return names


def _loader(variable: str, view: TensorView):
    def load() -> np.ndarray:
        return to_torch(variable, view.load())

    return load
