"""The sizes of the images that training and evaluation read, as far as the records tell them.

Which augmentations change a size, and to what: object_detection/core/preprocessor.py.
"""

from typing import Optional

import numpy as np

from graphfix.doctor.setup import Setup
from graphfix.pipeline_config.paths import INPUT_READERS
from graphfix.pipeline_config.resizers import constant_size

# What comes out has any size, or one that follows from a random choice.
_ANY = frozenset(
    "random_image_scale random_crop_image random_pad_image random_absolute_pad_image "
    "random_crop_pad_image random_crop_to_aspect_ratio random_self_concat_image "
    "random_downscale_to_target_pixels random_square_crop_by_scale ssd_random_crop "
    "ssd_random_crop_pad ssd_random_crop_fixed_aspect_ratio "
    "ssd_random_crop_pad_fixed_aspect_ratio".split()
)


def read(setup: Setup, reader: str) -> Optional[np.ndarray]:
    """(height, width) in pixels [N, 2] of a reader's images when they reach the resizer; None where
    an augmentation gives them any size.  Empty without records."""
    there = any(name == reader for name, _ in setup.readers())
    found = sorted(setup.scan(reader).image_sizes) if there else []
    sizes: Optional[np.ndarray] = np.array(found, np.int64).reshape(-1, 2)
    for step in setup.train.data_augmentation_options if reader == INPUT_READERS[0] else ():
        kind = step.WhichOneof("preprocessing_step") or ""
        if kind in _ANY:
            sizes = None
        elif kind == "random_rotation90" and sizes is not None:
            sizes = np.unique(np.concatenate([sizes, sizes[:, ::-1]]), axis=0)
        elif kind == "random_resize_method":
            one = step.random_resize_method
            sizes = np.array([[one.target_height, one.target_width]])
        elif kind == "resize_image":
            sizes = np.array([[step.resize_image.new_height, step.resize_image.new_width]])
        elif kind == "random_scale_crop_and_pad_to_square":
            sizes = np.full((1, 2), step.random_scale_crop_and_pad_to_square.output_size)
    return sizes


def entering(setup: Setup, reader: str) -> Optional[np.ndarray]:
    """The same, of the images that enter the network, float64."""
    constant = constant_size(setup.body.image_resizer)
    if constant:
        return np.array([constant])
    sizes = read(setup, reader)
    return None if sizes is None else setup.resized(sizes)[1]


def of_one_size(setup: Setup, reader: str) -> bool:
    """Whether all images of a reader are known to enter the network in one size."""
    if constant_size(setup.body.image_resizer):
        return True
    sizes = entering(setup, reader)
    return sizes is not None and setup.scan(reader).complete and len(np.unique(sizes, axis=0)) == 1
