"""What a detector is: its config and its tensors' names and shapes, made one statement.

`describe` recognises the family from the config and the checkpoint's names, finds the tensors
that family says exist, and holds each shape against what the config makes of it (classes,
background, anchors, box code, bins).  A model it returns is one whose every head is understood;
everything else is a SourceError that lists all that does not fit.  No weights are read.
"""

import dataclasses
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from graphfix.detectors import families
from graphfix.detectors.anchor_generators import AnchorSpec, describe_anchors
from graphfix.detectors.auxiliary_variables import Extras, find_extras
from graphfix.detectors.backbones import check_backbone, find_backbone
from graphfix.detectors.box_coders import FIRST_STAGE, Coder, read_coder
from graphfix.detectors.channel_layout import Axis, ChannelLayout
from graphfix.detectors.families import FASTER_RCNN, SSD, Family, HeadRow
from graphfix.detectors.initializer import Initializer, read_initializer
from graphfix.errors import Problem, SourceError
from graphfix.formats.tensors import TensorMeta
from graphfix.pipeline_config.resizers import constant_size

_OTHER_MODEL = "give the pipeline.config that this checkpoint was trained with"
_SECOND_STAGE_CODE = 4
_OBJECTNESS = 2

Metas = Mapping[str, TensorMeta]


@dataclasses.dataclass(frozen=True)
class HeadSpec:
    """One head: of one feature map (`map`), or of all (None).

    `tensors` are its variables' names; the last axis of each is packed as `layout` says.
    `background` tells whether slot 0 of a class head is the background.  `initializer` is the
    config's for new kernels, None where it has none that graphfix knows.  `sigmoid` tells whether
    the model trains and scores each class by itself, by a sigmoid, and not all by one softmax.
    """

    role: str
    stage: str
    map: Optional[int]
    scope: str
    tensors: Tuple[str, ...]
    layout: ChannelLayout
    background: bool
    initializer: Optional[Initializer]
    sigmoid: bool = False

    @property
    def class_axis(self) -> Optional[str]:
        """The axis that counts classes, None where the head has none."""
        return next((kind for kind in ("slot", "class") if self.layout.has(kind)), None)


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """A detector.

    `meta` is its meta-architecture ("ssd", "faster_rcnn"), `classes` its number of classes
    without background, `class_field_offset` what the config's num_classes counts beyond them.
    `backbone` are the scopes of its feature extractor; `coder` and `image` (height and width in
    pixels, where the config fixes them) belong to the anchors; `pins` are fields of the config, by
    path, that must say the value given for the trained tensors to fit any number of classes.
    """

    family: str
    meta: str
    feature_extractor: str
    backbone: Tuple[str, ...]
    classes: int
    class_field_offset: int
    quantized: bool
    heads: Tuple[HeadSpec, ...]
    anchors: AnchorSpec
    coder: Coder
    image: Optional[Tuple[float, float]]
    extras: Extras
    pins: Tuple[Tuple[Tuple[str, ...], int], ...]


def describe(message, metas: Metas, *, config: str, checkpoint: str) -> ModelSpec:
    """Describes the model of a TrainEvalPipelineConfig message and a checkpoint's metadata.

    `config` and `checkpoint` are the files' names, for what is wrong with them.

    Raises:
      SourceError: the family is unknown, or config and checkpoint are not of one model.
    """
    reading = _Reading(message, metas, config, checkpoint)
    backbone = find_backbone(reading.body.feature_extractor.type, config)
    problems = list(
        check_backbone(backbone, reading.body.feature_extractor, metas, config, checkpoint)
    )
    if problems:
        raise SourceError.collected(problems)
    family = reading.family()
    heads = list(reading.heads(family))
    problems = reading.other_count(heads) or [
        problem for head in heads for problem in reading.violations(head)
    ]
    problems += reading.strays(family)
    if problems:
        raise SourceError.collected(problems)
    return ModelSpec(
        family.name,
        reading.meta,
        backbone.type,
        backbone.scopes,
        reading.classes,
        reading.body.num_classes - reading.classes,
        message.HasField("graph_rewriter"),
        tuple(heads),
        reading.anchors,
        reading.coder(),
        reading.image,
        find_extras(metas),
        tuple(reading.pins(family)),
    )


def expected_heads(
    message, metas: Metas, *, config: str, checkpoint: str
) -> Tuple[Family, Tuple[HeadSpec, ...]]:
    """The heads that a config makes its model have, under the names that a checkpoint has most of;
    whether the checkpoint's tensors fit them is not asked.

    Raises:
      SourceError: the config describes no model that graphfix knows.
    """
    reading = _Reading(message, metas, config, checkpoint)
    family = reading.family()
    return family, tuple(reading.heads(family))


