"""Every family in PyTorch beside the stock API's graph: layers, detections, losses, gradients."""

import pytest
import thorough

# Its submodule: `torch` alone may be this folder.
pytest.importorskip("torch.nn", reason="there is no PyTorch in this environment")

import comparing
import detectors

from graphfix.torch import layers, ssd
from graphfix.torch.mask_rcnn import MaskRcnn

pytestmark = pytest.mark.slow

FEW = ((detectors.SHAPES,),)
REST = (
    (detectors.PUBLISHED,),
    ("ssd_mobilenet_v1",),
    ("ssd_mobilenet_v1_half",),
    ("ssd_mobilenet_v2",),
    ("ssdlite_mobilenet_v2",),
    ("ssd_inception_v2",),
    ("ssd_mobilenet_v1_fpn",),
    ("ssd_mobilenet_v2_fpnlite",),
    ("ssd_mobilenet_v2_fpnlite", (r"use_depthwise: true", "")),
    ("ssd_resnet50_fpn",),
    ("ssd_resnet101_fpn",),
    ("ssd_resnet101_fpn", (r"ssd_resnet101_v1_fpn", "ssd_resnet152_v1_fpn")),
    ("ssd_mobilenet_v1_ppn",),
    ("ssd_resnet50_ppn",),
    ("ssd_softmax",),
    ("ssd_layers_before_predictor",),
    ("ssd_one_feature_map",),
    ("ssd_no_background",),
    ("ssd_fpn_no_background",),
    ("ssd_fpn_shared_tower",),
    ("faster_rcnn_resnet50",),
    ("faster_rcnn_resnet101",),
    ("faster_rcnn_resnet152",),
    # Dilated convolutions in both stages.
    (
        "faster_rcnn_resnet50",
        (r"first_stage_features_stride: 16", "first_stage_features_stride: 8"),
        (r"(height|width)_stride: 16", r"\1_stride: 8"),
        (r"(first_stage_nms_score)", r"first_stage_atrous_rate: 2 \1"),
        (r"score_converter: SOFTMAX", "score_converter: SIGMOID"),
        (
            r"(second_stage_localization_loss_weight)",
            r"second_stage_classification_loss { weighted_sigmoid {} } \1",
        ),
    ),
    ("faster_rcnn_inception_v2",),
    # Padded images.
    (
        "faster_rcnn_shared_boxes",
        (
            r"fixed_shape_resizer \{[^}]*\}",
            "keep_aspect_ratio_resizer { min_dimension: 96 max_dimension: 128 "
            "pad_to_max_dimension: true }",
        ),
    ),
    ("mask_rcnn",),
    ("mask_rcnn_agnostic",),
    ("mask_rcnn_upsample",),
    ("mask_rcnn_resnet50",),
    # As the published ResNets are dilated; masks that are no squares, of normalized layers without
    # an activation, in padded images.
    (
        "mask_rcnn_resnet50",
        (r"faster_rcnn_resnet50", "faster_rcnn_resnet101"),
        (r"first_stage_features_stride: 16", "first_stage_features_stride: 8"),
        (r"(height|width)_stride: 16", r"\1_stride: 8"),
        (r"(first_stage_nms_score)", r"first_stage_atrous_rate: 2 \1"),
        (r"mask_height: 15 mask_width: 15", "mask_height: 21 mask_width: 9"),
        (r"num_conv_layers: 1", "num_conv_layers: 2"),
        (
            r"(conv_hyperparams \{\s+op: CONV)(?![\s\S]*conv_hyperparams)",
            r"\1 activation: NONE batch_norm { decay: 0.9 epsilon: 0.01 }",
        ),
        (
            r"fixed_shape_resizer \{[^}]*\}",
            "keep_aspect_ratio_resizer { min_dimension: 96 max_dimension: 128 "
            "pad_to_max_dimension: true }",
        ),
        (
            r"(second_stage_localization_loss_weight)",
            r"second_stage_mask_prediction_loss_weight: 4 \1",
        ),
    ),
    # Settings that no family has.
    (
        "ssd_mobilenet_v1",
        (
            r"fixed_shape_resizer \{[^}]*\}",
            "keep_aspect_ratio_resizer { min_dimension: 100 max_dimension: 150 "
            "pad_to_max_dimension: true per_channel_pad_value: [9, 99, 199] }",
        ),
        (r"(\n +type: )", r"\n use_explicit_padding: true pad_to_multiple: 32\1"),
        (r"loss_type: CLASSIFICATION", "loss_type: BOTH min_negatives_per_image: 3"),
        (
            r"(argmax_matcher \{.*)unmatched_threshold: 0.5",
            r"\1unmatched_threshold: 0.3 "
            "negatives_lower_than_unmatched: false",
        ),
        (r"score_converter: SIGMOID", "score_converter: SIGMOID logit_scale: 2.0"),
        (r"( num_classes:)", r" negative_class_weight: 0.5 normalize_loc_loss_by_codesize: true\1"),
        (r"(kernel_size: 1)", r"kernel_size: 3 box_encodings_clip_range { min: -0.4 max: 0.4 }"),
    ),
    (
        "ssd_mobilenet_v1_fpn",
        (r"(\n +type: )", r"\n use_explicit_padding: true\1"),
        (r"weighted_smooth_l1 \{\}", "weighted_l2 {}"),
        (r"(override_base_feature_extractor_hyperparams: true)", ""),
    ),
)


