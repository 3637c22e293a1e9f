"""The files of an exported detector: model.safetensors, config.json and a README.

config.json:

    {"format": 1,
     "classes": {"1": "circle", ...},        the names of label ids; those without one are left out
     "pipeline_config": {...}}               the TrainEvalPipelineConfig, its fields named as in
                                             pipeline.config, without what it leaves at its default

Tensors are named and laid out as names.py says.
"""

import json
import re
from typing import Any, Dict, List, NamedTuple

from graphfix.errors import SourceError
from graphfix.formats import json_data
from graphfix.formats.schema import message_class

WEIGHTS, CONFIG, README = "model.safetensors", "config.json", "README.md"
FORMAT = 1
_MESSAGE = "graphfix.pipeline.TrainEvalPipelineConfig"
_NUMBER = re.compile(r"[1-9][0-9]{0,9}\Z")
_REMEDY = "export the detector again with this release of graphfix"


class Settings(NamedTuple):
    """config.json: `message` is the TrainEvalPipelineConfig."""

    message: Any
    classes: Dict[int, str]


def to_json(settings: Settings) -> str:
    from google.protobuf import json_format  # which asking what is built does without

    pipeline = json_format.MessageToDict(settings.message, preserving_proto_field_name=True)
    data = {
        "format": FORMAT,
        "classes": {str(number): name for number, name in sorted(settings.classes.items())},
        "pipeline_config": pipeline,
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def from_json(data: bytes, subject: str) -> Settings:
    """Raises:
    SourceError: naming `subject`, for what to_json did not write.
    """
    from google.protobuf import json_format

    found = json_data.parse(data, subject, "config.json of a detector in PyTorch", _REMEDY)
    if type(found.get("format")) is not int or found["format"] != FORMAT:
        raise SourceError(subject, f"has format {found.get('format')!r}, not {FORMAT}", _REMEDY)
    message = message_class(_MESSAGE)()
    try:
        json_data.keys(found, ("format", "classes", "pipeline_config"))
        json_format.ParseDict(dict(found["pipeline_config"]), message)
        meta = message.model.WhichOneof("model")
        if meta is None:
            raise ValueError("its pipeline_config has no model")
        classes = _classes(found["classes"], getattr(message.model, meta).num_classes)
    except (TypeError, ValueError, json_format.ParseError) as error:
        raise SourceError(subject, f"is damaged: {error}", _REMEDY) from None
    return Settings(message, classes)


def _classes(found: Any, most: int) -> Dict[int, str]:
    if not isinstance(found, dict):
        raise ValueError("classes is no object")
    classes = {}
    for number, name in found.items():
        if not _NUMBER.match(number) or int(number) > most or not isinstance(name, str):
            raise ValueError(
                f"classes has {number!r}: {name!r}, and not an id to {most} and a name"
            )
        classes[int(number)] = name
    return classes


def readme(title: str, names: List[str], *, masks: bool) -> str:
    """How the detector is loaded."""
    of_detections = (
        "`labels` (from 1), `scores` and `masks`" if masks else ("`labels` (from 1) and `scores`")
    )
    of_targets = "`boxes`, `labels` and `masks`" if masks else "`boxes` and `labels`"
    return f"""# {title}

Exported by graphfix. Install graphfix with PyTorch (`pip install '.[torch]'` in its clone), then:

```python
import graphfix.torch
detector = graphfix.torch.load(".")
detections = detector.eval()([image])  # image: a tensor [3, height, width] of 0 to 1
```

Each detection has `boxes` (x1, y1, x2, y2 in pixels), {of_detections}.
`detector.train()(images, targets)` gives the losses, for targets with {of_targets}.
`graphfix.torch.save_tf1(detector, DIRECTORY)` writes a TensorFlow 1 checkpoint again.

Classes: {", ".join(names) or "without names"}.
"""
