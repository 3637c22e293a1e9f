"""Layers with a group_norm, whose channels are counted whatever the anchors are."""

import os

import repository

from graphfix.doctor import diagnosis
from graphfix.doctor.setup import Options
from graphfix.pipeline_config import schema_history

CONFIG = os.path.join(repository.TOP, "testdata", "broken", "groups_of_few_channels")


def test_anchors_of_no_size_do_not_hide_uneven_groups(monkeypatch):
    monkeypatch.chdir(CONFIG)
    with open("pipeline.config", encoding="utf-8") as file:
        text = file.read()
    month = "2019-07"
    options = Options(month, schema_history.schema(month), ("model_main",), {})
    sizeless = text.replace("min_scale: 0.2", "min_scale: -0.2")
    assert sizeless != text
    found = diagnosis.run_checks(sizeless.encode(), "pipeline.config", options).findings
    assert {"GROUP_NORM_UNEVEN", "ANCHORS_SIZELESS"} <= {one.code for one in found}
