"""The heads that a config makes its model have, and the size of each of their axes."""

from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from graphfix.detectors import families
from graphfix.detectors.anchor_generators import NoSize, describe_anchors
from graphfix.detectors.box_coders import FIRST_STAGE, Coder, read_coder
from graphfix.detectors.channel_layout import (
    ANCHOR,
    BIN,
    BOX_ENCODING,
    CLASS_AXIS,
    CLASS_CHANNEL,
    OBJECTNESS_AXIS,
    Axis,
    ChannelLayout,
)
from graphfix.detectors.extractors.facts import KERAS
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.families import FASTER_RCNN, SSD, Family, HeadRow
from graphfix.detectors.initializer import read_initializer
from graphfix.detectors.model_spec import HeadSpec
from graphfix.errors import SourceError
from graphfix.formats.tensors import TensorMeta
from graphfix.pipeline_config.resizers import constant_size

OTHER_MODEL = "give the pipeline.config that this checkpoint was trained with"
_SECOND_STAGE_ENCODING = 4
_OBJECTNESS = 2

Metas = Mapping[str, TensorMeta]


def expected_heads(message, metas: Metas, *, config: str) -> Tuple[Family, Tuple[HeadSpec, ...]]:
    """The heads that a config makes its model have, under the names that most of a checkpoint's
    tensors have; whether the tensors fit is not checked.  Their shapes depend on how many anchors
    there are, so that these may be of no size.

    Raises:
      SourceError: the config describes no model that graphfix knows.
    """
    reading = ConfigHeads(message, metas, config, sized=False)
    family = reading.family()
    return family, tuple(reading.heads(family))


class ConfigHeads:
    """The heads of a config's model, under the names that a checkpoint's tensors (`metas`) have.

    Raises:
      SourceError: naming `config`, which describes no model that graphfix knows; if `sized`, for
        anchors of no size, too.
    """

    def __init__(self, message, metas: Metas, config: str, *, sized: bool = True):
        self.metas, self.config = metas, config
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
        generator = getattr(self.body, families.ANCHOR_FIELD[self.meta])
        try:
            self.anchors = describe_anchors(generator, config, self.image)
        except NoSize as error:
            if sized:
                raise
            self.anchors = error.spec
        self.predictor_name, self.predictor = self._predictor()
        self.two_stages = self.meta == FASTER_RCNN
        scored, self.background = self._class_channels()
        self.classes = scored - (1 if self.background else 0)
        self.sizes = {
            CLASS_CHANNEL: scored,
            CLASS_AXIS: self.classes,
            BOX_ENCODING: self._box_encoding(),
            OBJECTNESS_AXIS: _OBJECTNESS,
            BIN: self._bins(),
        }

    def _predictor(self) -> Tuple[Optional[str], Any]:
        box_predictor = getattr(self.body, families.PREDICTOR_FIELD[self.meta])
        name = box_predictor.WhichOneof("box_predictor_oneof")
        return name, getattr(box_predictor, name) if name else None

    def _class_channels(self) -> Tuple[int, bool]:
        """How many class channels an anchor has, and whether the first is the background's."""
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

    def _box_encoding(self) -> int:
        if self.two_stages:
            return _SECOND_STAGE_ENCODING
        size = getattr(self.predictor, "box_code_size", _SECOND_STAGE_ENCODING)
        if not 1 <= size <= 1024:
            raise SourceError(self.config, f"has box_code_size {size}", OTHER_MODEL)
        return size

    def _bins(self) -> int:
        height = getattr(self.predictor, "num_spatial_bins_height", 1)
        width = getattr(self.predictor, "num_spatial_bins_width", 1)
        if not (1 <= height <= 100 and 1 <= width <= 100):
            raise SourceError(self.config, f"has {height} x {width} spatial bins", OTHER_MODEL)
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
        extractor = find_extractor(self.body.feature_extractor.type)
        keras = extractor is not None and extractor.naming == KERAS
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
            yield self._head(row, "first stage", {ANCHOR: maps[0]}, row.scope)
        for number, anchors in enumerate(maps if family.per_map else maps[:1]):
            stage = (
                f"map {number}"
                if family.per_map
                else ("second stage" if self.two_stages else "all maps")
            )
            for row in family.heads:
                if self.is_built(row):
                    yield self._head(
                        row,
                        stage,
                        {ANCHOR: anchors},
                        self.scope(row, number),
                        number if family.per_map else None,
                    )

    def is_built(self, row: HeadRow) -> bool:
        """Whether the config's model has a head of this row."""
        if self.two_stages and self.body.number_of_stages == 1:
            return False
        if not row.when:
            return True
        # Before 2018-02-09 a mask head did not need a third stage to be asked for.
        return getattr(self.predictor, row.when) and (
            self.body.number_of_stages == 3 or self.scope(row, 0) + "/weights" in self.metas
        )

    def scope(self, row: HeadRow, number: int) -> str:
        """The scope of a row's head on a feature map."""
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
            if not (kind == CLASS_AXIS and row.agnostic and getattr(self.predictor, row.agnostic))
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
            self.background and CLASS_CHANNEL in kinds,
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
