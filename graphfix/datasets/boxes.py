"""The boxes of one image, whatever kind of file they came from."""

from typing import NamedTuple, Optional, Sequence, Tuple, Union

Box = Tuple[float, float, float, float]


class ImageBoxes(NamedTuple):
    """`where` names file and place.  `size` is (height, width) in pixels, None where the file does
    not say; `boxes` are (ymin, xmin, ymax, xmax), as parts of the image's sides; `classes` are
    their names, or ids where there are no names, or None where there is neither.

    `picture` is the image's name or id, where several of these are of one image.

    The values are what the file says: they may lie outside the image, or be no numbers at all.
    """

    where: str
    size: Optional[Tuple[int, int]]
    boxes: Sequence[Box]
    classes: Sequence[Union[str, int, None]]
    picture: Union[str, int, None] = None
