"""Draws contact sheets.  The only module that imports Pillow, which is an extra (`pictures`).

A tile has the picture, fitted in; what of a box lies outside is drawn around it.  A class has one
colour on all sheets; a box that is at fault is drawn with a broken line.
"""

import colorsys
import importlib.util
import io
import os
import warnings
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graphfix.errors import RequestError
from graphfix.findings import ERROR, WARNING
from graphfix.record_sheets.content import Content, Shape

COLUMNS, ROWS = 4, 3
TILE = COLUMNS * ROWS
_WIDTH, _HEIGHT = 460, 345  # of a tile's picture
_CAPTION, _GAP, _BORDER = 50, 18, 26
_PAPER, _MAT, _INK, _QUIET = "#eceef1", "#ffffff", "#1d2430", "#5b6575"
_FAULT = {ERROR: "#b3261e", WARNING: "#b26a00"}
_LINE, _DASH = 3, 9
_PIXELS = 2.0  # a larger number is no part of a side
_MASK = 0.45  # how much a mask covers
_MARGIN = 0.14  # around a picture, where boxes reach out of it
_LARGEST_UP = 3.0  # a small picture is enlarged as much at most
_FONTS = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "Helvetica.ttc")
_COLOURS = (
    "#e6194b #3cb44b #4363d8 #f58231 #911eb4 #00a5b5 #d6249f #6a8f00 #8c5a2b #1f3b99 #c79a00 "
    "#00704a"
).split()


class Tile(NamedTuple):
    """What a tile shows: its number, its title, its faults' codes and the worst one's severity."""

    number: int
    title: str
    content: Content
    codes: Tuple[str, ...]
    severity: str


def require() -> None:
    """Raises RequestError where Pillow is not installed."""
    if importlib.util.find_spec("PIL") is None:
        raise RequestError(
            "records show",
            "draws with Pillow, which is not installed here",
            "pip install Pillow (an old pip compiles it: pip install -U pip first)",
        )


def colour(label: Optional[int]) -> str:
    """A class's own colour, as #rrggbb; black for no class."""
    if label is None:
        return "#000000"
    if 1 <= label <= len(_COLOURS):
        return _COLOURS[label - 1]
    hue = label * 0.61803398875 % 1  # the golden ratio spreads them
    red, green, blue = colorsys.hls_to_rgb(hue, 0.42, 0.75)
    return f"#{int(255 * red):02x}{int(255 * green):02x}{int(255 * blue):02x}"


def sheet(tiles: Sequence[Tile], path: str) -> Tuple[int, int]:
    """Writes a JPEG file of up to TILE pictures; its width and height."""
    from PIL import Image, ImageDraw

    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    step = (_WIDTH + _GAP, _HEIGHT + _CAPTION + _GAP)
    size = tuple(2 * _BORDER + count * one - _GAP for count, one in zip((columns, rows), step))
    page = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(page)
    fonts = _Fonts()
    for place, tile in enumerate(tiles):
        left = _BORDER + place % columns * step[0]
        top = _BORDER + place // columns * step[1]
        edge = _FAULT.get(tile.severity)
        card = (left - 6, top - 6, left + _WIDTH + 5, top + _HEIGHT + _CAPTION + 1)
        draw.rectangle(card, fill=_MAT, outline=edge or "#d5d9e0")
        if edge:
            draw.rectangle((card[0], card[1], card[2], card[1] + 3), fill=edge)
        page.paste(_picture(tile.content, fonts), (left, top))
        words = f"{tile.number}  {tile.title}"
        below = top + _HEIGHT + 5
        _fitted(draw, (left + 2, below), words, fonts.title, _INK)
        told = ", ".join(tile.codes) or _counted(tile.content)
        _fitted(draw, (left + 2, below + 22), told, fonts.text, edge or _QUIET)
    page.save(path, "JPEG", quality=90, subsampling=0)
    return page.size


def _counted(content: Content) -> str:
    count = len(content.shapes)
    return "no boxes" if not count else "1 box" if count == 1 else f"{count} boxes"


class _Fonts:
    """A font that any machine has, in the sizes of titles, of codes and of boxes' names."""

    def __init__(self) -> None:
        self.title, self.text, self.name = (self._font(size) for size in (16, 14, 14))

    def _font(self, size: int) -> Any:
        from PIL import ImageFont

        beside = importlib.util.find_spec("matplotlib")
        places = list(_FONTS)
        if beside is not None and beside.origin:
            fonts = os.path.join(os.path.dirname(beside.origin), "mpl-data", "fonts", "ttf")
            places.append(os.path.join(fonts, _FONTS[0]))
        for place in places:
            try:
                return ImageFont.truetype(place, size)
            except OSError:
                continue
        try:
            return ImageFont.load_default(size)  # Pillow 10.1
        except TypeError:
            return ImageFont.load_default()


