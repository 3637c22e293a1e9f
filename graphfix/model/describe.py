"""What a detector is: its config and its tensors' names and shapes, made one statement.

`describe` recognises the family from the config, finds the tensors that family says exist, and
holds each shape against what the config makes of it (classes, background slot, anchors, box
code).  A model it returns is one whose every head is understood; everything else is a
SourceError that lists all that does not fit.  No weights are read.
"""

import dataclasses
from typing import List, Mapping, Tuple

from graphfix.errors import Problem, SourceError
from graphfix.model import families
from graphfix.model.anchors import AnchorSpec, describe_anchors
from graphfix.model.families import BOX, CLASS, Family, HeadRow
from graphfix.model.layout import Axis, ChannelLayout
from graphfix.tensors import TensorMeta

_OTHER_MODEL = "give the pipeline.config that this checkpoint was trained with"


@dataclasses.dataclass(frozen=True)
class HeadSpec:
    """One head of one feature map.

    `tensors` are its variables' names; the last axis of each is packed as `layout` says.
    `background` tells whether slot 0 of a class head is the background.
    """

    role: str
    stage: str
    tensors: Tuple[str, ...]
    layout: ChannelLayout
    background: bool


@dataclasses.dataclass(frozen=True)
class Extras:
    """Names of variables that training adds to a model's own."""

    moving_averages: Tuple[str, ...]
    optimizer: Tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """A detector: family, number of classes (without background), heads, anchors, extras."""

    family: str
    classes: int
    heads: Tuple[HeadSpec, ...]
    anchors: AnchorSpec
    extras: Extras


def find_extras(names) -> Extras:
    """Tells training's variables from the model's, by the model variable they belong to."""
    names = set(names)
    averages, optimizer = [], []
    for name in sorted(names):
        if name in families.OPTIMIZER_SCALARS:
            optimizer.append(name)
        elif _parent(name, (families.MOVING_AVERAGE,)) in names:
            averages.append(name)
        elif _parent(name, families.SLOT_SUFFIXES) in names:
            optimizer.append(name)
    return Extras(tuple(averages), tuple(optimizer))


def _parent(name: str, suffixes):
    for suffix in suffixes:
        if name.endswith(suffix):
            return name[:-len(suffix)]
    return None


def describe(message, metas: Mapping[str, TensorMeta], *, config: str, checkpoint: str) -> ModelSpec:
    """Describes the model of a TrainEvalPipelineConfig message and a checkpoint's metadata.

    `config` and `checkpoint` are the files' names, for what is wrong with them.

    Raises:
      SourceError: the family is unknown, or config and checkpoint are not of one model.
    """
    family, body = _family(message, config)
    problems = list(_backbone(body.feature_extractor, metas, config, checkpoint))
    if problems:
        raise SourceError.collected(problems)
    slots, background = _slots(body, config)
    anchors = describe_anchors(body.anchor_generator, config)
    code = _box_code(body.box_predictor, config)
    heads = []  # type: List[HeadSpec]
    for number, per_location in enumerate(anchors.per_map):
        sizes = {"anchor": per_location, "slot": slots, "code": code}
        for row in family.per_map:
            layout = ChannelLayout(tuple(Axis(kind, sizes[kind]) for kind in row.axes))
            names = _tensors(row, number, len(anchors.per_map))
            problems += _misfits(row, names, layout, metas, config, checkpoint)
            heads.append(HeadSpec(row.role, "map %d" % number, names, layout,
                                  background and row.role == CLASS))
    problems += _strays(family, len(anchors.per_map), metas, config, checkpoint)
    if problems:
        raise SourceError.collected(problems)
    return ModelSpec(family.name, slots - (1 if background else 0), tuple(heads), anchors,
                     find_extras(metas))


