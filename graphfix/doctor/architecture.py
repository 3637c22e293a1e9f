"""Checks of whether a model's parts fit: feature extractor, images, anchors, predictor, masks."""

from typing import Iterator, Optional, Tuple

import numpy as np

from graphfix.detectors.anchor_generators import AnchorSpec, NoSize
from graphfix.detectors.extractors.facts import FPN, MULTI_RESOLUTION, POOLING_PYRAMID
from graphfix.detectors.extractors.loader import Extractor, find_extractor
from graphfix.detectors.families import ANCHOR_FIELD, FASTER_RCNN, SSD
from graphfix.detectors.feature_maps import map_count, map_shapes
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, WARNING, count
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.resizers import constant_size

GRID = "grid_anchor_generator"
_RESNET = "ssd_resnet"
# Of images whose size varies; every stride divides it.
SOME_SIZE = (1024.0, 1024.0)


def _extractor_options(setup: Setup) -> Iterator[Symptom]:
    if setup.meta not in (SSD, FASTER_RCNN):
        return
    extractor = setup.body.feature_extractor
    known = find_extractor(extractor.type)
    if known is None or known.meta != setup.meta:
        return
    path: Tuple[str, ...] = ("model", setup.meta, "feature_extractor")
    wrong = []  # (field, what is wrong, the literal that is right)
    if setup.meta == FASTER_RCNN:
        stride, right = extractor.first_stage_features_stride, known.stage_strides
        if stride not in right:
            words = " or ".join(map(str, right))
            wrong.append(("first_stage_features_stride", f"is {stride}, and can be {words}", "16"))
        if setup.body.inplace_batchnorm_update:
            where = setup.where("model", setup.meta, "inplace_batchnorm_update")
            edit = ConfigEdit(path[:2] + ("inplace_batchnorm_update",), None, "not supported")
            yield Symptom(
                where,
                "inplace_batchnorm_update is set, which Faster R-CNN does not support",
                "remove inplace_batchnorm_update",
                (edit,),
            )
    else:
        yield from _unknown_arguments(setup, known)
    if known.only_side and extractor.pad_to_multiple != 1:
        wrong.append(("pad_to_multiple", f"is {extractor.pad_to_multiple}, and must be 1", "1"))
    elif extractor.type.startswith(_RESNET):
        if known.feature_maps == FPN and extractor.use_explicit_padding:
            wrong.append(("use_explicit_padding", "is set, which a ResNet can't have", "false"))
        if known.feature_maps == POOLING_PYRAMID and extractor.depth_multiplier != 1:
            value = f"is {extractor.depth_multiplier:g}, and must be 1"
            wrong.append(("depth_multiplier", value, "1.0"))
    for field, what, literal in wrong:
        edit = ConfigEdit(path + (field,), literal, "what the extractor can be built with")
        yield Symptom(
            setup.where(*path, field),
            f"{field} {what}, with {extractor.type}",
            f"write {field}: {literal}",
            (edit,),
        )


def _unknown_arguments(setup: Setup, known: Extractor) -> Iterator[Symptom]:
    """Settings that the API hands on to any SSD's extractor, and this one does not take."""
    extractor = setup.body.feature_extractor
    layers = known.feature_maps == MULTI_RESOLUTION and known.map_count is None
    takes = {
        "num_layers": layers or known.type == "ssd_mobilenet_v1_ppn",
        "fpn": known.has_pyramid,
        "bifpn": False,  # TensorFlow 2's extractors only
        "replace_preprocessor_with_placeholder": False,
    }
    for field, is_taken in takes.items():
        if known.feature_maps and not is_taken and extractor.HasField(field):
            path = ("model", SSD, "feature_extractor", field)
            yield Symptom(
                setup.where(*path),
                f"{known.type} takes no {field}",
                f"remove {field}",
                (ConfigEdit(path, None, f"{known.type} does not take it"),),
            )