def _measure(draw: Any, text: str, font: Any) -> Tuple[int, int]:
    if hasattr(draw, "textbbox"):
        try:
            _, _, right, bottom = draw.textbbox((0, 0), text, font=font)
            return int(right), int(bottom)
        except ValueError:  # a bitmap font, in Pillow 8
            pass
    width, height = draw.textsize(text, font=font)
    return int(width), int(height)


def _plain(text: str, font: Any) -> str:
    """A text that a font can write: Pillow's own of old has Latin letters only."""
    try:
        font.getmask(text)
    except UnicodeEncodeError:
        return text.encode("ascii", "replace").decode()
    return text


def _fitted(draw: Any, place: Tuple[int, int], text: str, font: Any, ink: str) -> None:
    """A line of text, cut where the tile ends."""
    text = _plain(text, font)
    shown = text
    while shown and _measure(draw, shown, font)[0] > _WIDTH - 4:
        text = text[:-1]
        shown = text + "..."
    draw.text(place, shown, fill=ink, font=font)


def _picture(content: Content, fonts: _Fonts) -> Any:
    """A tile's picture with all that is drawn on it."""
    from PIL import Image, ImageDraw

    tile = Image.new("RGB", (_WIDTH, _HEIGHT), "#22262d")
    draw = ImageDraw.Draw(tile)
    image = _decoded(content.encoded)
    shapes = [_in_parts(one, image) for one in content.shapes if np.isfinite(one.box).all()]
    ratio = image.size[0] / image.size[1] if image else 4 / 3
    outside = any(min(one.box) < -0.01 or max(one.box) > 1.01 for one in shapes)
    room = 1 - 2 * _MARGIN if outside else 1.0
    width = min(_WIDTH, _HEIGHT * ratio) * room
    if image:
        width = min(width, image.size[0] * _LARGEST_UP, image.size[1] * _LARGEST_UP * ratio)
    height = width / ratio
    place = (int((_WIDTH - width) / 2), int((_HEIGHT - height) / 2))
    size = (max(1, int(width)), max(1, int(height)))
    if image:
        tile.paste(image.resize(size, Image.BICUBIC), place)
    else:
        draw.rectangle((*place, place[0] + size[0], place[1] + size[1]), fill="#3a404a")
        words = "no picture that can be decoded"
        wide = _measure(draw, words, fonts.title)[0]
        draw.text(((_WIDTH - wide) / 2, _HEIGHT - 28), words, fill="#ffffff", font=fonts.title)
    if outside:
        ends = (place[0] - 1, place[1] - 1, place[0] + size[0], place[1] + size[1])
        draw.rectangle(ends, outline="#8a93a0")
    for shape, mask in zip(content.shapes, _mask_images(content)):
        if mask is not None:
            _cover(tile, mask.resize(size, Image.NEAREST), place, colour(shape.label))
    draw = ImageDraw.Draw(tile)
    _boxes(draw, shapes, place, size, fonts)
    return tile


def _in_parts(shape: Shape, image: Any) -> Shape:
    """A box in parts of the picture's sides, also one whose numbers must be pixels."""
    if image is None or max(shape.box) < _PIXELS:
        return shape
    width, height = image.original
    top, left, bottom, right = shape.box
    return shape._replace(box=(top / height, left / width, bottom / height, right / width))


def _decoded(encoded: bytes) -> Any:
    """The picture as TensorFlow decodes it, which does not rotate it as Exif data say; None where
    Pillow cannot."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(encoded))
            original = image.size
            image.draft("RGB", (2 * _WIDTH, 2 * _HEIGHT))
            image = image.convert("RGB")
            image.original = original
            return image
    except Exception:  # whatever the bytes of a stranger make it raise
        return None


def _mask_images(content: Content) -> List[Any]:
    """Each box's mask, as a black and white picture, None where there is none."""
    from PIL import Image

    masks, count = content.masks, len(content.shapes)
    if masks and isinstance(masks[0], float) and count and content.encoded:
        image = _decoded(content.encoded)
        size = image.original if image else (0, 0)
        if len(masks) != count * size[0] * size[1]:
            return [None] * count
        planes = np.reshape(np.asarray(masks, np.float32), (count, size[1], size[0])) > 0
        return [Image.fromarray(plane.astype(np.uint8) * 255) for plane in planes]
    out = []
    for number in range(count):
        mask = masks[number] if number < len(masks) else b""
        try:
            image = Image.open(io.BytesIO(mask)).convert("L") if mask else None
            out.append(image and image.point([0] + [255] * 255))
        except Exception:
            out.append(None)
    return out


