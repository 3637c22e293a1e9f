"""Pictures to detect in, where nobody gives any: things with edges on a ground with a slope, since
noise looks like nothing that a detector has been trained for."""

import os
from typing import Iterable, List, Tuple

import numpy as np

from graphfix.errors import RequestError
from graphfix.formats.image_header import name_other, read_header
from graphfix.formats.regular_files import read_file

PICTURES = 4
_THINGS = 12
_LIMIT = 64 << 20


def made(seed: int, height: int, width: int) -> np.ndarray:
    """A picture, uint8 [height, width, 3] of red, green and blue; the same for a seed."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[0:1:height * 1j, 0:1:width * 1j]  # fmt: skip
    ends = random.uniform(0, 255, (3, 3))
    picture = (
        ends[0] + y[..., None] * (ends[1] - ends[0]) + x[..., None] * (ends[2] - ends[0])
    ) / 2
    for number in range(_THINGS):
        middle, half = random.uniform(0.1, 0.9, 2), random.uniform(0.03, 0.25, 2)
        away = (np.abs(y - middle[0]) / half[0], np.abs(x - middle[1]) / half[1])
        inside = np.maximum(*away) < 1 if number % 2 else np.hypot(*away) < 1
        picture[inside] = random.uniform(0, 255, 3)
    return np.clip(picture + random.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


def written(directory: str, size: Tuple[int, int]) -> List[str]:
    """PICTURES of a (height, width) as .npy files in a directory."""
    paths = [os.path.join(directory, f"{seed}.npy") for seed in range(PICTURES)]
    for seed, path in enumerate(paths):
        np.save(path, made(seed, *size))
    return paths


def check(paths: Iterable[str]) -> None:
    """Refuses what is no picture before a runtime is asked, which would say so in its own words.

    Raises:
      RequestError, SourceError: naming the file.
    """
    for path in paths:
        if not os.path.isfile(path):
            raise RequestError(path, "is not a file", "check --images")
        data = read_file(path, limit=_LIMIT)
        header = read_header(data)
        if header is None or not header.complete:
            what = "a picture that is cut off" if header else name_other(data)
            raise RequestError(path, f"is no picture: {what}", "name JPEG files with --images")
