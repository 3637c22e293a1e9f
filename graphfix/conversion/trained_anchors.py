"""The anchors that a source was trained with, held against those that its config means.

They are read from the source's own graph; where there is none, `--source_api` or a published
archive's name says of when its API is.  The same anchors in another order are a permutation of the
heads' channels, which the plan makes; other anchors are told of, and are those that the boxes are
carried over from where `--anchors` asks for that.
"""

import os
import re
from typing import Any, NamedTuple, Optional, Tuple

from graphfix.detectors import coco
from graphfix.detectors.anchor_generators import INTERPOLATED_LAST, AnchorSpec, describe_anchors
from graphfix.detectors.anchor_order import (
    Order,
    described,
    difference,
    in_order,
    on_grid,
    order_of,
)
from graphfix.detectors.families import ANCHOR_FIELD, BOX
from graphfix.findings import INFO, WARNING, Finding
from graphfix.modeldir.names import PLAN_JSON
from graphfix.modeldir.openers import Model
from graphfix.modeldir.own_graph import GraphAnchors, read_graph_anchors
from graphfix.pipeline_config.schema_history import everything, revision_for, schema
from graphfix.pipeline_config.schema_violations import violations

# Every SSD of the first published archives, which have no config.
_FIRST_ZOO = re.compile(
    r"(ssd_(mobilenet_v1|inception_v2)_coco_11_06_2017)(\.tar|\.tar\.gz|\.tgz)?\Z"
)
_FIRST_MONTH, _LAST_MONTH = "2017-06", "2017-10"
# The date in the name of a published archive, but for the first ones.
_DATED = re.compile(r"_(20\d\d)_(\d\d)_\d\d(?!\d)")
# The SSDs of that time.
_FIRST_EXTRACTORS = ("ssd_mobilenet_v1", "ssd_inception_v2")
_NOTHING = "there is nothing to do"


class Witness(NamedTuple):
    """What tells the anchors, and the words that go on with them."""

    file: str
    verb: str


class Trained(NamedTuple):
    """The anchors a model was trained with; their order in the config's, where they are those; and
    what there is to know."""

    anchors: AnchorSpec
    order: Order = ()
    findings: Tuple[Finding, ...] = ()


def trained_anchors(
    source: Model, *, api: Optional[str] = None, source_api: Optional[str] = None
) -> Trained:
    """The anchors of a source, compared with those its config means in the API of a month (of
    today).

    Raises:
      RequestError: `source_api` is no month of a known API.
    """
    if source_api is not None:
        revision_for(source_api)
    message, image = _generator(source), source.model.image
    wanted = describe_anchors(message, source.config_path, image, api=api)
    heads = [name for head in source.model.heads if head.role == BOX for name in head.tensors]
    read = read_graph_anchors(source.prefix, image, source.graph, heads)
    findings = read.findings + _padding(source, read)
    if read.anchors is not None:
        trained, witness = read.anchors, Witness(os.path.basename(read.path), "has")
        findings += _contradicted(source, read.anchors, source_api)
    else:
        month, witness = _month(source, source_api)
        if month is None:
            doubt = _strangers(read, wanted) or _doubt(source, wanted)
            return Trained(wanted, (), findings + doubt)
        trained = describe_anchors(message, source.config_path, image, api=month)
    order = order_of(trained, wanted)
    if order and _shared(source) and len(set(order)) > 1:
        order = None
    if order is None:
        findings += (_other(witness, trained, wanted),)
        return Trained(on_grid(trained, wanted), (), findings)
    if order:
        findings += (_reordered(witness, order, api),)
    return Trained(in_order(wanted, order), order, findings)


def of_plan(source: Model, order: Order, *, api: str) -> AnchorSpec:
    """The anchors that a plan's order says that a source was trained with."""
    wanted = describe_anchors(_generator(source), source.config_path, source.model.image, api=api)
    return in_order(wanted, order)


def _generator(source: Model) -> Any:
    meta = source.model.meta
    return getattr(getattr(source.config.message.model, meta), ANCHOR_FIELD[meta])


def _shared(source: Model) -> bool:
    return all(head.map is None for head in source.model.heads)


def _month(source: Model, source_api: Optional[str]) -> Tuple[Optional[str], Witness]:
    """The month of the API that trained, and what tells it."""
    if source_api is not None:
        return source_api, Witness("--source_api", f"is {source_api}, and the API of then has")
    for name in _names(source):
        found = _FIRST_ZOO.match(name)
        if found and source.model.classes == coco.NUM_CLASSES:
            told = f"was trained with the API of {_FIRST_MONTH}, which has"
            return _FIRST_MONTH, Witness(found.group(1), told)
    return None, Witness("", "")


