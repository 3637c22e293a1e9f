"""detectors/extractors/layers.py and widths.py: what a line of layers means."""

import pytest

from graphfix.detectors.extractors import layers
from graphfix.detectors.extractors.layers import BadExtractorFile, Norm
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.extractors.widths import Widths


def parsed(text):
    return layers.parse(text.splitlines(), "t.txt", 1)


@pytest.mark.parametrize(
    "token,widths,number",
    [
        ("64", Widths(0.5, 8), 64),
        ("S64", Widths(0.5, 8), 32),
        ("S64", Widths(0.1, 16), 16),
        ("S100", Widths(0.33, 8), 33),
        ("D100", Widths(0.33, 8), 32),
        ("D24*6", Widths(0.5, 8), 96),
        ("SA", Widths(0.5, 8, 112), 56),
        ("A", Widths(0.5, 8, 112), 112),
        ("S21*4", Widths(0.5, 8), 40),
        ("S64+S96", Widths(0.1, 8), 17),
        ("I8", Widths(0.2, 8), 4),
        ("I8", Widths(1.0, 8), 8),
        ("I8*3", Widths(0.2, 8), 12),
        ("T32", Widths(0.5, 2), 8),
        ("T33", Widths(0.5, 2), 8),
        ("T32", Widths(0.1, 2), 2),
        ("L1280", Widths(1.4, 8), 1280),
        ("L1280", Widths(0.35, 8), 448),
        ("R16*0.75", Widths(1.37, 8), 16),
    ],
)
def test_widths(token, widths, number):
    assert widths.of(token) == number


def test_lines():
    found = parsed(
        "# note\nlayers t md S8 4\n  F/a_{S8} weights:1x1x3xS8 c\n"
        "  F/b depthwise_weights:3x3xS8x2,pointwise_weights:1x1xS8xS4 o:bmv n\n"
        "  F/d =:7 - d\n"
    )
    half = Widths(0.5, 1)

    def names(norm, override, depthwise):
        return [one.name for one in found.variables(half, norm, override, depthwise, 6)]

    bare, scaled = Norm(False, False, True), Norm(True, True, False)
    assert names(bare, False, False) == [
        "F/a_4/weights",
        "F/a_4/biases",
        "F/b/depthwise_weights",
        "F/b/pointwise_weights",
        "F/b/BatchNorm/beta",
        "F/b/BatchNorm/moving_mean",
        "F/b/BatchNorm/moving_variance",
    ]
    assert names(scaled, True, False)[-3:] == [
        "F/b/BatchNorm/gamma",
        "F/b/BatchNorm/moving_mean",
        "F/b/BatchNorm/moving_variance",
    ]
    assert names(bare, True, True) == ["F/a_4/weights", "F/a_4/biases", "F/d"]
    assert dict(found.variables(half, scaled, False, False, 6))["F/b/BatchNorm/beta"] == (2,)


def test_keras_normalizes_beside():
    found = parsed(
        "layers t m S8\n  K/a_{S8}_conv kernel:1x1x3xS8 c@a_{S8}_bn\n"
        "  K/d depthwise_kernel:3x3xS8x2 u@d_BN:gbmv\n"
        "  K/e kernel:1x1xS8x5 f@e_bn:bmv\n"
    )

    def beside(norm, override):
        return [
            (one.name, one.shape[0])
            for one in found.variables(Widths(0.5, 1), norm, override, False, 6)
            if len(one.shape) == 1
        ]

    end = [("K/e_bn/beta", 5), ("K/e_bn/moving_mean", 5), ("K/e_bn/moving_variance", 5)]
    own = [("K/d_BN/" + leaf, 8) for leaf in ("gamma", "beta", "moving_mean", "moving_variance")]
    # A convolution has a bias unless its normalization has one.
    assert beside(Norm(False, True, True), False) == [("K/a_4_conv/bias", 4)] + own + end
    assert (
        beside(Norm(True, False, False), True)
        == [
            ("K/a_4_conv/bias", 4),
            ("K/a_4_bn/moving_mean", 4),
            ("K/a_4_bn/moving_variance", 4),
            ("K/d_BN/moving_mean", 8),
            ("K/d_BN/moving_variance", 8),
        ]
        + end
    )
    assert beside(Norm(False, True, True), True) == [("K/a_4_conv/bias", 4)] + end


