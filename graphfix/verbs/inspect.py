"""inspect: what a model is."""

import dataclasses
import json
from typing import Optional

from graphfix.findings import by_severity
from graphfix.source import Source, open_source, source_labels
from graphfix.verbs.graphs import graph_findings


def inspect(path: str, *, config_path: Optional[str], as_json: bool) -> str:
    """A description of a model, as text or JSON.

    Raises:
      GraphfixError: the model is damaged or not understood.
    """
    source = open_source(path, config_path=config_path)
    data = _data(source)
    findings = by_severity(source.findings + graph_findings(source))
    if as_json:
        data["findings"] = [dataclasses.asdict(finding) for finding in findings]
        return json.dumps(data, indent=2, sort_keys=True)
    rows = ["%s: %s" % (path, data["family"]),
            "  feature extractor  %s" % data["feature_extractor"],
            "  classes            %d%s" % (data["classes"], " (%d named)" % data["named_classes"]
                                           if data["named_classes"] else " (names unknown)"),
            "  anchors            %s, %s at each location of %d feature maps" % (
                data["anchors"]["generator"], "/".join(map(str, data["anchors"]["per_map"])),
                len(data["anchors"]["per_map"])),
            "  tensors            %d: %d of the model, %d moving averages, %d of an optimizer" % (
                data["tensors"], data["tensors"] - data["moving_averages"] - data["optimizer"],
                data["moving_averages"], data["optimizer"])]
    if source.inferred:
        rows.append("  pipeline.config    none: inferred from the graph")
    for head in data["heads"]:
        rows.append("  %-5s %s  %s" % (head["role"], head["stage"], head["layout"]))
    rows += ["  %s" % finding for finding in findings]
    return "\n".join(rows)


def _data(source: Source):
    model = source.model
    labels = source_labels(source, None).labels
    return {
        "family": model.family,
        "feature_extractor": model.feature_extractor,
        "classes": model.classes,
        "named_classes": len(labels.labels) if labels else 0,
        "anchors": {"generator": model.anchors.generator, "per_map": list(model.anchors.per_map)},
        "heads": [{"role": head.role, "stage": head.stage, "tensors": list(head.tensors),
                   "background": head.background,
                   "layout": str(head.layout)} for head in model.heads],
        "tensors": len(source.store),
        "moving_averages": len(model.extras.moving_averages),
        "optimizer": len(model.extras.optimizer),
        "digest": source.digest,
        "config_inferred": source.inferred,
    }