def _image_size(setup: Setup) -> Iterator[Symptom]:
    if setup.meta not in (SSD, FASTER_RCNN):
        return
    kind = setup.body.feature_extractor.type
    known = find_extractor(kind)
    if known is None or known.meta != setup.meta:
        return
    side, least = known.only_side, known.least_side
    where = setup.where("model", setup.meta, "image_resizer")
    for size, whose in _sizes(setup):
        words = " x ".join(f"{one:g}" for one in size)
        if side and set(size) != {side}:
            yield Symptom(
                where,
                f"images{whose} are {words}, and {kind} takes none but {side} x {side}",
                f"write fixed_shape_resizer {{ height: {side} width: {side} }}",
            )
            return
        if min(size) < least:
            resized = setup.body.image_resizer.WhichOneof("image_resizer_oneof")
            yield Symptom(
                where,
                f"images{whose} of {words} are smaller than the {least} x {least} that {kind} "
                "needs",
                f"write a size of at least {least}; 300 is usual"
                if not whose
                else f"write fixed_shape_resizer {{ height: 300 width: 300 }}: {resized} leaves "
                f"pictures below {least} x {least}",
            )
            return


def _sizes(setup: Setup) -> Iterator[Tuple[Tuple[float, float], str]]:
    """(size, whose images have it) of images as they enter the network, as far as it is known."""
    resizer = setup.body.image_resizer
    size = constant_size(resizer)
    if size is None and resizer.WhichOneof("image_resizer_oneof") == "keep_aspect_ratio_resizer":
        # The shorter side is never more than min_dimension.
        size = (float(resizer.keep_aspect_ratio_resizer.min_dimension),) * 2
    if size is not None:
        if min(size) >= 1:  # else IMAGE_RESIZER
            yield size, ""
        return
    for name, _ in setup.readers():
        found = setup.resized(np.array(sorted(setup.scan(name).image_sizes)))[1]
        if len(found):
            height, width = found[found.min(axis=1).argmin()]
            yield (float(height), float(width)), f" of {name}"


def laid_anchors(setup: Setup) -> Optional[AnchorSpec]:
    """The config's anchors, where they can be laid and the extractor is known."""
    if setup.meta not in (SSD, FASTER_RCNN):
        return None
    known = find_extractor(setup.body.feature_extractor.type)
    if known is None or known.meta != setup.meta:
        return None
    if setup.meta == SSD and not known.feature_maps:
        return None
    spec, error = setup.anchors()
    return error.spec if isinstance(error, NoSize) else spec


def _maps(setup: Setup) -> Iterator[Symptom]:
    spec = laid_anchors(setup)
    if spec is None:
        return
    field = ANCHOR_FIELD[setup.meta]
    path = ("model", setup.meta, field, spec.generator)
    if setup.meta == FASTER_RCNN:
        if spec.generator != GRID:
            yield Symptom(
                setup.where(*path),
                f"Faster R-CNN's anchors are of a {GRID}, not of a {spec.generator}",
                f"write {field} {{ {GRID} {{ ... }} }}",
            )
        return
    maps, wanted = len(spec.per_map), map_count(setup.body, setup.meta)
    if maps == wanted:
        return
    if wanted < 1:
        yield Symptom(
            setup.where("model", SSD, "feature_extractor", "fpn"),
            "the fpn's min_level is above its max_level",
            "write min_level: 3 and max_level: 7, or as the model's sample config has them",
        )
        return
    edits: Tuple[ConfigEdit, ...] = ()
    remedy = f"place anchors on {count(wanted, 'feature map')}"
    settings = getattr(setup.body.anchor_generator, spec.generator)
    if spec.generator == "ssd_anchor_generator" and not settings.scales:
        edits = (ConfigEdit(path + ("num_layers",), str(wanted), "one for each feature map"),)
        remedy = f"write num_layers: {wanted}"
    elif spec.generator == "multiscale_anchor_generator":
        fpn = setup.body.feature_extractor.fpn
        low, high = fpn.min_level, fpn.max_level
        remedy = f"write min_level: {low} and max_level: {high}"
        edits = (
            ConfigEdit(path + ("min_level",), str(low), "the FPN's"),
            ConfigEdit(path + ("max_level",), str(high), "the FPN's"),
        )
    yield Symptom(
        setup.where(*path),
        f"anchors are placed on {count(maps, 'feature map')}, but "
        f"{setup.body.feature_extractor.type} makes {wanted}",
        remedy,
        edits,
    )


