"""Targets that no step can be taken with, in each API of 2019-04, 2019-07 and 2021."""

import pytest
from changed_configs import codes

CONFIDENCES = "use_confidences_as_targets"


@pytest.mark.parametrize("month", ["2019-03", "2019-07", "2021-06"])
def test_confidences_stay_padded_where_boxes_do_not(month):
    assert "CONFIDENCES_PADDED" in codes("ssd_mobilenet_v1", {CONFIDENCES: True}, month)


def test_padded_boxes_are_as_many_as_padded_confidences():
    changes = {CONFIDENCES: True, "train_config.unpad_groundtruth_tensors": False}
    assert "CONFIDENCES_PADDED" not in codes("ssd_mobilenet_v1", changes)
    assert "CONFIDENCES_PADDED" not in codes("ssd_mobilenet_v1", {})
