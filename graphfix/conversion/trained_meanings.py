"""What a source's config means in the API that will train, and what it meant where it was trained.

A difference is made good by an edit of the config where there is one; else a finding tells of it.
Which meaning the source was trained with is seen in its own graph, or follows from `--source_api`.
"""

import os
from typing import Any, Dict, Optional, Tuple

from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.meanings import PREDICTOR_DROPOUT, Change, changes, same_meaning
from graphfix.errors import SourceError
from graphfix.findings import INFO, WARNING, Finding
from graphfix.modeldir.openers import Model
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.schema_history import Schema, schema
from graphfix.stock_api.target_api import TargetApi

Meanings = Tuple[Tuple[ConfigEdit, ...], Tuple[Finding, ...]]


def trained_meanings(
    source: Model, *, api: TargetApi, source_api: Optional[str] = None
) -> Meanings:
    """The edits that keep the meaning of a source's config, and findings."""
    revision, accepted = api.revision, api.schema or schema(api.revision)
    meta = source.model.meta
    body = getattr(source.config.message.model, meta)
    concerned = changes(body, meta)
    path, seen = _seen(source, body, all(change.slight for change in concerned))
    edits: Tuple[ConfigEdit, ...] = ()
    findings: Tuple[Finding, ...] = ()
    for change in concerned:
        trained, witness = seen.get(change.code), os.path.basename(path)
        if trained is None and source_api is not None:
            trained, witness = change.is_new(source_api), "--source_api"
        more = _one(change, body, meta, trained, witness, revision, accepted)
        edits += more[0]
        findings += more[1]
    return edits, findings


def _one(
    change: Change,
    body: Any,
    meta: str,
    trained: Optional[bool],
    witness: str,
    revision: str,
    accepted: Schema,
) -> Meanings:
    target = change.is_new(revision)
    if trained is not None and trained == target:
        return (), ()
    if change.code == PREDICTOR_DROPOUT and target:
        return (), ()  # Nothing that was trained depends on it.
    if change.slight and (trained is None or target is None):
        return (), ()
    subject = f"model.{meta}.{change.field}"
    if trained is None or target is None:
        remedy = change.remedy
        if target is not None:
            remedy += "; if you know when the model was trained, say so with --source_api"
        return (), (
            Finding(
                change.code,
                WARNING,
                subject,
                f"changed its meaning: until {change.last_old} {change.old}; from "
                f"{change.first_new} on {change.new}",
                remedy,
            ),
        )
    message = (
        f"means something else in {accepted.name}: {change.new if target else change.old}; where "
        f"the model was trained ({witness}), {change.old if target else change.new}"
    )
    edit = same_meaning(change, body, meta, new=target)
    if edit is None or not _knows(edit, accepted):
        severity = INFO if change.slight else WARNING
        return (), (Finding(change.code, severity, subject, message, change.remedy),)
    message += f"; with {edit.path[-1]}: {edit.literal} it is the same again"
    return (edit,), (Finding(change.code, INFO, subject, message, "there is nothing to do"),)


def _knows(edit: ConfigEdit, accepted: Schema) -> bool:
    message = {
        "feature_extractor": "SsdFeatureExtractor",
        "keep_aspect_ratio_resizer": "KeepAspectRatioResizer",
    }[edit.path[-2]]
    return accepted.field(message, edit.path[-1]) is not None


def _seen(source: Model, body: Any, slight: bool) -> Tuple[str, Dict[str, bool]]:
    """A graph of the source, and which meanings it has, by their codes; where only `slight` changes
    are asked for, none of a file that has weights, too."""
    path = source.meta_graph.path or ("" if slight else source.frozen) or ""
    if source.graph is not None:
        path = source.prefix
    extractor = find_extractor(source.model.feature_extractor)
    if not path or extractor is None:
        return "", {}
    # Most sources have no graph: the code that reads one is not loaded for nothing.
    from graphfix.formats.graphdef import node_scan, skeleton
    from graphfix.graph_import.graph_meanings import graph_meanings

    form = skeleton.META_GRAPH if path == source.meta_graph.path else skeleton.GRAPH_DEF
    try:
        nodes = source.graph.nodes if source.graph else node_scan.read_nodes(path, form)
        return path, graph_meanings(
            nodes, source.metas, extractor, body.feature_extractor.conv_hyperparams
        )
    except (SourceError, ValueError):
        return "", {}  # What reads its anchors has told of it.
