"""Checks of the images that the trainer batches: how many, and of which size."""

import re
from typing import Iterator, Tuple

import numpy as np

from graphfix.detectors.extractors.facts import FPN
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, WARNING
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.paths import INPUT_READERS
from graphfix.restore import trainers

# The topmost level of a base network, whose map an FPN doubles and adds to the next; its stride.
_TOP_LEVEL = 5
_STRIDE = 2**_TOP_LEVEL
_BATCH = ("train_config", "batch_size")


def changes_sizes(setup: Setup) -> bool:
    """Whether an augmentation changes the size of images."""
    return any(
        re.search("crop|pad|resize|scale|rotation", step.WhichOneof("preprocessing_step") or "")
        for step in setup.train.data_augmentation_options
    )


def _one_shape(setup: Setup) -> bool:
    """Whether all training images have one size after resizing, and no augmentation changes it."""
    if changes_sizes(setup):
        return False
    scans = [setup.scan(name) for name, _ in setup.readers() if name == INPUT_READERS[0]]
    if not scans or not scans[0].complete or not scans[0].image_sizes:
        return False
    padded = setup.resized(np.array(sorted(scans[0].image_sizes)))[1]
    return len(np.unique(padded, axis=0)) == 1


def _ragged_batch(setup: Setup) -> Iterator[Symptom]:
    if _seen(setup):
        yield from _ragged(setup)


def _maybe_ragged(setup: Setup) -> Iterator[Symptom]:
    if not _seen(setup):
        yield from _ragged(setup)


def _seen(setup: Setup) -> bool:
    """Whether there are training images to look at."""
    return any(name == INPUT_READERS[0] and setup.scan(name).records for name, _ in setup.readers())


def _ragged(setup: Setup) -> Iterator[Symptom]:
    resizer = setup.body.image_resizer
    keep = resizer.keep_aspect_ratio_resizer
    if (
        resizer.WhichOneof("image_resizer_oneof") != "keep_aspect_ratio_resizer"
        or setup.train.batch_size <= 1
        or keep.pad_to_max_dimension
        or _one_shape(setup)
    ):
        return
    path = (
        "model",
        setup.meta,
        "image_resizer",
        "keep_aspect_ratio_resizer",
        "pad_to_max_dimension",
    )
    known = setup.options.schema.field("KeepAspectRatioResizer", path[-1])
    yield Symptom(
        setup.where(*_BATCH),
        f"batch_size is {setup.train.batch_size}, but keep_aspect_ratio_resizer makes images of "
        "different sizes",
        "write %s"
        % (
            "pad_to_max_dimension: true in the resizer, or batch_size: 1"
            if known
            else "batch_size: 1"
        ),
        (ConfigEdit(path, "true", "all images of a batch have one size"),)
        if known
        else (ConfigEdit(_BATCH, "1", "images of different sizes"),),
    )


def _no_batch(setup: Setup) -> Iterator[Symptom]:
    if setup.train.batch_size < 1:
        yield Symptom(setup.where(*_BATCH), f"batch_size is {setup.train.batch_size}")
    if trainers.MODEL_MAIN in setup.options.trainers and setup.message.eval_config.batch_size < 1:
        path = ("eval_config", "batch_size")
        edits = (ConfigEdit(path, "1", "as the API's default"),)
        what = "batch_size of eval_config is 0"
        yield Symptom(setup.where(*path), what, "write batch_size: 1", edits)


