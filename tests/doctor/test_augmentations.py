"""Augmentations that leave images which evaluation does not have."""

import os

import pytest
import repository

from graphfix.doctor import diagnosis
from graphfix.doctor.setup import Options
from graphfix.pipeline_config import schema_history

CONFIG = os.path.join(repository.TOP, "testdata", "broken", "gray_in_training_alone")
SIZE = "height: 160 width: 160"


@pytest.mark.parametrize(
    "old, new, found",
    [
        ("", "", True),
        (SIZE, SIZE + " convert_to_grayscale: true", False),
        ("rgb_to_gray {}", "random_rgb_to_gray { probability: 1 }", False),
    ],
)
def test_gray_in_training_alone(monkeypatch, old, new, found):
    monkeypatch.chdir(CONFIG)
    with open("pipeline.config", encoding="utf-8") as file:
        text = file.read()
    assert old in text
    month = "2019-07"
    options = Options(month, schema_history.schema(month), ("model_main",), {})
    result = diagnosis.run_checks(text.replace(old, new).encode(), "pipeline.config", options)
    assert ("CHANNELS_DIFFER" in {one.code for one in result.findings}) == found