def _family(message, config: str):
    meta = message.model.WhichOneof("model")
    body = getattr(message.model, meta) if meta else None
    predictor = body.box_predictor.WhichOneof("box_predictor_oneof") \
        if meta == "ssd" else "second stage"
    for family in families.FAMILIES:
        if (family.meta, family.predictor) == (meta, predictor):
            if body.feature_extractor.type not in {row.type for row in families.BACKBONES}:
                raise SourceError(
                    config, "the feature extractor '%s' of this %s is not one graphfix knows"
                    % (body.feature_extractor.type, family.name),
                    "known are: " + ", ".join(row.type for row in families.BACKBONES))
            if message.HasField("graph_rewriter"):
                raise SourceError(config, "describes a quantized model (graph_rewriter), which "
                                  "graphfix does not convert", "use the model's float version")
            return family, body
    raise SourceError(
        config, "describes no family graphfix knows: meta-architecture %s, box predictor %s"
        % (meta, predictor),
        "known are: " + ", ".join("%s with %s" % (row.meta, row.predictor)
                                  for row in families.FAMILIES))


def _slots(body, config: str) -> Tuple[int, bool]:
    """Class slots a place has, and whether the first is the background."""
    if body.num_classes < 1:
        raise SourceError(config, "has num_classes %d" % body.num_classes,
                          "give the number of classes the checkpoint was trained with")
    if body.explicit_background_class:
        if body.add_background_class:
            raise SourceError(config, "sets both add_background_class and "
                              "explicit_background_class", "the stock API refuses that; set one")
        return body.num_classes, True
    background = body.add_background_class
    return body.num_classes + (1 if background else 0), background


def _box_code(predictor, config: str) -> int:
    size = predictor.convolutional_box_predictor.box_code_size
    if not 1 <= size <= 1024:
        raise SourceError(config, "has box_code_size %d" % size, _OTHER_MODEL)
    return size


def _backbone(extractor, metas, config: str, checkpoint: str):
    row, = [row for row in families.BACKBONES if row.type == extractor.type]
    found = metas.get(row.scope + row.first)
    if found is None:
        scopes = sorted({"/".join(name.split("/")[:2]) for name in metas
                         if name.startswith("FeatureExtractor/")})
        classification = any(name.startswith(row.scope.split("/", 1)[1]) for name in metas)
        if classification:
            yield Problem(checkpoint, "is a classification checkpoint, not a detector",
                          "train from it with from_detection_checkpoint: false; there are no "
                          "heads to carry over")
            return
        yield Problem(config, "describes a %s, but %s has no variable %s (it has %s)" % (
            row.type, checkpoint, row.scope + row.first,
            ", ".join(scopes) or "no FeatureExtractor at all"), _OTHER_MODEL)
        return
    width = max(int(row.width * extractor.depth_multiplier), extractor.min_depth)
    if len(found.shape) != 4 or found.shape[-1] != width:
        yield Problem(config, "gives %s a width of %d (depth_multiplier %g), but in %s its shape "
                      "is %s" % (found.name, width, extractor.depth_multiplier, checkpoint,
                                 list(found.shape)), _OTHER_MODEL)


def _tensors(row: HeadRow, number: int, maps: int) -> Tuple[str, ...]:
    scope = row.scope.format(map=number)
    if maps == 1:
        # The stock predictor adds its per-map scope only when there are several maps.
        scope = scope.split("/", 1)[1]
    return tuple(scope + "/" + leaf for leaf in row.leaves)


def _misfits(row: HeadRow, names, layout: ChannelLayout, metas, config, checkpoint):
    for name in names:
        meta = metas.get(name)
        if meta is None:
            yield Problem(checkpoint, "has no variable %s, which the model of %s has"
                          % (name, config), _OTHER_MODEL)
        elif not meta.shape or meta.shape[-1] != layout.channels or not meta.dtype.is_floating:
            packed = " x ".join("%d %ss" % (axis.size, axis.kind) for axis in layout.axes)
            yield Problem(checkpoint, "%s has shape %s, but %s makes its last axis %d (%s)"
                          % (name, list(meta.shape), config, layout.channels, packed),
                          _OTHER_MODEL)


def _strays(family: Family, maps: int, metas, config, checkpoint):
    """Heads in the checkpoint of feature maps the config does not have."""
    for row in family.per_map:
        for name in _tensors(row, maps, maps + 1):
            if name in metas:
                yield Problem(checkpoint, "has a variable %s, of a feature map that %s does not "
                              "have" % (name, config), _OTHER_MODEL)


__all__ = ["BOX", "CLASS", "Extras", "HeadSpec", "ModelSpec", "describe", "find_extras"]
