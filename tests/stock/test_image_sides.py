"""The least side of an image that a feature extractor takes is the stock API's own.

Some extractors refuse an image as the graph is built, some only when it runs.
"""

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import config_mutations as mutations
import config_sweep as sweep
import thorough
from google.protobuf import text_format

from graphfix.detectors.extractors.loader import find_extractor


def sides(month):
    """Of each family (family, config text, what was changed): a side that is too small by one
    pixel, and one that is not."""
    for family, message in mutations.families_of(month):
        body = getattr(message.model, message.model.WhichOneof("model"))
        known = find_extractor(body.feature_extractor.type)
        if known.only_side or known.least_side == 1:
            continue
        resizer = body.image_resizer.fixed_shape_resizer
        for side in (known.least_side - 1, known.least_side):
            resizer.height = resizer.width = side
            yield f"{family} {side}", text_format.MessageToString(message), f"model {side}"


@thorough.only
@pytest.mark.parametrize("era", ["2019-07", "2021"])
def test_the_least_side_of_an_image(stock_python, tmp_path, era):
    month = mutations.MONTHS[era]
    found = sweep.judged(stock_python(era), sides(month), month, tmp_path, "forward")
    small = [one for one in found if "IMAGE_SMALL" in one.codes]
    assert len(small) >= len(found) // 2 >= 15
    assert not [one for one in small if not one.raised]
    # Of other differences, such as anchors for other maps, tests/stock/test_mutations.py knows.
    assert not [one for one in found if one.raised and not one.codes]