def _dimensions(setup: Setup) -> Iterator[Symptom]:
    resizer = setup.body.image_resizer
    chosen = resizer.WhichOneof("image_resizer_oneof")
    path: Tuple[str, ...] = ("model", setup.meta, "image_resizer")
    if chosen is None:
        yield Symptom(setup.where(*path), "there is no image_resizer")
    if chosen == "pad_to_multiple_resizer" and trainers.MODEL_MAIN in setup.options.trainers:
        yield Symptom(
            setup.where(*path, chosen),
            f"model_main takes no {chosen}",
            "write keep_aspect_ratio_resizer with pad_to_max_dimension: true, or train with the "
            "legacy trainer",
        )
    keep = resizer.keep_aspect_ratio_resizer
    if chosen == "keep_aspect_ratio_resizer" and keep.min_dimension > keep.max_dimension:
        path += (chosen,)
        yield Symptom(
            setup.where(*path),
            f"min_dimension is {keep.min_dimension}, more than max_dimension {keep.max_dimension}",
            f"write min_dimension: {keep.max_dimension} and max_dimension: {keep.min_dimension}",
            (
                ConfigEdit(path + ("min_dimension",), str(keep.max_dimension), "the smaller"),
                ConfigEdit(path + ("max_dimension",), str(keep.min_dimension), "the larger"),
            ),
        )
    fixed = resizer.fixed_shape_resizer
    if chosen == "fixed_shape_resizer" and min(fixed.height, fixed.width) < 1:
        yield Symptom(
            setup.where(*(path + (chosen,))),
            f"images are resized to {fixed.height} x {fixed.width}",
            "write height and width",
        )


def _fpn_size(setup: Setup) -> Iterator[Symptom]:
    resizer = setup.body.image_resizer
    if setup.meta != "ssd" or resizer.WhichOneof("image_resizer_oneof") != "fixed_shape_resizer":
        return
    extractor = setup.body.feature_extractor
    known = find_extractor(extractor.type)
    if known is None or known.feature_maps != FPN:
        return
    if extractor.use_explicit_padding:
        return  # then the larger map is cut to the smaller one's size
    fixed, multiple = resizer.fixed_shape_resizer, max(extractor.pad_to_multiple, 1)
    for side in (fixed.height, fixed.width):
        padded = -(-side // multiple) * multiple
        maps = [
            -(-padded // 2**level)
            for level in range(
                extractor.fpn.min_level, min(extractor.fpn.max_level, _TOP_LEVEL) + 1
            )
        ]
        odd = [pair for pair in zip(maps, maps[1:]) if pair[0] != 2 * pair[1]]
        if odd:
            path = ("model", "ssd", "feature_extractor", "pad_to_multiple")
            yield Symptom(
                setup.where("model", "ssd", "image_resizer", "fixed_shape_resizer"),
                f"an FPN on images of {fixed.height} x {fixed.width}: a feature map of "
                f"{2 * odd[0][1]} cells can't be added to one of {odd[0][0]}",
                f"write pad_to_multiple: {_STRIDE} in the feature extractor, or take sizes that "
                "are multiples of it",
                (ConfigEdit(path, str(_STRIDE), "every map is twice the next"),),
            )
            return


CHECKS = (
    Check(
        "BATCH_SIZE",
        ERROR,
        "A batch needs at least one image.",
        "write batch_size: 1 or more",
        _no_batch,
    ),
    Check(
        "BATCH_RAGGED",
        ERROR,
        "Images of different sizes can't be in one batch (\"Cannot batch tensors with different "
        'shapes").',
        "pad images to one size, or use batches of one",
        _ragged_batch,
    ),
    Check(
        "BATCH_MAY_BE_RAGGED",
        WARNING,
        "If the images differ in shape, they can't be in one batch (\"Cannot batch tensors with "
        'different shapes"); there are no records here to look at.',
        "pad images to one size, or use batches of one",
        _maybe_ragged,
    ),
    Check(
        "IMAGE_RESIZER",
        ERROR,
        'The resizer or its sizes are impossible ("Unknown image resizer type.").',
        "use the model's own image_resizer",
        _dimensions,
    ),
    Check(
        "FPN_IMAGE_SIZE",
        ERROR,
        "An FPN doubles small feature maps and adds them to larger ones, which only works where "
        'every map is exactly twice as large as the next ("Dimensions must be equal", '
        '"Incompatible shapes").',
        f"use image sizes that are multiples of {_STRIDE}",
        _fpn_size,
    ),
)
