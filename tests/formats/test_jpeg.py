"""JPEG headers: sizes, and copies without Exif data."""

import contextlib
import glob
import os

import pytest
import repository

from graphfix.errors import SourceError
from graphfix.formats.jpeg import read_jpeg

SHAPES = os.path.join(repository.TESTDATA, "shapes")
EXIF = b"\xff\xe1\x00\x0cExif\0\0turn"


@pytest.fixture
def picture():
    with open(sorted(glob.glob(os.path.join(SHAPES, "*.jpg")))[0], "rb") as file:
        return file.read()


def test_a_picture_as_it_is(picture):
    found = read_jpeg(picture, "a.jpg")
    assert (found.width, found.height) == (160, 160)  # make_shapes.py draws no others
    assert found.data == picture


def test_exif_data_are_left_out(picture):
    for at in (2, 2 + 2 + int.from_bytes(picture[4:6], "big")):
        assert read_jpeg(picture[:at] + EXIF + picture[at:], "a.jpg").data == picture


def test_height_comes_before_width():
    frame = b"\xff\xc2\x00\x0b\x08\x01\x02\x03\x04\x01\x01\x11\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00 and so on"
    found = read_jpeg(b"\xff\xd8\xff" + frame + scan, "a.jpg")
    assert (found.height, found.width) == (0x102, 0x304)
    with pytest.raises(SourceError):
        read_jpeg(b"\xff\xd8" + frame.replace(b"\x01\x02", b"\x00\x00") + scan, "a.jpg")
    # A Huffman table's marker lies among those of frames.
    table = b"\xff\xc4\x00\x0b\x08\x09\x09\x09\x09\x01\x01\x11\x00"
    assert read_jpeg(b"\xff\xd8" + frame + table + scan, "a.jpg").width == 0x304
    with pytest.raises(SourceError):
        read_jpeg(b"\xff\xd8" + table + scan, "a.jpg")


def test_what_is_none_is_refused(picture):
    scan = picture.index(b"\xff\xda")
    for data in [b"", b"\x89PNG\r\n", picture[2:]] + [picture[:end] for end in range(scan + 10)]:
        with pytest.raises(SourceError) as caught:
            read_jpeg(data, "a.jpg")
        assert caught.value.problems[0].subject == "a.jpg"
    for at in range(scan):
        spoilt = picture[:at] + bytes([picture[at] ^ 0xFF]) + picture[at + 1 :]
        with contextlib.suppress(SourceError):
            read_jpeg(spoilt, "a.jpg")
