"""Every family in PyTorch beside the stock API's graph: layers, detections, losses, gradients."""

import pytest
import thorough

# Its submodule: `torch` alone may be this folder.
pytest.importorskip("torch.nn", reason="there is no PyTorch in this environment")

import comparing
import detectors

from graphfix.torch import layers, ssd

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
    ("ssd_resnet50_fpn",),
    ("ssd_mobilenet_v1_ppn",),
    ("ssd_resnet50_ppn",),
    ("ssd_softmax",),
    ("ssd_layers_before_predictor",),
    ("ssd_one_feature_map",),
    ("ssd_no_background",),
    ("ssd_fpn_no_background",),
    ("ssd_fpn_shared_tower",),
    ("faster_rcnn_resnet50",),
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
    for name in (*(name for name in comparing.LOSSES if name in found), *heads):
        assert found[name] <= comparing.ALIKE_GRADIENTS, name


@thorough.only
def test_statistics_move_as_the_stock_api_s(judged):
    case = judged[TRAINS]
    found = dict(comparing.trained(comparing.load(case), case))
    moved = {name: one for name, one in found.items() if name.startswith("moved ")}
    assert len(moved) > 40
    worst = max(found, key=lambda name: found[name])
    assert found[worst] <= 1e-3, worst


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
