"""The boxes of one image, whatever kind of file they came from."""

import struct
from typing import Any, Iterator, NamedTuple, Optional, Sequence, Tuple, Union

Box = Tuple[float, float, float, float]


class PackedBoxes(Sequence[Box]):
    """Boxes as a record has them: float32 values (little-endian) of ymin, of xmin, of ymax and of
    xmax, in the bytes of each of `columns`.  Who needs numbers of many images has NumPy take the
    bytes of all."""

    __slots__ = ("columns",)

    def __init__(self, columns: Sequence[bytes]):
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0]) // 4

    def __iter__(self) -> Iterator[Box]:
        form = f"<{len(self)}f"
        columns: Any = (struct.unpack(form, column) for column in self.columns)
        return zip(*columns)

    def __getitem__(self, place: Any) -> Any:
        return list(self)[place]


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
