"""A detector from its files, and back to TensorFlow 1's."""

import dataclasses
import os
from typing import Any, List, Mapping, Tuple, Type

import numpy as np
import torch
from google.protobuf import text_format

from graphfix.detectors.config_heads import expected_heads
from graphfix.detectors.families import GLOBAL_STEP
from graphfix.detectors.layer_variables import Unknown
from graphfix.errors import RequestError, SourceError
from graphfix.formats import dtypes, safetensors
from graphfix.formats.checkpoint import writer
from graphfix.formats.dtypes import DType
from graphfix.formats.regular_files import missing, read_file
from graphfix.formats.tensors import TensorStore, constant
from graphfix.modeldir import manifest
from graphfix.modeldir.checkpoint_state import write_state
from graphfix.modeldir.destinations import Directory
from graphfix.modeldir.names import CHECKPOINT, LABEL_MAP
from graphfix.modeldir.names import CONFIG as PIPELINE_CONFIG
from graphfix.pipeline_config.label_map import Label, LabelMap, format_label_map
from graphfix.torch.detector import Detector
from graphfix.torch.faster_rcnn import FasterRcnn
from graphfix.torch.files import CONFIG, WEIGHTS, from_json
from graphfix.torch.layout import layers_of
from graphfix.torch.mask_rcnn import MaskRcnn
from graphfix.torch.names import to_tensorflow, torch_name, torch_shape
from graphfix.torch.refusals import predicts_masks, problems
from graphfix.torch.ssd import Ssd
from graphfix.values import Path, path_of


def load(directory: Path) -> Detector:
    """The detector in a directory that `graphfix export torch` wrote; in training mode, as modules
    begin.

    Raises:
      SourceError: a file is missing or damaged, or of a detector that is not built.
    """
    directory = path_of("directory", directory)
    if not os.path.lexists(directory):
        raise SourceError(directory, *missing(directory))
    config = os.path.join(directory, CONFIG)
    if not os.path.lexists(config):
        raise SourceError(config, "does not exist", "give what `graphfix export torch` wrote")
    settings = from_json(read_file(config), config)
    try:
        family = expected_heads(settings.message, {}, config=config)[0].name
        found = list(problems(settings.message, family))
        if found:
            raise SourceError.collected(
                dataclasses.replace(one, subject=f"{config}: {one.subject}") for one in found
            )
        detector = _kind(settings.message.model)(settings, layers_of(settings.message, config))
    except Unknown as error:
        raise SourceError(config, str(error), "export the detector again") from None
    path = os.path.join(directory, WEIGHTS)
    tensors = safetensors.read(path)[0]
    why = _difference(
        {name: _shown(view.meta.dtype, view.meta.shape) for name, view in tensors.items()},
        {name: _shown(dtypes.FLOAT32, one.shape) for name, one in detector.state_dict().items()},
        CONFIG,
    )
    if why:
        raise SourceError(path, why, "export the detector again")
    detector.load_state_dict(
        {name: torch.from_numpy(np.array(view.load())) for name, view in tensors.items()}
    )
    return detector


def _kind(model: Any) -> Type[Detector]:
    if model.HasField("ssd"):
        return Ssd
    return MaskRcnn if predicts_masks(model.faster_rcnn) else FasterRcnn


def _difference(given: Mapping[str, Any], wanted: Mapping[str, Any], source: str) -> str:
    """How what is known of tensors differs from what `source` says of them; nothing where it does
    not."""
    odd = sorted(name for name in {**wanted, **given} if wanted.get(name) != given.get(name))
    if not odd:
        return ""
    name, more = odd[0], f" ({len(odd)} tensors differ)" if len(odd) > 1 else ""
    found, meant = given.get(name, "missing"), wanted.get(name, "there")
    return f"{name} is {found}, and not {meant} as in {source}{more}"


def _shown(dtype: DType, shape: Tuple[int, ...]) -> str:
    return f"{dtype} {list(shape)}"


def save_tf1(detector: Detector, directory: Path, *, overwrite: bool = False) -> List[str]:
    """Writes a TensorFlow 1 checkpoint, its pipeline.config and its label map; gives the names of
    the variables.

    Raises:
      RequestError: the directory cannot be written to, or is not graphfix's; or `detector` is none
        that `load` gave, or its layers are not those that it was loaded with.
    """
    if not isinstance(detector, Detector):
        raise RequestError(
            "detector=",
            f"is a {type(detector).__name__}, and not what graphfix.torch.load gives",
            "where that is wrapped, give what is within (`.module`, `._orig_mod`)",
        )
    state = detector.state_dict()
    variables = [
        one for spec in layers_of(detector.settings.message, CONFIG) for one in spec.variables
    ]
    why = _difference(
        {name: list(value.shape) for name, value in state.items()},
        {torch_name(one.name): list(torch_shape(one.name, one.shape)) for one in variables},
        "the config that it was loaded with",
    )
    if why:
        raise RequestError(
            "detector=",
            why,
            "TensorFlow 1 builds what that config says: leave its layers and their shapes",
        )
    # As convert writes it: what trains on begins anew.
    views = [constant(GLOBAL_STEP, dtypes.INT64, np.array(0))]
    for one in variables:
        value = state[torch_name(one.name)].detach().to("cpu", torch.float32).numpy()
        views.append(constant(one.name, dtypes.FLOAT32, to_tensorflow(one.name, value, one.shape)))
    store = TensorStore(views)
    destination = Directory(path_of("directory", directory), overwrite=overwrite)
    destination.check(())
    with destination.staged(()) as stage:
        writer.write_bundle(store, os.path.join(stage.directory, CHECKPOINT))
        write_state(stage.directory, CHECKPOINT)
        for name, text in _texts(detector):
            with open(os.path.join(stage.directory, name), "w", encoding="utf-8") as file:
                file.write(text)
        manifest.write(stage.directory)
    return list(store)


def _texts(detector: Detector):
    yield PIPELINE_CONFIG, text_format.MessageToString(detector.settings.message)
    if detector.classes:
        labels = [Label(number, name, name) for number, name in sorted(detector.classes.items())]
        yield LABEL_MAP, format_label_map(LabelMap(tuple(labels)))