def named(case):
    return case[0] + "+" * (len(case) > 1)


# What a batch's own statistics do shows where maps are large.
TRAINS = ("ssd_one_feature_map", "train")


@pytest.fixture(scope="module")
def judged(stock_python, tmp_path_factory):
    """What the stock API computes for each case, asked for all of them at once: that of 2021, for
    whose meaning of a config (docs/eras.md) detectors are exported."""
    wanted = (*thorough.cases(FEW, REST), *thorough.cases((), (TRAINS,)))
    texts = [
        (
            case[0],
            detectors.config_of(case[0], steady=False)
            if case is TRAINS
            else detectors.config_of(*case),
        )
        for case in wanted
    ]
    found = detectors.judge(stock_python("2021"), tmp_path_factory.mktemp("torch"), texts)
    return dict(zip(wanted, found))


@pytest.fixture(params=thorough.cases(FEW, REST), ids=named)
def case(request, judged):
    return judged[request.param]


def test_each_layer_is_the_stock_api_s(case):
    assert comparing.first_that_parts(comparing.load(case), case) is None


def test_detections_are_the_stock_api_s(case):
    seen = 0
    for ours, stock in comparing.detections(comparing.load(case), case):
        (boxes, labels, scores), (stock_boxes, stock_labels, stock_scores) = ours, stock
        assert labels == stock_labels
        assert comparing.gap(scores, stock_scores) <= comparing.ALIKE
        assert comparing.gap(boxes, stock_boxes) <= comparing.ALIKE
        seen += len(labels)
    assert seen


def test_losses_and_gradients_are_the_stock_api_s(case):
    found = dict(comparing.trained(comparing.load(case), case))
    heads = {name: one for name, one in found.items() if comparing.is_head(name)}
    assert len(heads) >= 4
    assert min(value for name, value in case.stock.items() if name.startswith("loss/")) > 0.001
    for name in (*(name for name in comparing.LOSSES if name in found), *heads):
        assert found[name] <= comparing.ALIKE_GRADIENTS, name
    assert max(found.get(name, 0) for name in ("sampled", "counts")) <= comparing.ALIKE


def test_masks_are_the_stock_api_s(case):
    detector = comparing.load(case)
    if not isinstance(detector, MaskRcnn):
        pytest.skip("it has no masks")
    seen = 0
    for (own, image), (stock, pasted) in comparing.masks(detector, case):
        assert comparing.gap(own, stock) <= comparing.ALIKE
        # Whether the last row of a box is in it, the last bit decides.
        both = (image.numpy() > 0) & (pasted > 0)
        assert comparing.gap(image.numpy()[both], pasted[both]) <= comparing.ALIKE
        assert (both == ((image.numpy() > 0) | (pasted > 0))).mean() > 0.98
        seen += len(own)
    assert seen


@thorough.only
def test_statistics_move_as_the_stock_api_s(judged):
    case = judged[TRAINS]
    found = dict(comparing.trained(comparing.load(case), case))
    moved = [one for name, one in found.items() if name.startswith("moved ")]
    # A step moves them by 3e-4 of their value, of which float32 leaves three digits.
    assert len(moved) > 40 and max(moved) <= 2e-3
    for name in ("classification", "bbox_regression"):
        assert found[name] <= comparing.ALIKE_GRADIENTS, name


class TestAFaultIsFound:
    """A fault put in on purpose names the first layer that parts."""

    @pytest.fixture
    def one(self, judged):
        return judged[FEW[0]]

    def test_padding_before_instead_of_behind(self, one, monkeypatch):
        right = layers.same_padding
        monkeypatch.setattr(layers, "same_padding", lambda *args: right(*args)[::-1])
        name, _ = comparing.first_that_parts(comparing.load(one), one)
        assert name == "FeatureExtractor/MobilenetV1/Conv2d_0/weights/0"

    def test_an_epsilon(self, one):
        detector = comparing.load(one)
        detector["FeatureExtractor/MobilenetV1/Conv2d_5_pointwise/BatchNorm"].eps = 0.01
        name, _ = comparing.first_that_parts(detector, one)
        assert name == "FeatureExtractor/MobilenetV1/Conv2d_6_depthwise/depthwise_weights/0"

    def test_an_order_of_anchors(self, one, monkeypatch):
        right = ssd.anchors
        monkeypatch.setattr(ssd, "anchors", lambda *args: right(*args)[::-1].copy())
        name, _ = comparing.first_that_parts(comparing.load(one), one)
        assert name == "anchors"
