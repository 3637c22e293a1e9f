"""Describes a detector: one statement made of its config and of its tensors' names and shapes.

`describe` recognises the family from the config and the checkpoint's names, finds the tensors that
the family has, and checks each shape against what the config makes of it (classes, background,
anchors, box encoding, bins).  Every head of a model that it returns is understood; for anything
else it raises a SourceError that lists all that does not fit.  It reads no weights.
"""

import dataclasses
from typing import Iterator, List, Optional, Sequence, Tuple

from graphfix.detectors import families
from graphfix.detectors.auxiliary_variables import find_auxiliary_variables
from graphfix.detectors.channel_layout import ANCHOR
from graphfix.detectors.config_heads import OTHER_MODEL, ConfigHeads, Metas
from graphfix.detectors.extractor_check import check_extractor
from graphfix.detectors.extractors.loader import described_extractor
from graphfix.detectors.families import Family
from graphfix.detectors.model_spec import HeadSpec, ModelSpec
from graphfix.detectors.tensorflow_2 import find_sign
from graphfix.errors import Problem, SourceError
from graphfix.formats.archive import INSTEAD_OF_TF2

# A field of the config by its path, and the value that it must have.
Pinned = Tuple[Tuple[str, ...], int]

_PROBE = 2


def describe(message, metas: Metas, *, config: str, checkpoint: str) -> ModelSpec:
    """Describes the model of a TrainEvalPipelineConfig message and a checkpoint's metadata.

    `config` and `checkpoint` are the files' names, for what is wrong with them.

    Raises:
      SourceError: the family is unknown, or config and checkpoint are not of one model.
    """
    try:
        return _describe(message, metas, config, checkpoint)
    except SourceError as error:
        sign = find_sign(message)
        if sign is None:
            raise
        raise SourceError(
            config, f"is a config for TensorFlow 2: {sign.words}", INSTEAD_OF_TF2
        ) from error


def _describe(message, metas: Metas, config: str, checkpoint: str) -> ModelSpec:
    reading = ConfigHeads(message, metas, config)
    settings = reading.body.feature_extractor
    extractor = described_extractor(settings.type, config)
    problems = list(check_extractor(extractor, settings, metas, config, checkpoint))
    if problems:
        raise SourceError.collected(problems)
    family = reading.family()
    heads = list(reading.heads(family))
    comparison = _Comparison(reading, metas, config, checkpoint)
    problems = comparison.other_sizes(heads) or [
        problem for head in heads for problem in comparison.violations(head)
    ]
    problems += comparison.strays(family)
    if problems:
        raise SourceError.collected(problems)
    return ModelSpec(
        family.name,
        reading.meta,
        extractor.type,
        extractor.scopes,
        reading.classes,
        reading.body.num_classes - reading.classes,
        message.HasField("graph_rewriter"),
        tuple(heads),
        reading.anchors,
        reading.coder(),
        reading.image,
        find_auxiliary_variables(metas),
        tuple(_pins(reading, metas, family)),
    )


def proven_num_classes(message, metas: Metas, *, config: str, checkpoint: str) -> Optional[int]:
    """What `num_classes` has to be for every head of a checkpoint to fit a config, whatever the
    config has; None where no number makes them fit, or no head tells."""
    probe = type(message)()
    probe.CopyFrom(message)
    meta = probe.model.WhichOneof("model")
    if meta not in families.ANCHOR_FIELD:
        return None
    # Any number of which the config's model can have so many.
    getattr(probe.model, meta).num_classes = _PROBE
    try:
        reading = ConfigHeads(probe, metas, config)
        heads = list(reading.heads(reading.family()))
    except SourceError:
        return None  # describe says what is wrong
    comparison = _Comparison(reading, metas, config, checkpoint)
    if any(head.class_axis is None and list(comparison.violations(head)) for head in heads):
        return None
    classes = comparison.classes(heads)
    return None if classes is None else classes + _PROBE - reading.classes


def _is_anchored_box(head: HeadSpec) -> bool:
    return head.role == families.BOX and head.layout.has(ANCHOR)


