"""What an encoded image is, by its header: format, size, channels; nothing is decoded.

JPEG: segments (0xFF, marker, length of 2 bytes); a frame header (0xC0 to 0xCF but C4, C8, CC) has
precision, height, width and the number of components; an Adobe segment (0xEE) beside four of them
means CMYK; a file ends with 0xFF 0xD9.  PNG: a signature, then chunks; IHDR is the first, with
width, height, bit depth and colour type; IEND ends it.  GIF and BMP have their sizes at fixed
places.  These four are what TensorFlow's decode_image takes.
"""

import struct
from typing import NamedTuple, Optional

JPEG, PNG, GIF, BMP = "jpeg", "png", "gif", "bmp"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset(range(0xD0, 0xD9)) | {0x01}
_SCAN, _END = 0xDA, 0xD9
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_OTHERS = (
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"<", "HTML or XML"),
    (b"%PDF", "PDF"),
    (b"\x1f\x8b", "gzip"),
    (b"PK", "zip"),
)


class Header(NamedTuple):
    """`height` and `width` in pixels, 0 where the header has none; `whole` says that the file
    ends as its format wants; `bits` are those of a channel."""

    format: str
    height: int
    width: int
    channels: int
    bits: int
    whole: bool


def read_header(data: bytes) -> Optional[Header]:
    """The header of an image of the four formats; None for anything else."""
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        if len(data) < 33 or data[12:16] != b"IHDR":
            return Header(PNG, 0, 0, 0, 8, False)
        width, height, bits, kind = struct.unpack(">IIBB", data[16:26])
        return Header(
            PNG,
            height,
            width,
            _PNG_CHANNELS.get(kind, 0),
            bits,
            data[-8:-4] == b"IEND" or b"IEND" in data[-64:],
        )
    if data[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
        width, height = struct.unpack("<HH", data[6:10])
        return Header(GIF, height, width, 3, 8, True)
    if data[:2] == b"BM" and len(data) >= 30:
        width, height = struct.unpack("<ii", data[18:26])
        (bits,) = struct.unpack("<H", data[28:30])
        return Header(BMP, abs(height), abs(width), max(1, bits // 8), 8, True)
    return None


def name_other(data: bytes) -> str:
    """What bytes are that are no image, as far as their beginning tells."""
    if not data:
        return "empty"
    if data[8:12] == b"WEBP":
        return "WebP"
    return next(
        (name for start, name in _OTHERS if data.startswith(start)),
        f"bytes that begin with {data[:8]!r}",
    )


def _jpeg(data: bytes) -> Header:
    at, frame = 2, (0, 0, 0, 8)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES and at + 10 <= len(data):
            bits, height, width, channels = struct.unpack(">BHHB", data[at + 4 : at + 10])
            frame = (height, width, channels, bits)
        if marker in (_SCAN, _END):
            break
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    # Some cameras and tools leave a few bytes behind the end.
    whole = b"\xff\xd9" in data[-1024:] and frame[0] > 0
    return Header(JPEG, frame[0], frame[1], frame[2], frame[3], whole)