def _cover(tile: Any, mask: Any, place: Tuple[int, int], ink: str) -> None:
    from PIL import Image

    colours = Image.new("RGB", mask.size, ink)
    tile.paste(colours, place, mask.point([int(value * _MASK) for value in range(256)]))


def _boxes(
    draw: Any, shapes: Sequence[Shape], place: Tuple[int, int], size: Tuple[int, int], fonts: _Fonts
) -> None:
    taken: List[Tuple[int, int, int, int]] = []
    # The small ones last, or they are hidden.
    order = sorted(
        shapes, key=lambda one: -abs((one.box[2] - one.box[0]) * (one.box[3] - one.box[1]))
    )
    drawn = []
    for shape in order:
        box = _placed(shape.box, place, size)
        ink = colour(shape.label)
        _outline(draw, box, ink, broken=not shape.sound or shape.label is None)
        drawn.append((box, shape, ink))
    for box, shape, ink in drawn:
        _tag(draw, box, shape.name, ink, fonts.name, taken)


def _placed(
    box: Tuple[float, float, float, float], place: Tuple[int, int], size: Tuple[int, int]
) -> Tuple[int, int, int, int]:
    """left, top, right, bottom in the tile; at its edge where they are far outside."""
    top, left, bottom, right = box
    ends = []
    for low, high, start, length, limit in (
        (left, right, place[0], size[0], _WIDTH),
        (top, bottom, place[1], size[1], _HEIGHT),
    ):
        both = sorted(int(min(max(start + part * length, 2), limit - 3)) for part in (low, high))
        ends.append(both)
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]


def _outline(draw: Any, box: Tuple[int, int, int, int], ink: str, broken: bool) -> None:
    left, top, right, bottom = box
    # A light line around the coloured one shows it on any ground.
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline="#ffffff", width=_LINE + 1)
    if not broken:
        draw.rectangle((left, top, right, bottom), outline=ink, width=_LINE)
        return
    for start, end, fixed, across in (
        (left, right, top + 1, True),
        (left, right, bottom - 1, True),
        (top, bottom, left + 1, False),
        (top, bottom, right - 1, False),
    ):
        for at in range(start, max(end, start + 1), 2 * _DASH):
            stop = min(at + _DASH, end)
            line = (at, fixed, stop, fixed) if across else (fixed, at, fixed, stop)
            draw.line(line, fill=ink, width=_LINE)


def _tag(
    draw: Any,
    box: Tuple[int, int, int, int],
    name: str,
    ink: str,
    font: Any,
    taken: List[Tuple[int, int, int, int]],
) -> None:
    """A box's name at one of its corners, where no other name is yet."""
    name = _plain(name if len(name) <= 24 else name[:22] + "...", font)
    width, height = _measure(draw, name, font)
    width, height = width + 8, height + 5
    left, top, right, bottom = box
    spots = (
        (left - 1, top - height),
        (left + 2, top + 2),
        (left - 1, bottom + 1),
        (right - width + 1, top - height),
        (right - width - 2, bottom - height - 2),
        (left + 2, (top + bottom - height) // 2),
    )
    inside = [_moved_in(spot, width, height) for spot in spots]
    free = [one for one in inside if not any(_meet(one, other) for other in taken)]
    area = (free or inside)[0]
    taken.append(area)
    draw.rectangle(area, fill=ink)
    draw.text((area[0] + 4, area[1] + 2), name, fill=_readable(ink), font=font)


def _moved_in(spot: Tuple[int, int], width: int, height: int) -> Tuple[int, int, int, int]:
    left = min(max(spot[0], 0), max(_WIDTH - width, 0))
    top = min(max(spot[1], 0), max(_HEIGHT - height, 0))
    return left, top, left + width, top + height


def _meet(one: Tuple[int, int, int, int], other: Tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _readable(ink: str) -> str:
    red, green, blue = (int(ink[place : place + 2], 16) for place in (1, 3, 5))
    return "#000000" if 0.3 * red + 0.59 * green + 0.11 * blue > 160 else "#ffffff"