class _Comparison:
    """The heads of a config's model against a checkpoint's tensors."""

    def __init__(self, reading: ConfigHeads, metas: Metas, config: str, checkpoint: str):
        self.reading, self.metas = reading, metas
        self.config, self.checkpoint = config, checkpoint

    def other_sizes(self, heads: Sequence[HeadSpec]) -> List[Problem]:
        """What there is to say where every head fits but for the numbers of anchors and classes,
        which the heads prove."""
        reading = self.reading
        trained = [self._with_trained_anchors(head, heads) for head in heads]
        if any(head.class_axis is None and list(self.violations(head)) for head in trained):
            return []
        classes = self.classes(trained)
        if classes is None and any(head.class_axis for head in heads):
            return []
        problems = []
        if [one.layout for one in trained] != [head.layout for head in heads]:
            made, found = (
                "/".join(str(head.layout.size(ANCHOR)) for head in row if _is_anchored_box(head))
                for row in (heads, trained)
            )
            problems.append(
                Problem(
                    self.config,
                    f"makes {made} anchors at each location, but the box heads of "
                    f"{self.checkpoint} have channels for {found}",
                    "put back the anchors that the checkpoint was trained with; to change them, "
                    "give the new ones with --anchors",
                )
            )
        if classes is not None and classes != reading.classes:
            field = classes + reading.body.num_classes - reading.classes
            problems.append(
                Problem(
                    self.config,
                    f"has num_classes {reading.body.num_classes}, but the heads of "
                    f"{self.checkpoint} have {classes} classes",
                    f"set num_classes: {field}, as the checkpoint was trained with; set the new "
                    "count with --label_map_path or --num_classes",
                )
            )
        return problems

    def _with_trained_anchors(self, head: HeadSpec, heads: Sequence[HeadSpec]) -> HeadSpec:
        """The head with as many anchors as the box head beside it has channels for."""
        for box in heads:
            if (
                _is_anchored_box(box)
                and (box.stage, box.map) == (head.stage, head.map)
                and head.layout.has(ANCHOR)
            ):
                meta = self.metas.get(box.tensors[0])
                beside = box.layout.channels // box.layout.size(ANCHOR)
                if meta and meta.shape and meta.shape[-1] and not meta.shape[-1] % beside:
                    layout = head.layout.resized(ANCHOR, meta.shape[-1] // beside)
                    return dataclasses.replace(head, layout=layout)
        return head

    def classes(self, heads: Sequence[HeadSpec]) -> Optional[int]:
        """The one number of classes with which every head that counts them fits; None where there
        is none, or no head counts them."""
        counts = set()
        for head in heads:
            axis = head.class_axis
            if axis is None:
                continue
            beside = head.layout.channels // head.layout.size(axis)
            for name in head.tensors:
                meta = self.metas.get(name)
                if meta is None or not meta.shape or meta.shape[-1] % beside:
                    return None
                counts.add(meta.shape[-1] // beside - (1 if head.background else 0))
        return counts.pop() if len(counts) == 1 and min(counts) > 0 else None

    def violations(self, head: HeadSpec) -> Iterator[Problem]:
        """What is wrong with a head's tensors."""
        for name in head.tensors:
            meta = self.metas.get(name)
            if meta is None:
                yield Problem(
                    self.checkpoint,
                    f"has no variable {name}, which the model of {self.config} has",
                    OTHER_MODEL,
                )
            elif not meta.dtype.is_floating or meta.dtype.numpy is None:
                yield Problem(
                    self.checkpoint,
                    f"{name} has type {meta.dtype}, which graphfix cannot compute with",
                    "save it as float32",
                )
            elif not meta.shape or meta.shape[-1] != head.layout.channels:
                yield Problem(
                    self.checkpoint,
                    f"{name} has shape {list(meta.shape)}, but with {self.config} its last axis "
                    f"has {head.layout.channels} channels ({head.axes})",
                    OTHER_MODEL,
                )

    def strays(self, family: Family) -> Iterator[Problem]:
        """Heads in the checkpoint that the config's model does not have."""
        reading = self.reading
        for row in family.heads:
            if "{map}" in row.scope:
                scope = row.scope.format(map=len(reading.anchors.per_map))
                what = f"of a feature map that {self.config} does not have"
            elif row.when and not reading.is_built(row):
                scope = reading.scope(row, 0)
                what = f"of a {row.role} head that {self.config} does not have"
            else:
                continue
            if scope + "/" + row.leaves[0] in self.metas:
                yield Problem(
                    self.checkpoint,
                    f"has a variable {scope + '/' + row.leaves[0]}, {what}",
                    OTHER_MODEL,
                )


def _pins(reading: ConfigHeads, metas: Metas, family: Family) -> Iterator[Pinned]:
    """The fields that the config must spell out (families.Pin)."""
    pin, name = family.pin, reading.predictor_name
    if (
        pin is None
        or name is None
        or getattr(reading.predictor, pin.field) != 0
        or pin.tensor not in metas
    ):
        return
    masks = [head for head in reading.heads(family) if head.role == families.MASK]
    if masks and pin.tensor not in masks[0].tensors:
        path = ("model", reading.meta, families.PREDICTOR_FIELD[reading.meta], name, pin.field)
        yield path, metas[pin.tensor].shape[-1]
