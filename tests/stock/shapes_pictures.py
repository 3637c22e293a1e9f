"""The validation pictures of testdata, as files."""

import os

import repository

from graphfix.formats import tfrecord
from graphfix.formats.schema import message_class

RECORD = os.path.join(repository.TOP, "testdata", "shapes", "val.record")
PICTURES = 60


def written(directory):
    """The paths of the first PICTURES as JPEG files in a directory."""
    found = []
    example = message_class("graphfix.example.Example")
    for number, (_, _, data) in zip(range(PICTURES), tfrecord.read_records(RECORD)):
        features = {one.key: one.value for one in example.FromString(data).features.feature}
        (encoded,) = features[b"image/encoded"].bytes_list.value
        path = directory / f"{number}.jpg"
        path.write_bytes(encoded)
        found.append(str(path))
    return found
