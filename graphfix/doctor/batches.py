"""Checks of the images that the trainer batches: how many, and of which size."""

import functools
from typing import Iterator, Tuple

import numpy as np

from graphfix.detectors.extractors.facts import FPN
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.families import SSD
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.image_sizes import entering, of_one_size
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, WARNING
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.paths import INPUT_READERS
from graphfix.restore import trainers

# The topmost level of a base network, whose map an FPN doubles and adds to the next; its stride.
_TOP_LEVEL = 5
_STRIDE = 2**_TOP_LEVEL
_BATCH, _EVAL_BATCH = ("train_config", "batch_size"), ("eval_config", "batch_size")
_KEEP, _PAD = "keep_aspect_ratio_resizer", "pad_to_max_dimension"


def _ragged(setup: Setup, seen: bool) -> Iterator[Symptom]:
    """Batches of images of different sizes, of the readers whose records are there, or are not."""
    resizer = setup.body.image_resizer
    chosen = resizer.WhichOneof("image_resizer_oneof")
    if chosen in (None, "fixed_shape_resizer"):
        return
    readers = [name for name, _ in setup.readers()]
    for reader, place, images in (
        (INPUT_READERS[0], _BATCH, setup.train.batch_size),
        (INPUT_READERS[1], _EVAL_BATCH, setup.message.eval_config.batch_size),
    ):
        if place == _EVAL_BATCH and (
            reader not in readers or trainers.MODEL_MAIN not in setup.options.trainers
        ):
            continue
        there = reader in readers and bool(setup.scan(reader).records)
        if images <= 1 or there != seen or of_one_size(setup, reader):
            continue
        path = ("model", setup.meta, "image_resizer", chosen, _PAD)
        pads = chosen == _KEEP and bool(setup.options.schema.field("KeepAspectRatioResizer", _PAD))
        yield Symptom(
            setup.where(*place),
            f"batch_size{' of eval_config' if place == _EVAL_BATCH else ''} is {images}, but "
            f"{chosen} makes images of different sizes",
            f"write {f'{_PAD}: true in the resizer, or ' if pads else ''}batch_size: 1",
            (ConfigEdit(path, "true", "all images of a batch have one size"),)
            if pads
            else (ConfigEdit(place, "1", "images of different sizes"),),
        )


def _no_batch(setup: Setup) -> Iterator[Symptom]:
    if setup.train.batch_size < 1:
        yield Symptom(setup.where(*_BATCH), f"batch_size is {setup.train.batch_size}")
    if trainers.MODEL_MAIN in setup.options.trainers and setup.message.eval_config.batch_size < 1:
        edits = (ConfigEdit(_EVAL_BATCH, "1", "as the API's default"),)
        what = "batch_size of eval_config is 0"
        yield Symptom(setup.where(*_EVAL_BATCH), what, "write batch_size: 1", edits)


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
    if setup.meta != SSD:
        return
    extractor = setup.body.feature_extractor
    known = find_extractor(extractor.type)
    if known is None or known.feature_maps != FPN or extractor.use_explicit_padding:
        return  # with explicit padding the larger map is cut to the smaller one's size
    levels = range(extractor.fpn.min_level, min(extractor.fpn.max_level, _TOP_LEVEL) + 1)
    multiple = max(extractor.pad_to_multiple, 1)
    chosen = setup.body.image_resizer.WhichOneof("image_resizer_oneof")
    for reader in INPUT_READERS:
        sizes = entering(setup, reader)
        uneven = () if sizes is None else _uneven(sizes, levels, multiple)
        if sizes is None and len(levels) > 1 and multiple % 2 ** levels[-1]:
            what = f"{chosen} makes images of any size for an FPN"
        elif uneven:
            (height, width), one, two = uneven
            what = (
                f"an FPN on images of {height:g} x {width:g}: a feature map of {2 * two:g} cells "
                f"can't be added to one of {one:g}"
            )
        else:
            continue
        path = ("model", SSD, "feature_extractor", "pad_to_multiple")
        yield Symptom(
            setup.where("model", SSD, "image_resizer", chosen),
            what,
            f"write pad_to_multiple: {_STRIDE} in the feature extractor, or take sizes that are "
            "multiples of it",
            (ConfigEdit(path, str(_STRIDE), "every map is twice the next"),),
        )
        return


def _uneven(sizes: np.ndarray, levels: range, multiple: int) -> Tuple:
    """The first image of which a map is not twice the next, and the two maps' sides in cells."""
    for size in sizes:
        for side in size:
            maps = [-(-(-(-side // multiple) * multiple) // 2**level) for level in levels]
            for one, two in zip(maps, maps[1:]):
                if one != 2 * two:
                    return size, one, two
    return ()


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
        functools.partial(_ragged, seen=True),
    ),
    Check(
        "BATCH_MAY_BE_RAGGED",
        WARNING,
        "If the images differ in shape, they can't be in one batch (\"Cannot batch tensors with "
        'different shapes"); there are no records here to look at.',
        "pad images to one size, or use batches of one",
        functools.partial(_ragged, seen=False),
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