@pytest.mark.parametrize(
    "levels,names",
    [
        (
            (3, 7),
            [
                "projection_3 5",
                "projection_2 4",
                "smoothing_2 4",
                "projection_1 3",
                "smoothing_1 3",
                "bottom_up_block5 0",
                "bottom_up_block6 0",
            ],
        ),
        (
            (2, 5),
            [
                "projection_4 5",
                "projection_3 4",
                "smoothing_3 4",
                "projection_2 3",
                "smoothing_2 3",
                "projection_1 2",
                "smoothing_1 2",
            ],
        ),
        ((4, 4), ["projection_1 4"]),
        ((5, 9), ["projection_1 5"] + [f"bottom_up_block{number} 0" for number in range(5, 9)]),
    ],
)
def test_levels(levels, names):
    """Layers that an FPN has between two levels, each with the level that it was recorded for."""
    found = parsed(
        "layers t m SA\n"
        + "".join(
            f"  F/{name} weights:1x1x{level}x1 {norm}\n"
            for name, level, norm in [
                ("projection_4", 5, "-"),
                ("projection_3", 4, "-"),
                ("smoothing_3", 4, "-"),
                ("projection_2", 3, "-"),
                ("smoothing_2", 3, "-"),
                ("projection_1", 2, "-"),
                ("smoothing_1", 2, "-"),
                ("bottom_up_block5", 0, "-"),
                ("bottom_up_block6", 0, "-"),
            ]
        )
    )
    assert [
        f"{one.name.split('/')[1]} {one.shape[2]}"
        for one in found.variables(Widths(), Norm(True, True, True), False, False, 6, levels)
    ] == names


def test_a_level_renames_what_normalizes_it():
    found = parsed(
        "layers t m SA\n"
        "  K/smoothing_3_conv kernel:3x3x1x1 c@smoothing_3_batchnorm\n"
        "  K/bottom_up_Conv2d_14_conv kernel:3x3x1x1 b\n"
    )
    assert [
        one.name
        for one in found.variables(Widths(), Norm(True, False, True), False, False, 6, (3, 5))
    ] == [
        "K/smoothing_2_conv/kernel",
        "K/smoothing_2_batchnorm/beta",
        "K/smoothing_2_batchnorm/moving_mean",
        "K/smoothing_2_batchnorm/moving_variance",
    ]


@pytest.mark.parametrize(
    "maps,levels,names",
    [
        (1, None, ["F/b", "F/c"]),
        (2, None, ["F/c"]),
        (3, None, ["F/c"]),
        (5, (2, 4), ["F/c"]),
        (1, (1, 1), ["F/b", "F/c"]),
    ],
)
def test_what_is_read(maps, levels, names):
    found = parsed(
        "layers t m SA\n  F/a weights:1x1x1x1 -\n  F/b weights:1x1x1x1 - <2 n\n"
        "  F/c weights:1x1x1x1 - <-\n  F/d weights:1x1x1x1 - <2 d\n"
    )
    assert [one.scope for one in found.unread(False, maps, levels)] == names


@pytest.mark.parametrize("multiplier,there", [(1.0, True), (0.25, False)])
def test_a_shortcut_is_a_layer_where_widths_differ(multiplier, there):
    layers = (
        find_extractor("ssd_resnet50_v1_fpn")
        .layers()
        .variables(Widths(multiplier), Norm(True, True, True), False, False, 5, (3, 7))
    )
    assert (
        "FeatureExtractor/resnet_v1_50/block1/unit_1/bottleneck_v1/shortcut/weights"
        in {one.name for one in layers}
    ) == there


@pytest.mark.parametrize(
    "line, words",
    [
        ("layers t", "t.txt:1: 'layers t' is not 'layers TYPE OPTIONS WIDTH...'"),
        ("layers t x 4", "t.txt:1: 'layers t x 4' is not"),
        ("layers t m X4", "t.txt:1: 'X4' is not a width"),
        ("layers t m 4\n  F/a weights:1x1x3x8", "t.txt:2: 'F/a weights:1x1x3x8' is not 'SCOPE"),
        ("layers t m 4\n  F/a weights:1x1x3x8 z", "t.txt:2: "),
        ("layers t m 4\n  F/a weights:1x1x3x8 - e", "t.txt:2: "),
        ("layers t m 4\n  F/a wait:1x1x3x8 -", "t.txt:2: 'wait:1x1x3x8' is not a kernel"),
        ("layers t m 4\n\n  F/a weights:1x1xx8 -", "t.txt:3: '' is not a width"),
        ("layers t m 4", "t.txt:1: there are no layers here"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(line, words):
    with pytest.raises(BadExtractorFile) as caught:
        parsed(line)
    assert words in str(caught.value)