def _names(source: Model) -> Tuple[str, ...]:
    """The names a published archive may have left."""
    return os.path.basename(source.path), os.path.basename(os.path.dirname(source.prefix))


def _reordered(witness: Witness, order: Order, api: Optional[str]) -> Finding:
    moved = sum(list(places) != sorted(places) for places in order)
    return Finding(
        "ANCHOR_ORDER",
        INFO,
        witness.file,
        f"{witness.verb} the anchors of {moved} of {len(order)} feature maps in another order than "
        f"{'the API of ' + api if api else 'later APIs'} ({described(order)}): convert and thaw "
        "put the heads' channels into the new order, so that every anchor keeps its own",
        _NOTHING,
    )


def _other(witness: Witness, trained: AnchorSpec, wanted: AnchorSpec) -> Finding:
    return Finding(
        "ANCHORS_DIFFER",
        WARNING,
        witness.file,
        f"{witness.verb} other anchors than the config: {difference(trained, wanted)}; boxes will "
        "not be where they were",
        "give the config the model was trained with (--pipeline_config_path); or carry the boxes "
        "over to the config's anchors: pass its anchor_generator with --anchors",
    )


def _contradicted(
    source: Model, anchors: AnchorSpec, source_api: Optional[str]
) -> Tuple[Finding, ...]:
    if source_api is None:
        return ()
    said = describe_anchors(
        _generator(source), source.config_path, source.model.image, api=source_api
    )
    if not order_of(anchors, said):
        return ()
    return (
        Finding(
            "SOURCE_API",
            WARNING,
            "--source_api",
            f"is {source_api}, but the source's graph has its anchors in another order than the "
            "API of then: the graph is believed",
            "leave --source_api out",
        ),
    )


def _padding(source: Model, read: GraphAnchors) -> Tuple[Finding, ...]:
    """Layers whose inputs the graph pads otherwise than those of the config."""
    settings = getattr(source.config.message.model, source.model.meta).feature_extractor
    explicit = getattr(settings, "use_explicit_padding", False)
    layers = read.joined + (() if explicit else read.padded)
    if not layers:
        return ()
    remedy = "fine-tune before use; what the graph itself finds is exact"
    if not read.joined:
        remedy = "write use_explicit_padding: true into its feature_extractor"
    return (
        Finding(
            "LAYERS_PADDED",
            WARNING,
            os.path.basename(read.path),
            f"pads the inputs of {len(layers)} of its extra layers otherwise than the API does "
            f"(the first: {layers[0]}): on the feature maps from there on, a model that the API "
            "builds from the checkpoint does not compute exactly what this graph does",
            remedy,
        ),
    )


def _strangers(read: GraphAnchors, wanted: AnchorSpec) -> Tuple[Finding, ...]:
    """Graphs of another model, by their weights, that lay other anchors than the config's."""
    return tuple(
        Finding(
            "ANCHOR_ORDER_UNKNOWN",
            WARNING,
            os.path.basename(path),
            f"has the anchors in another order than the API ({described(order)}), but not the "
            "checkpoint's weights: it is taken for another model's, and the order for the API's",
            f"if the checkpoint was trained with that order, say so: --source_api {_LAST_MONTH}",
        )
        for path, order in ((path, order_of(one, wanted)) for path, one in read.strangers)
        if order
    )


def _doubt(source: Model, wanted: AnchorSpec) -> Tuple[Finding, ...]:
    """Whether an SSD may be of the time of the old order, for all that can be seen."""
    if (
        source.model.feature_extractor not in _FIRST_EXTRACTORS
        or _is_dated(source)
        or os.path.exists(os.path.join(os.path.dirname(source.prefix), PLAN_JSON))
        or _is_later(source)
        or not order_of(
            describe_anchors(
                _generator(source), source.config_path, source.model.image, api=_LAST_MONTH
            ),
            wanted,
        )
    ):
        return ()
    return (
        Finding(
            "ANCHOR_ORDER_UNKNOWN",
            INFO,
            "the source",
            f"has no graph that shows the order of its anchors; until {_LAST_MONTH} the API had "
            f"another one, and it is taken for trained since {INTERPOLATED_LAST}",
            f"if it was trained before, say so: --source_api {_LAST_MONTH}",
        ),
    )


def _is_dated(source: Model) -> bool:
    """Whether it is named as an archive of a later date, or its config names one, such as it was
    fine-tuned from."""
    names = (*_names(source), source.config.document.text)
    months = [f"{year}-{month}" for name in names for year, month in _DATED.findall(name)]
    return any(month >= INTERPOLATED_LAST for month in months)


def _is_later(source: Model) -> bool:
    """Whether the config has what the API of the old order did not know."""
    return bool(violations(source.config.document, schema(_LAST_MONTH), everything()))