def _strides(setup: Setup) -> Iterator[Symptom]:
    """Anchors that are as many as the features, but lie elsewhere."""
    spec = laid_anchors(setup)
    # With options that can't be, there is no telling where the features are.
    wrong = any(True for _ in _extractor_options(setup))
    if spec is None or wrong or len(spec.per_map) != map_count(setup.body, setup.meta):
        return
    field = ANCHOR_FIELD[setup.meta]
    path = ("model", setup.meta, field, spec.generator)
    image = np.array([constant_size(setup.body.image_resizer) or SOME_SIZE])
    for number, (one, cells) in enumerate(
        zip(spec.maps, map_shapes(setup.body, setup.meta, image)), start=1
    ):
        if one.stride is None:
            continue
        # Cells at the edge may be cut, so that strides are right within one of them.
        off = np.abs(np.array(one.stride) * cells[0] - image[0])
        if (off <= np.array(one.stride)).all():
            continue
        right = [f"{side:g}" for side in np.exp2(np.round(np.log2(image[0] / cells[0])))]
        edits: Tuple[ConfigEdit, ...] = ()
        if setup.meta == FASTER_RCNN:
            right = [str(setup.body.feature_extractor.first_stage_features_stride)] * 2
            edits = tuple(
                ConfigEdit(path + (name,), literal, "the features' own")
                for name, literal in zip(("height_stride", "width_stride"), right)
            )
        where = f" of feature map {number}" if len(spec.maps) > 1 else ""
        yield Symptom(
            setup.where(*path),
            f"the anchors{where} are {one.stride[0]:g} x {one.stride[1]:g} pixels apart, and the "
            f"features {' x '.join(right)}",
            "write height_stride: {} and width_stride: {}".format(*right)
            if edits
            else "give the anchors the feature maps' levels, or strides",
            edits,
        )
        return


def _unequal(setup: Setup) -> Iterator[Symptom]:
    spec = laid_anchors(setup)
    name = setup.predictor[0]
    if (
        spec is None
        or setup.meta != SSD
        or name != "weight_shared_convolutional_box_predictor"
        or len(set(spec.per_map)) == 1
    ):
        return
    path = ("model", SSD, ANCHOR_FIELD[SSD], spec.generator)
    field = "reduce_boxes_in_lowest_layer"
    rest = set(spec.per_map[1:])
    edits: Tuple[ConfigEdit, ...] = ()
    remedy = "give every feature map as many anchors"
    if spec.generator == "ssd_anchor_generator" and len(rest) == 1:
        edits = (ConfigEdit(path + (field,), "false", "as many anchors as on the other maps"),)
        remedy = f"write {field}: false"
    yield Symptom(
        setup.where(*path),
        f"the feature maps have {'/'.join(map(str, spec.per_map))} anchors at a location, and one "
        f"{name} predicts them all",
        remedy,
        edits,
    )


CHECKS = (
    Check(
        "EXTRACTOR_OPTION",
        ERROR,
        "The feature extractor can't be built with this option (\"`first_stage_features_stride` "
        'must be 8 or 16.", "Explicit padding is not a valid option.", "got an unexpected keyword '
        "argument 'fpn_min_level'\").",
        "write what it can be built with",
        _extractor_options,
    ),
    Check(
        "IMAGE_SMALL",
        ERROR,
        'The feature extractor refuses images of this size ("image size must be >= 33 in both '
        'height and width").',
        "resize images to a size that it takes",
        _image_size,
    ),
    Check(
        "ANCHOR_MAPS",
        ERROR,
        'The anchors are for other feature maps than the feature extractor makes ("Number of '
        'feature maps is expected to equal the length of").',
        "place anchors on every feature map",
        _maps,
    ),
    Check(
        "ANCHOR_STRIDE",
        WARNING,
        "The anchors are as many as the features, but not where the features are: the further from "
        "the image's corner, the further off. Nothing says so, and little is learned.",
        "give the anchors the features' stride",
        _strides,
    ),
    Check(
        "ANCHORS_UNEQUAL",
        ERROR,
        "A weight-shared predictor has one head for all feature maps, so that each needs as many "
        'anchors ("num predictions per location must be same for all").',
        "give every feature map as many anchors",
        _unequal,
    ),
)
