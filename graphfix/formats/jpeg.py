"""What graphfix has to know about a JPEG file: its size, and where its Exif data are.

A file is a row of segments: 0xFF, a marker, and for most markers a length of 2 bytes (itself
included) with the contents.  The frame header (markers 0xC0 to 0xCF but C4, C8 and CC) starts
with precision, height and width; the scan (0xDA) ends the part that this module reads
(ITU-T T.81, annex B).

Exif data (APP1, 0xE1) are left out of copies: browsers turn a picture as they say, TensorFlow's
decoder does not, so boxes would lie elsewhere; and they may tell where a picture was taken.
"""

import dataclasses

from graphfix.errors import SourceError

_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APP1, _SCAN = 0xE1, 0xDA


@dataclasses.dataclass(frozen=True)
class Jpeg:
    """A picture's bytes, without Exif data, and its size in pixels as stored."""

    data: bytes
    width: int
    height: int


def read_jpeg(data: bytes, subject: str) -> Jpeg:
    """Reads a JPEG file's headers.

    Raises:
      SourceError: naming `subject`, if the bytes are none.
    """
    if data[:2] != b"\xff\xd8":
        raise SourceError(subject, "is no JPEG file", "give pictures as .jpg files")
    kept, size, at = [data[:2]], None, 2
    while data[at : at + 1] == b"\xff":
        if data[at + 1 : at + 2] == b"\xff":  # fill bytes may stand before a marker
            at += 1
            continue
        marker, length = data[at + 1 : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at : at + 2 + length]
        if not marker or length < 2 or len(segment) < 2 + length:
            break
        if marker[0] in _FRAMES and length >= 7:
            size = int.from_bytes(segment[5:7], "big"), int.from_bytes(segment[7:9], "big")
        if marker[0] == _SCAN:
            if size is None or 0 in size:
                break
            return Jpeg(b"".join(kept) + data[at:], width=size[1], height=size[0])
        if marker[0] != _APP1:
            kept.append(segment)
        at += 2 + length
    raise SourceError(subject, "is no whole JPEG file", "give pictures as .jpg files")
