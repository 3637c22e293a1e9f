"""Headers of encoded images, and JPEG files without their Exif data."""

import contextlib
import glob
import os
import struct

import pytest
import repository

from graphfix.errors import SourceError
from graphfix.formats import image_header
from graphfix.formats.image_header import jpeg_without_exif

SHAPES = os.path.join(repository.TESTDATA, "shapes")
EXIF = b"\xff\xe1\x00\x0cExif\0\0turn"


@pytest.fixture
def picture():
    with open(sorted(glob.glob(os.path.join(SHAPES, "*.jpg")))[0], "rb") as file:
        return file.read()


def test_a_picture_as_it_is(picture):
    found = jpeg_without_exif(picture, "a.jpg")
    assert (found.width, found.height) == (160, 160)  # make_shapes.py draws no others
    assert found.data == picture


def test_exif_data_are_left_out(picture):
    for at in (2, 2 + 2 + int.from_bytes(picture[4:6], "big")):
        assert jpeg_without_exif(picture[:at] + EXIF + picture[at:], "a.jpg").data == picture


def test_height_comes_before_width():
    frame = b"\xff\xc2\x00\x0b\x08\x01\x02\x03\x04\x01\x01\x11\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00 and so on"
    found = jpeg_without_exif(b"\xff\xd8\xff" + frame + scan, "a.jpg")
    assert (found.height, found.width) == (0x102, 0x304)
    with pytest.raises(SourceError):
        jpeg_without_exif(b"\xff\xd8" + frame.replace(b"\x01\x02", b"\x00\x00") + scan, "a.jpg")
    # A Huffman table's marker lies among those of frames.
    table = b"\xff\xc4\x00\x0b\x08\x09\x09\x09\x09\x01\x01\x11\x00"
    assert jpeg_without_exif(b"\xff\xd8" + frame + table + scan, "a.jpg").width == 0x304
    with pytest.raises(SourceError):
        jpeg_without_exif(b"\xff\xd8" + table + scan, "a.jpg")


def test_what_is_not_jpeg_is_refused(picture):
    scan = picture.index(b"\xff\xda")
    for data in [b"", b"\x89PNG\r\n", picture[2:]] + [picture[:end] for end in range(scan + 10)]:
        with pytest.raises(SourceError) as caught:
            jpeg_without_exif(data, "a.jpg")
        assert caught.value.problems[0].subject == "a.jpg"
    for at in range(scan):
        spoilt = picture[:at] + bytes([picture[at] ^ 0xFF]) + picture[at + 1 :]
        with contextlib.suppress(SourceError):
            jpeg_without_exif(spoilt, "a.jpg")


@pytest.mark.parametrize(
    "data, expected",
    [
        (
            b"GIF89a" + struct.pack("<HH", 30, 20) + b"\0\0\0;",
            (image_header.GIF, 20, 30, 3, 8, True),
        ),
        (
            b"BM" + b"\0" * 16 + struct.pack("<iiHH", 30, -20, 1, 24) + b"\0" * 20,
            (image_header.BMP, 20, 30, 3, 8, True),
        ),
        (b"\xff\xd8", (image_header.JPEG, 0, 0, 0, 8, False)),
        (b"\x89PNG\r\n\x1a\n", (image_header.PNG, 0, 0, 0, 8, False)),
    ],
)
def test_a_header(data, expected):
    assert image_header.read_header(data) == expected


def test_headers_of_jpeg_files():
    for name in ("demo_00000.jpg", "demo_00003.jpg"):
        with open(os.path.join(SHAPES, name), "rb") as file:
            data = file.read()
        assert image_header.read_header(data) == (image_header.JPEG, 160, 160, 3, 8, True)
        assert not image_header.read_header(data[: len(data) // 2]).complete


def test_headers_of_png_files(broken_files):
    data = broken_files.png(30, 50, channels=1)
    assert image_header.read_header(data) == (image_header.PNG, 30, 50, 1, 8, True)
    assert not image_header.read_header(data[:-12]).complete


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"RIFF\0\0\0\0WEBP", b"II*\0", b"<html>"])
def test_no_image(data):
    assert image_header.read_header(data) is None
    assert image_header.name_other(data)


def test_markers_without_a_length_and_fill_bytes_are_passed_over(picture):
    # A restart marker and two fill bytes before the first segment.
    found = jpeg_without_exif(picture[:2] + b"\xff\xd0\xff\xff" + picture[2:], "a.jpg")
    assert (found.height, found.width) == (160, 160)
    assert image_header.read_header(found.data)[1:3] == (160, 160)
