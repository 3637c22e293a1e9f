"""What a conversion knows before it decides anything: each file read once, each question asked
once."""

import dataclasses
from typing import Any, NamedTuple, Optional, Tuple

from graphfix.conversion.target_classes import target_classes
from graphfix.conversion.trained_anchors import of_plan, trained_anchors
from graphfix.detectors.anchor_generators import AnchorSpec, describe_anchors
from graphfix.detectors.anchor_order import Order
from graphfix.errors import RequestError
from graphfix.findings import WARNING, Finding
from graphfix.formats.regular_files import missing, read_file
from graphfix.formats.textproto import Document
from graphfix.formats.wildcards import Budget, find
from graphfix.modeldir.openers import Model
from graphfix.modeldir.source_labels import source_labels
from graphfix.options import ConvertOptions
from graphfix.pipeline_config.anchor_generators import parse_anchors, touches_anchors
from graphfix.pipeline_config.label_map import Label, LabelMap
from graphfix.pipeline_config.paths import absolute, is_elsewhere, is_placeholder
from graphfix.planning.plan import Plan
from graphfix.stock_api.target_api import TargetApi, find_target_api


class NewAnchors(NamedTuple):
    """An anchors file: its text, its message (an AnchorGenerator), the anchors it means."""

    document: Document
    message: Any
    spec: AnchorSpec


@dataclasses.dataclass(frozen=True)
class Context:
    """The source, the options, and what they mean together.

    `target` is the label map of the new classes, `names` that of the source's (None where unknown),
    `num_classes` the number of new classes, where more than the label map says it;
    `source.model.anchors` are the anchors it was trained with, `anchor_order` their order in those
    that its config means to the API that will train;
    `api` is the API that will train, None where a plan is replayed, which names it; `findings` and
    `names_findings` say what had to be assumed.
    """

    source: Model
    options: ConvertOptions
    names: Optional[LabelMap]
    target: Optional[LabelMap] = None
    num_classes: Optional[int] = None
    anchors: Optional[NewAnchors] = None
    anchor_order: Order = ()
    api: Optional[TargetApi] = None
    findings: Tuple[Finding, ...] = ()
    names_findings: Tuple[Finding, ...] = ()

    @property
    def source_names(self) -> Tuple[str, ...]:
        """The display names of the source's classes, that of id 1 first; "" where unknown."""
        known = self.names.by_id() if self.names else {}
        numbers = range(1, self.source.model.classes + 1)
        return tuple(known[number].display_name if number in known else "" for number in numbers)


def describe(source: Model, options: ConvertOptions) -> Context:
    """Reads what the options name, and finds out what they mean for this source.

    Raises:
      RequestError, SourceError: a file is damaged, or does not fit the source.
    """
    source = _reading_once(source)
    api = find_target_api(options.target_api, source.config, source.store)
    target = target_classes(source, options)
    names, told = source_labels(
        source, options.source_label_map_path, target=target.labels, target_path=target.path
    )
    anchors = _anchors(source, options, api.revision)
    trained = trained_anchors(source, api=api.revision, source_api=options.source_api)
    if trained.order or anchors:
        source = _trained_with(source, trained.anchors)
    return Context(
        source,
        options,
        names,
        target.labels,
        target.num_classes,
        anchors,
        trained.order,
        api,
        api.findings + target.findings + _records(options) + trained.findings,
        told,
    )


def describe_for_replay(source: Model, options: ConvertOptions, plan: Plan) -> Context:
    """What a plan that is replayed leaves open: only the names of the source's classes.

    Raises:
      RequestError: an option is given that the plan has decided.
      SourceError: the source's label map is damaged.
    """
    decided = options.fixed_by_a_plan()
    if decided:
        raise RequestError(
            "--plan",
            "already fixes " + ", ".join(decided),
            "leave that out, or make a new plan with it",
        )
    named = tuple(Label(one.id, one.name, one.display_name) for one in plan.classes if one.name)
    target = LabelMap(named) if named else None
    names = source_labels(source, None, target=target).labels
    if plan.anchor_order:
        source = _trained_with(source, of_plan(source, plan.anchor_order, api=plan.target_api))
    elif touches_anchors(plan.config_edits):
        trained = trained_anchors(source, api=plan.target_api)
        source = _trained_with(source, trained.anchors)
    return Context(_reading_once(source), options, names)


def _trained_with(source: Model, anchors: AnchorSpec) -> Model:
    """The source, its model's anchors those it was trained with, if there are as many of them."""
    if anchors.per_map != source.model.anchors.per_map:
        return source
    return dataclasses.replace(source, model=dataclasses.replace(source.model, anchors=anchors))


def _reading_once(source: Model) -> Model:
    """The source, the heads of which are read once: they are looked at, gathered and compared."""
    heads = [name for head in source.model.heads for name in head.tensors]
    return dataclasses.replace(source, store=source.store.cached(heads))


def _records(options: ConvertOptions) -> Tuple[Finding, ...]:
    """Warnings of records that are not there; of those elsewhere nothing is known."""
    found = []
    for name in ("train_record", "eval_record"):
        path = getattr(options, name)
        if (
            path
            and not is_elsewhere(path)
            and not is_placeholder(path)
            and not find(path, Budget())
        ):
            found.append(
                Finding(
                    "RECORD_MISSING",
                    WARNING,
                    f"--{name}",
                    f"does not exist: {absolute(path)}",
                    missing(
                        absolute(path),
                        "write the records before training, or see whether the path is right",
                    )[1],
                )
            )
    return tuple(found)


def _anchors(source: Model, options: ConvertOptions, api: str) -> Optional[NewAnchors]:
    path = options.anchors
    if path is None:
        if options.anchor_boxes != type(options).anchor_boxes:
            raise RequestError(
                "--anchor_boxes",
                "is given without --anchors",
                "give the new anchors with --anchors FILE, or leave it out",
            )
        return None
    document, message = parse_anchors(read_file(path, pipes=True), path)
    spec = describe_anchors(message, path, source.model.image, api=api)
    return NewAnchors(document, message, spec)