class _Reading:
    """The sizes that a config gives the heads' axes, and the checkpoint they are held against."""

    def __init__(self, message, metas: Metas, config: str, checkpoint: str):
        self.metas, self.config, self.checkpoint = metas, config, checkpoint
        self.meta = message.model.WhichOneof("model")
        known = sorted({row.meta for row in families.FAMILIES})
        if self.meta not in known:
            raise SourceError(
                config,
                f"describes no meta-architecture graphfix knows: {self.meta or 'none'}",
                "known are: " + ", ".join(known),
            )
        self.body = getattr(message.model, self.meta)
        self.image = constant_size(self.body.image_resizer)
        self.anchors = describe_anchors(
            getattr(self.body, families.ANCHOR_FIELD[self.meta]), config, self.image
        )
        self.predictor_name, self.predictor = self._predictor()
        self.two_stages = self.meta == FASTER_RCNN
        slots, self.background = self._slots()
        self.classes = slots - (1 if self.background else 0)
        self.sizes = {
            "slot": slots,
            "class": self.classes,
            "code": self._code(),
            "objectness": _OBJECTNESS,
            "bin": self._bins(),
        }

    def _predictor(self) -> Tuple[Optional[str], Any]:
        box_predictor = getattr(self.body, families.PREDICTOR_FIELD[self.meta])
        name = box_predictor.WhichOneof("box_predictor_oneof")
        return name, getattr(box_predictor, name) if name else None

    def _slots(self) -> Tuple[int, bool]:
        """Class slots a place has, and whether the first is the background."""
        count = self.body.num_classes
        counted = self.meta == SSD and self.body.explicit_background_class
        if not (2 if counted else 1) <= count <= 1 << 20:
            raise SourceError(
                self.config,
                f"has num_classes {count}",
                "give the number of classes the checkpoint was trained with",
            )
        if self.meta != SSD:
            return count + 1, True
        if counted:
            if self.body.add_background_class:
                raise SourceError(
                    self.config,
                    "sets both add_background_class and explicit_background_class",
                    "the stock API refuses that; set one",
                )
            return count, True
        background = self.body.add_background_class
        return count + (1 if background else 0), background

    def _code(self) -> int:
        if self.two_stages:
            return _SECOND_STAGE_CODE
        size = getattr(self.predictor, "box_code_size", _SECOND_STAGE_CODE)
        if not 1 <= size <= 1024:
            raise SourceError(self.config, f"has box_code_size {size}", _OTHER_MODEL)
        return size

    def _bins(self) -> int:
        height = getattr(self.predictor, "num_spatial_bins_height", 1)
        width = getattr(self.predictor, "num_spatial_bins_width", 1)
        if not (1 <= height <= 100 and 1 <= width <= 100):
            raise SourceError(self.config, f"has {height} x {width} spatial bins", _OTHER_MODEL)
        return height * width

    def coder(self) -> Coder:
        return FIRST_STAGE if self.two_stages else read_coder(self.body.box_coder, self.config)

    def family(self) -> Family:
        """The row whose predictor the config names and whose names the checkpoint has, or has
        the most of; if it has none, the one that the feature extractor goes with."""
        rows = [
            row
            for row in families.FAMILIES
            if (row.meta, row.predictor) == (self.meta, self.predictor_name)
        ]
        if not rows:
            raise SourceError(
                self.config,
                f"the meta-architecture {self.meta} is known, but not with the box predictor "
                f"{self.predictor_name or '(none)'}",
                "known for it are: "
                + ", ".join(
                    sorted({row.predictor for row in families.FAMILIES if row.meta == self.meta})
                ),
            )
        keras = self.body.feature_extractor.type.endswith(families.KERAS_SUFFIX)
        return max(
            rows,
            key=lambda row: (self._found(row), (row.heads[0].leaves == families.KERAS) == keras),
        )

    def _found(self, family: Family) -> float:
        names = [name for head in self.heads(family) for name in head.tensors]
        return sum(name in self.metas for name in names) / max(len(names), 1)

    def heads(self, family: Family) -> Iterator[HeadSpec]:
        """The heads the config makes the model have."""
        maps = self.anchors.per_map
        for row in family.first_stage:
            yield self._head(row, "first stage", {"anchor": maps[0]}, row.scope)
        for number, anchors in enumerate(maps if family.per_map else maps[:1]):
            stage = (
                f"map {number}"
                if family.per_map
                else ("second stage" if self.two_stages else "all maps")
            )
            for row in family.heads:
                if self._is_built(row):
                    yield self._head(
                        row,
                        stage,
                        {"anchor": anchors},
                        self._scope(row, number),
                        number if family.per_map else None,
                    )

    def _is_built(self, row: HeadRow) -> bool:
        if self.two_stages and self.body.number_of_stages == 1:
            return False
        if not row.when:
            return True
        # Before 2018-02-09 a mask head did not need a third stage to be asked for.
        return getattr(self.predictor, row.when) and (
            self.body.number_of_stages == 3 or self._scope(row, 0) + "/weights" in self.metas
        )

    def _scope(self, row: HeadRow, number: int) -> str:
        last = 0
        if "{last}" in row.scope:
            last = self.predictor.mask_prediction_num_conv_layers - 1
            last += 1 if self.predictor.convolve_then_upsample_masks else 0
        scope = row.scope.format(map=number, last=f"_{last}" if last > 0 else "")
        bare = row.scope.partition("_{map}/")[2]
        if (
            bare
            and row.leaves != families.KERAS
            and len(self.anchors.per_map) == 1
            and scope + "/" + row.leaves[0] not in self.metas
        ):
            # From 2018-02 on a predictor has a scope for each map only where there are several.
            return bare
        return scope

    def _head(
        self,
        row: HeadRow,
        stage: str,
        sizes: Dict[str, int],
        scope: str,
        number: Optional[int] = None,
    ) -> HeadSpec:
        sizes = dict(self.sizes, **sizes)
        kinds = [
            kind
            for kind in row.axes
            if not (kind == "class" and row.agnostic and getattr(self.predictor, row.agnostic))
        ]
        layout = ChannelLayout(tuple(Axis(kind, sizes[kind]) for kind in kinds))
        hyperparams = getattr(self.predictor, row.hyperparams, None)
        return HeadSpec(
            row.role,
            stage,
            number,
            scope,
            tuple(scope + "/" + leaf for leaf in row.leaves),
            layout,
            self.background and "slot" in kinds,
            read_initializer(hyperparams) if hyperparams is not None else None,
            row.role == families.CLASS and self._sigmoid(),
        )

    def _sigmoid(self) -> bool:
        if self.two_stages:
            loss = self.body.second_stage_classification_loss
            processing = self.body.second_stage_post_processing
        else:
            loss, processing = self.body.loss.classification_loss, self.body.post_processing
        converter = processing.DESCRIPTOR.fields_by_name["score_converter"].enum_type
        return (
            "sigmoid" in (loss.WhichOneof("classification_loss") or "")
            and converter.values_by_number[processing.score_converter].name == "SIGMOID"
        )

    def other_count(self, heads: Sequence[HeadSpec]) -> List[Problem]:
        """The one thing that is wrong, where every head fits but for the number of classes."""
        counts = set()
        for head in heads:
            axis = head.class_axis
            if axis is None:
                if list(self.violations(head)):
                    return []
                continue
            beside = head.layout.channels // head.layout.size(axis)
            for name in head.tensors:
                meta = self.metas.get(name)
                if meta is None or not meta.shape or meta.shape[-1] % beside:
                    return []
                counts.add(meta.shape[-1] // beside - (1 if head.background else 0))
        if len(counts) != 1 or counts == {self.classes}:
            return []
        (classes,) = counts
        field = classes + self.body.num_classes - self.classes
        return [
            Problem(
                self.config,
                f"has num_classes {self.body.num_classes}, but the heads of {self.checkpoint} "
                f"have {classes} classes",
                (
                    f"set num_classes: {field}, as the checkpoint was trained with; what it shall "
                    "become is said by --label_map_path or --num_classes"
                ),
            )
        ]

    def violations(self, head: HeadSpec) -> Iterator[Problem]:
        """What is wrong with a head's tensors."""
        for name in head.tensors:
            meta = self.metas.get(name)
            if meta is None:
                yield Problem(
                    self.checkpoint,
                    f"has no variable {name}, which the model of {self.config} has",
                    _OTHER_MODEL,
                )
            elif not meta.dtype.is_floating or meta.dtype.numpy is None:
                yield Problem(
                    self.checkpoint,
                    f"{name} is of type {meta.dtype}, with which graphfix cannot compute",
                    "save it as float32",
                )
            elif not meta.shape or meta.shape[-1] != head.layout.channels:
                yield Problem(
                    self.checkpoint,
                    f"{name} has shape {list(meta.shape)}, but {self.config} makes its last axis "
                    f"{head.layout.channels} ({head.layout})",
                    _OTHER_MODEL,
                )

    def strays(self, family: Family) -> Iterator[Problem]:
        """Heads in the checkpoint that the config's model does not have."""
        for row in family.heads:
            if "{map}" in row.scope:
                scope = row.scope.format(map=len(self.anchors.per_map))
                what = f"of a feature map that {self.config} does not have"
            elif row.when and not self._is_built(row):
                scope = self._scope(row, 0)
                what = f"of a {row.role} head that {self.config} does not have"
            else:
                continue
            if scope + "/" + row.leaves[0] in self.metas:
                yield Problem(
                    self.checkpoint,
                    f"has a variable {scope + '/' + row.leaves[0]}, {what}",
                    _OTHER_MODEL,
                )

    def pins(self, family: Family):
        """(path, value) of the config's fields that must be written out."""
        pin = family.pin
        if pin is None or getattr(self.predictor, pin.field) != 0 or pin.tensor not in self.metas:
            return
        masks = [head for head in self.heads(family) if head.role == families.MASK]
        if masks and pin.tensor not in masks[0].tensors:
            yield (
                (
                    "model",
                    self.meta,
                    families.PREDICTOR_FIELD[self.meta],
                    self.predictor_name,
                    pin.field,
                ),
                self.metas[pin.tensor].shape[-1],
            )
