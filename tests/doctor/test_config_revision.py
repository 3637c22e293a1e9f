"""What doctor says of parts that a revision does not run under every Python."""

import pytest
from changed_configs import codes

PADDED = "feature_extractor.use_explicit_padding"


@pytest.mark.parametrize("family", ["ssd_mobilenet_v1_keras", "ssd_mobilenet_v1_fpn_keras"])
def test_kerass_mobilenet_v1_pads_under_python_2(family):
    assert "PYTHON_3" in codes(family, {PADDED: True})
    assert "PYTHON_3" not in codes(family, {})
    assert "PYTHON_3" not in codes("ssd_mobilenet_v2_keras", {PADDED: True})
