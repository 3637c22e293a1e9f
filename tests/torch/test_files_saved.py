"""config.json: a message there and back."""

import json

import detectors
import pytest

from graphfix.errors import SourceError
from graphfix.torch import files


def settings():
    message = detectors.message_of(detectors.config_of("ssd_mobilenet_v1"))
    return files.Settings(message, {1: "star", 3: "größer"})


def test_there_and_back():
    before = settings()
    found = files.from_json(files.to_json(before).encode(), "config.json")
    assert found.message == before.message and found.classes == before.classes


@pytest.mark.parametrize(
    "change, what",
    [
        (lambda data: data.update(format=2), "has format 2"),
        (lambda data: data.update(format=True), "has format True"),
        (lambda data: data.update(more=1), "has the unknown key 'more'"),
        (lambda data: data.update(classes={"0": "a"}), "classes has '0': 'a'"),
        (lambda data: data.update(classes={"99": "a"}), "classes has '99': 'a', .* an id to 4"),
        (lambda data: data.update(classes={"1": None}), "classes has '1': None"),
        (lambda data: data.update(classes={"\u0663": "a"}), "classes has "),
        (lambda data: data.pop("classes"), "is damaged"),
        (lambda data: data.update(classes=[1]), "is damaged"),
        (lambda data: data.update(classes={"x": "a"}), "is damaged"),
        (lambda data: data.update(pipeline_config={"nothing": 1}), "is damaged"),
        (lambda data: data.update(pipeline_config=[]), "is damaged"),
    ],
)
def test_damage_is_refused(change, what):
    data = json.loads(files.to_json(settings()))
    change(data)
    with pytest.raises(SourceError, match=what):
        files.from_json(json.dumps(data).encode(), "config.json")
