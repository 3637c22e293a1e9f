"""inspect: what a model is."""

import dataclasses
import json
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from graphfix.conversion.graphs import graph_findings
from graphfix.conversion.open import opened
from graphfix.conversion.trained_anchors import trained_anchors
from graphfix.detectors.anchor_order import Order, described
from graphfix.findings import Finding, by_severity, count
from graphfix.modeldir.openers import Model
from graphfix.modeldir.source_labels import NAMES_UNKNOWN, source_labels
from graphfix.options import ConvertOptions
from graphfix.pipeline_config import resizers
from graphfix.pipeline_config.label_map import LabelMap

# Of the classes, so many are named in a line.
_MOST_NAMES = 8


class ModelDescription(NamedTuple):
    """What a model is, as data, and what there is to know of it."""

    path: str
    data: Dict[str, Any]
    findings: Tuple[Finding, ...]

    def __repr__(self) -> str:
        classes = count(self.data["classes"], "class", "classes")
        return f"<ModelDescription of {self.path}: {self.data['family']}, {classes}>"

    def to_json(self) -> str:
        return json.dumps(
            dict(self.data, findings=[dataclasses.asdict(finding) for finding in self.findings]),
            indent=2,
            sort_keys=True,
        )

    def to_lines(self, verbose: bool = False) -> List[str]:
        """What there is to read: a few lines, or all of it, the layout of each head."""
        data = self.data
        rows = [
            f"{self.path}: {data['family']}",
            f"  feature extractor  {data['feature_extractor']}, images of {data['images']}",
            f"  classes            {data['classes']} {_named(data['class_names'])}",
            f"  anchors            {data['anchors']['generator']}, "
            f"{'/'.join(map(str, data['anchors']['per_map']))} at each location of "
            f"{len(data['anchors']['per_map'])} feature maps{_other_order(data['anchors'])}",
            f"  tensors            {data['tensors']}: "
            f"{data['tensors'] - data['moving_averages'] - data['optimizer']} of the model, "
            f"{data['moving_averages']} moving averages, {data['optimizer']} of an optimizer",
        ]
        if data["config_inferred"]:
            rows.append("  pipeline.config    none: inferred from the graph")
        if verbose:
            rows += [
                f"  {head['role']!s:<5} {head['stage']}  {head['layout']}" for head in data["heads"]
            ]
        return rows + [f"  {finding}" for finding in self.findings]


def inspect(source: Union[str, Model], options: ConvertOptions) -> ModelDescription:
    """A description of a model.

    Raises:
      GraphfixError: the model is damaged or not understood.
    """
    model = opened(source, options)
    trained = trained_anchors(model, source_api=options.source_api)
    labels, told = source_labels(model, options.source_label_map_path)
    told = tuple(one for one in told if one.code == NAMES_UNKNOWN) + trained.findings
    findings = by_severity(model.findings + told + graph_findings(model))
    return ModelDescription(model.path, _data(model, trained.order, labels), findings)


def _named(names: Sequence[str]) -> str:
    if not names:
        return "(names unknown)"
    more = ", ..." if len(names) > _MOST_NAMES else ""
    return f"({len(names)} named): {', '.join(names[:_MOST_NAMES])}{more}"


def _other_order(anchors: Dict[str, Any]) -> str:
    order = anchors["order"]
    return f"; trained in another order ({described(order)})" if order else ""


def _data(source: Model, order: Order, labels: Optional[LabelMap]) -> Dict[str, Any]:
    model, message = source.model, source.config.message.model
    body = getattr(message, message.WhichOneof("model"))
    return {
        "family": model.family,
        "feature_extractor": model.feature_extractor,
        "classes": model.classes,
        "class_names": [one.display_name or one.name for one in labels.labels] if labels else [],
        "named_classes": len(labels.labels) if labels else 0,
        "images": resizers.described(body.image_resizer),
        "anchors": {
            "generator": model.anchors.generator,
            "per_map": list(model.anchors.per_map),
            "order": [list(places) for places in order],
        },
        "heads": [
            {
                "role": head.role,
                "stage": head.stage,
                "tensors": list(head.tensors),
                "background": head.background,
                "layout": head.axes,
            }
            for head in model.heads
        ],
        "tensors": len(source.store),
        "moving_averages": len(model.extras.moving_averages),
        "optimizer": len(model.extras.optimizer),
        "digest": source.digest,
        "config_inferred": source.inferred,
    }
