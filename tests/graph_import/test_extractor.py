"""graph_import/extractor.py: types by their variables, and depth multipliers by widths."""

import pytest
from handgraphs import Made

from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.tensors import TensorMeta
from graphfix.graph_import import extractor
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised

SCOPE = "FeatureExtractor/"
ADDED = SCOPE + "InceptionV3/Mixed_7c_2_Conv2d_3_3x3_s2_%d/weights"


def evidence(shapes):
    return GraphEvidence(
        Made().node("image", "Placeholder").graph(),
        {name: TensorMeta(name, BY_NAME["float32"], shape) for name, shape in shapes.items()},
    )


@pytest.mark.parametrize(
    "first, added, expected",
    [
        (32, 512, (1.0, 16)),
        (16, 256, (0.5, 16)),
        # The first layer alone would do for a half, too: it is as narrow as min_depth lets it be.
        (16, 128, (0.25, 16)),
        (8, 128, (0.25, 8)),
        (44, 716, (1.4, 16)),
    ],
)
def test_the_depth_multiplier_is_that_of_all_layers(first, added, expected):
    found = evidence(
        {
            SCOPE + "InceptionV3/Conv2d_1a_3x3/weights": (3, 3, 3, first),
            ADDED % added: (3, 3, 64, added),
        }
    )
    kind = extractor.recognize_extractor(found)
    assert kind.type == "ssd_inception_v3"
    assert extractor._widths(found, kind) == expected


def test_widths_of_no_multiplier_are_refused():
    found = evidence(
        {SCOPE + "InceptionV3/Conv2d_1a_3x3/weights": (3, 3, 3, 32), ADDED % 500: (3, 3, 64, 500)}
    )
    with pytest.raises(Unrecognised) as caught:
        extractor._widths(found, extractor.recognize_extractor(found))
    assert "32/500 wide" in str(caught.value)


@pytest.mark.parametrize(
    "names, kind",
    [
        (
            ("MobilenetV1/Conv2d_0/weights", "MobilenetV1/fpn/projection_1/weights"),
            "ssd_mobilenet_v1_fpn",
        ),
        (
            (
                "MobilenetV1/Conv2d_0/weights",
                "MobilenetV1/Conv2d_13_pointwise_2_Conv2d_4_2x2_s2_256/w",
            ),
            "embedded_ssd_mobilenet_v1",
        ),
        (("MobilenetV1/Conv2d_0/weights",), "ssd_mobilenet_v1"),
        (("MobilenetV2/Conv/weights", "MnasFPN/cell_0/x"), "ssd_mobilenet_v2_mnasfpn"),
        (
            ("MobilenetV3/expanded_conv_10/x", "MobilenetV3/expanded_conv_14/x"),
            "ssd_mobilenet_v3_large",
        ),
        (("MobilenetV3/expanded_conv_10/x",), "ssd_mobilenet_v3_small"),
        (
            ("resnet_v1_101/conv1/weights", "resnet_v1_101/fpn/projection_1/weights"),
            "ssd_resnet101_v1_fpn",
        ),
    ],
)
def test_types(names, kind):
    assert (
        extractor.recognize_extractor(evidence({SCOPE + name: (1,) for name in names})).type == kind
    )
