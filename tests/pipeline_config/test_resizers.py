"""pipeline_config/resizers.py; stock/test_resizers.py has the stock resizers."""

import numpy as np
import pytest
from google.protobuf import text_format

from graphfix.errors import SourceError
from graphfix.formats.schema import message_class
from graphfix.pipeline_config.resizers import check_resizer, constant_size, needs_size, resized


def resizer(text):
    return text_format.Parse(text, message_class("graphfix.pipeline.ImageResizer")())


@pytest.mark.parametrize(
    "text, size, scaled, padded",
    [
        ("fixed_shape_resizer { height: 300 width: 200 }", (50, 60), (300, 200), (300, 200)),
        ("keep_aspect_ratio_resizer {}", (480, 640), (600, 800), (600, 800)),
        ("keep_aspect_ratio_resizer {}", (100, 640), (160, 1024), (160, 1024)),
        (
            "keep_aspect_ratio_resizer { min_dimension: 640 max_dimension: 640 "
            "pad_to_max_dimension: true }",
            (480, 640),
            (480, 640),
            (640, 640),
        ),
        ("identity_resizer {}", (48, 64), (48, 64), (48, 64)),
        ("conditional_shape_resizer { size_threshold: 100 }", (50, 200), (25, 100), (25, 100)),
        ("conditional_shape_resizer { size_threshold: 100 }", (50, 20), (50, 20), (50, 20)),
        (
            "conditional_shape_resizer { condition: SMALLER size_threshold: 100 }",
            (50, 75),
            (100, 150),
            (100, 150),
        ),
        ("pad_to_multiple_resizer { multiple: 32 }", (33, 64), (33, 64), (64, 64)),
        ("conditional_shape_resizer { size_threshold: 300 }", (333, 500), (199, 300), (199, 300)),
        # Where float32 gives another pixel than float64.
        ("conditional_shape_resizer { size_threshold: 300 }", (582, 40), (299, 20), (299, 20)),
        ("keep_aspect_ratio_resizer {}", (448, 700), (600, 938), (600, 938)),
        ("keep_aspect_ratio_resizer {}", (759, 528), (862, 600), (862, 600)),
        ("pad_to_multiple_resizer { multiple: 7 }", (21, 14), (21, 14), (28, 14)),
        ("keep_aspect_ratio_resizer {}", (1, 5000), (1, 1024), (1, 1024)),
        ("keep_aspect_ratio_resizer {}", (500, 751), (600, 901), (600, 901)),
    ],
)
def test_sizes(text, size, scaled, padded):
    made = resized(resizer(text), np.array([size, size]))
    assert made[0].tolist() == [list(scaled)] * 2 and made[1].tolist() == [list(padded)] * 2
    constant = constant_size(resizer(text))
    assert constant in (None, padded)
    assert (constant is None) == (not text.startswith("fixed") and "pad_to_max" not in text)
    assert needs_size(resizer(text)) == (not text.startswith("fixed"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fixed_shape_resizer { height: 0 }",
        "fixed_shape_resizer { width: -3 }",
        "keep_aspect_ratio_resizer { min_dimension: 600 max_dimension: 500 }",
        "keep_aspect_ratio_resizer { max_dimension: 0 min_dimension: 0 }",
        "conditional_shape_resizer { size_threshold: -1 }",
        "pad_to_multiple_resizer { multiple: 0 }",
    ],
)
def test_resizers_that_cannot_be_built_are_refused(text):
    with pytest.raises(SourceError) as caught:
        check_resizer(resizer(text), "c.config")
    assert caught.value.problems[0].subject == "c.config"
