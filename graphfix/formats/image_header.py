"""The header of an encoded image: format, size, channels; and JPEG files without their Exif data.
No pixel is decoded.

JPEG (ITU-T T.81, annex B): segments of 0xFF, a marker, and, for most markers, a length of 2 bytes
(itself included) with the contents; fill bytes (0xFF) may stand before a marker.  A frame header
(0xC0 to 0xCF except C4, C8, CC) starts with precision, height, width and the number of components;
the scan (0xDA) ends the headers; a file ends with 0xFF 0xD9.  PNG: a signature, then chunks; IHDR
is the first, with width, height, bit depth and colour type; IEND is the last.  GIF and BMP have
their sizes at fixed offsets.  TensorFlow's decode_image takes these four.
"""

import struct
from typing import Any, Iterator, NamedTuple, Optional, Tuple

from graphfix.errors import SourceError

JPEG, PNG, GIF, BMP = "jpeg", "png", "gif", "bmp"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD9)) | {0x01}
_SCAN, _END, _APP1 = 0xDA, 0xD9, 0xE1
_START = 2048  # bytes in which most headers are whole
_FRAME = struct.Struct(">BHHB")
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
    """`height` and `width` in pixels, 0 where the header lacks them; `bits` per channel;
    `complete`: the file ends as its format demands.  A JPEG file of 4 channels is CMYK."""

    format: str
    height: int
    width: int
    channels: int
    bits: int
    complete: bool


class Jpeg(NamedTuple):
    """A JPEG file without Exif data, and its size in pixels as stored."""

    data: bytes
    height: int
    width: int


def read_header(data: Any) -> Optional[Header]:
    """The header of a JPEG, PNG, GIF or BMP file, which may be a memoryview; None for anything
    else."""
    start = bytes(data[:_START])
    if start[:2] == b"\xff\xd8":
        return _jpeg(data, start)
    if start[:8] == b"\x89PNG\r\n\x1a\n":
        if len(data) < 33 or start[12:16] != b"IHDR":
            return Header(PNG, 0, 0, 0, 8, False)
        width, height, bits, kind = struct.unpack(">IIBB", start[16:26])
        complete = b"IEND" in bytes(data[-64:])
        return Header(PNG, height, width, _PNG_CHANNELS.get(kind, 0), bits, complete)
    if start[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
        width, height = struct.unpack("<HH", start[6:10])
        return Header(GIF, height, width, 3, 8, True)
    if start[:2] == b"BM" and len(data) >= 30:
        width, height = struct.unpack("<ii", start[18:26])
        (bits,) = struct.unpack("<H", start[28:30])
        return Header(BMP, abs(height), abs(width), max(1, bits // 8), 8, True)
    return None


def name_other(data: bytes) -> str:
    """Names the kind of bytes that `read_header` does not know, as far as their start tells."""
    if not data:
        return "empty"
    if data[8:12] == b"WEBP":
        return "WebP"
    return next(
        (name for start, name in _OTHERS if data.startswith(start)),
        f"bytes that begin with {data[:8]!r}",
    )


def jpeg_without_exif(data: bytes, subject: str) -> Jpeg:
    """A JPEG file without its Exif data (APP1 segments).

    Browsers rotate a picture as its Exif data say and TensorFlow's decoder does not, so boxes drawn
    over it would be misplaced; and Exif data may tell where a picture was taken.

    Raises:
      SourceError: naming `subject`, if the bytes are not a JPEG file with headers in full.
    """
    if data[:2] != b"\xff\xd8":
        raise SourceError(subject, "is not a JPEG file", "give pictures as .jpg files")
    kept, size = [data[:2]], (0, 0)
    for marker, start, end in _segments(data):
        if end > len(data) or marker == _END:
            break
        if marker in _FRAMES and end - start >= 9:
            size = struct.unpack(">HH", data[start + 5 : start + 9])
        if marker == _SCAN:
            if 0 in size:
                break
            return Jpeg(b"".join(kept) + data[start:], *size)
        if marker != _APP1:
            kept.append(data[start:end])
    raise SourceError(subject, "is not a complete JPEG file", "give pictures as .jpg files")


def _segments(data: bytes) -> Iterator[Tuple[int, int, int]]:
    """(marker, start, end) of a JPEG file's segments, up to the scan's header, the file's end, or
    what is not a segment.  `end` may lie beyond the data."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        length = 0
        if marker not in _WITHOUT_LENGTH:
            (length,) = struct.unpack(">H", data[at + 2 : at + 4])
            if length < 2 and marker != _END:
                return
        yield marker, at, at + 2 + length
        if marker in (_SCAN, _END):
            return
        at += 2 + length


def _jpeg(data: Any, start: bytes) -> Header:
    frame = _first_frame(start)
    if frame is None:
        # More before the scan than `start` has, or several frames: the last one counts.
        frame = (8, 0, 0, 0)
        for marker, at, _ in _segments(data):
            if marker in _FRAMES and at + 10 <= len(data):
                frame = _FRAME.unpack(data[at + 4 : at + 10])
    bits, height, width, channels = frame
    # Some cameras and tools leave a few bytes after the end.
    complete = data[-2:] == b"\xff\xd9" or b"\xff\xd9" in bytes(data[-1024:])
    return Header(JPEG, height, width, channels, bits, complete and height > 0)


def _first_frame(start: bytes) -> Optional[Tuple[int, ...]]:
    """The one frame header of a JPEG file that begins so; None unless all its segments up to the
    scan are here, and are the usual ones."""
    at, frame = 2, None
    end = len(start) - 10
    while at < end and start[at] == 0xFF:
        marker = start[at + 1]
        if marker == _SCAN:
            return frame
        if marker in _FRAMES:
            if frame is not None:
                return None
            frame = _FRAME.unpack_from(start, at + 4)
        elif marker < 0xC4 or marker in _WITHOUT_LENGTH or marker in (_END, 0xFF):
            return None
        length = start[at + 2] << 8 | start[at + 3]
        if length < 2:
            return None
        at += 2 + length
    return None
