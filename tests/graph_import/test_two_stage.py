"""graph_import/two_stage.py on the few nodes and variables that it asks for; stock/test_infer.py
has exporters' graphs."""

import pytest
from handgraphs import Tiles

from graphfix.errors import SourceError
from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.tensors import TensorMeta
from graphfix.graph_import.infer_config import infer_config
from graphfix.pipeline_config.document import parse_config

CLASSES = 3
BINS = "SecondStageBoxPredictor/map/while/"
RESIZE = "Preprocessor/map/while/ResizeToRange/cond/resize/"


class Detector(Tiles):
    """A Faster R-CNN of three classes and six anchors."""

    def __init__(self, dilated=False):
        super().__init__()
        self.shapes = {
            "FirstStageFeatureExtractor/resnet_v1_50/conv1/weights": (7, 7, 3, 64),
            "FirstStageBoxPredictor/ClassPredictor/weights": (1, 1, 512, 12),
            "FirstStageBoxPredictor/BoxEncodingPredictor/weights": (1, 1, 512, 24),
            "Conv/weights": (5, 5, 1024, 512),
        }
        self.node("image", "Placeholder")
        for name, side in (("low", 600), ("high", 1024)):
            self.value(RESIZE + name, side, "int32").node(
                RESIZE + name + "/div", "RealDiv", RESIZE + name, "image"
            )
        self.node(RESIZE + "ResizeBilinear", "ResizeBilinear", "image", "image")
        self.tile(
            "GridAnchorGenerator/",
            [0.5, 1.0, 0.5, 1.0, 0.5, 1.0],
            [0.5, 0.5, 1.0, 1.0, 2.0, 2.0],
            (256, 256),
            (8, 8),
            (0, 0),
            (5, 5),
        )
        self.node("Conv/Conv2D", "Conv2D", "image", "image")
        self.message.node[-1].attr["dilations"].list.i.extend([1, 2, 2, 1])
        self.node("FirstStageFeatureExtractor/a/Conv2D", "Conv2D", "image", "image")
        self.message.node[-1].attr["dilations"].list.i.extend(
            [1, 2, 2, 1] if dilated else [1, 1, 1, 1]
        )
        self.suppress("", 1, 0.7, 0.25, 40, 40)
        self.suppress("SecondStagePostprocessor/", CLASSES, 0.6, 0.125, 20, 30)
        self.node("SecondStagePostprocessor/convert_scores", "Softmax", "image")

    def suppress(self, scope, classes, overlap, score, per_class, total):
        scope += "BatchMultiClassNonMaxSuppression/map/while/"
        inner = scope + "MultiClassNonMaxSuppression/"
        for name, value, kind in (
            ("overlap", overlap, "float32"),
            ("score", score, "float32"),
            ("most", per_class, "int32"),
        ):
            self.value(inner + name, value, kind)
        self.node(inner + "Minimum_9", "Minimum", inner + "most", "image")
        for number in range(classes):
            self.node(
                f"{inner}nms_{number}",
                "NonMaxSuppressionV3",
                "image",
                "image",
                inner + "Minimum_9",
                inner + "overlap",
                inner + "score",
            )
        self.value(scope + "total", total, "int32").node(
            scope + "PadOrClipBoxList/sub", "Sub", "image", scope + "total"
        )

    def boxes(self, channels=4 * CLASSES):
        self.shapes["SecondStageBoxPredictor/ClassPredictor/weights"] = (2048, CLASSES + 1)
        self.shapes["SecondStageBoxPredictor/BoxEncodingPredictor/weights"] = (2048, channels)
        self.crop("CropAndResize/CropAndResize", 14)
        self.node("MaxPool2D/MaxPool", "MaxPool", "image")
        for name, sides in (("ksize", [1, 2, 2, 1]), ("strides", [1, 3, 3, 1])):
            self.message.node[-1].attr[name].list.i.extend(sides)
        return self

    def crop(self, name, side):
        return self.value(name + "/size", [side, side], "int32").node(
            name, "CropAndResize", "image", "image", "image", name + "/size"
        )

    def masks(self, channels=CLASSES, resizes=1, layers=("Conv", "Conv_1")):
        for name in layers:
            self.shapes[f"SecondStageBoxPredictor/{name}/weights"] = (
                3,
                3,
                64,
                channels if name == layers[-1] else 64,
            )
        self.value("sides", [33, 35], "int32")
        for number in range(resizes):
            self.node(
                f"SecondStageBoxPredictor_1/ResizeBilinear_{number}",
                "ResizeBilinear",
                "image",
                "sides",
            )
        return self

    def bins(self):
        scope = "SecondStageBoxPredictor/"
        self.shapes[scope + "class_predictions/weights"] = (1, 1, 256, 9 * (CLASSES + 1))
        self.shapes[scope + "refined_locations/weights"] = (1, 1, 256, 9 * CLASSES * 4)
        self.shapes[scope + "reduce_depth/weights"] = (1, 1, 2048, 256)
        return self

    def multiplied(self, scope, height, width):
        """Crops as later revisions make them."""
        sizes = {"images": 1, "height": height, "width": width, "channels": 80}
        for name, size in sizes.items():
            self.value(f"{scope}/{name}", size, "int32")
        names = [f"{scope}/{name}" for name in ("images", "boxes", "height", "width", "channels")]
        return (
            self.node(names[1], "Shape", "image")
            .node(scope + "/shape", "Pack", *names)
            .node(scope + "/AvgPool", "AvgPool", "image")
            .node(scope + "/Reshape", "Reshape", scope + "/AvgPool", scope + "/shape")
        )

    def transposed(self, scope, shape, order, reader):
        """Crops as revisions to 2020 make them: the end of the product."""
        return (
            self.value(scope + "shape", shape, "int32")
            .value(scope + "perm", order, "int32")
            .node(scope + "MatMul", "BatchMatMul", "image")
            .node(scope + "Reshape", "Reshape", scope + "MatMul", scope + "shape")
            .node(scope + "transpose_1", "Transpose", scope + "Reshape", scope + "perm")
            .node(reader, "Squeeze", scope + "transpose_1")
        )

    def inferred(self):
        metas = {
            name: TensorMeta(name, BY_NAME["float32"], shape) for name, shape in self.shapes.items()
        }
        data = infer_config(self.graph(), metas, subject="g.pb").data
        self.message = parse_config(data, "inferred").message
        return self.message.model.faster_rcnn


def test_both_stages():
    detector = Detector().boxes()
    model = detector.inferred()
    # Images that keep their shapes make no batch; there are no masks to read.
    assert detector.message.train_config.batch_size == 1
    assert not detector.message.train_input_reader.load_instance_masks
    resizer = model.image_resizer.keep_aspect_ratio_resizer
    assert (resizer.min_dimension, resizer.max_dimension) == (600, 1024)
    assert model.feature_extractor.type == "faster_rcnn_resnet50"
    assert (model.num_classes, model.number_of_stages) == (CLASSES, 2)
    assert (
        model.first_stage_box_predictor_kernel_size,
        model.first_stage_box_predictor_depth,
        model.first_stage_atrous_rate,
    ) == (5, 512, 2)
    assert (
        model.first_stage_nms_score_threshold,
        model.first_stage_max_proposals,
        model.second_stage_batch_size,
    ) == (0.25, 40, 40)
    assert (model.initial_crop_size, model.maxpool_kernel_size, model.maxpool_stride) == (14, 2, 3)
    post = model.second_stage_post_processing.batch_non_max_suppression
    assert (post.score_threshold, post.max_detections_per_class, post.max_total_detections) == (
        0.125,
        20,
        30,
    )
    assert list(model.first_stage_anchor_generator.grid_anchor_generator.scales) == [0.5, 1.0]
    predictor = model.second_stage_box_predictor.mask_rcnn_box_predictor
    assert not predictor.predict_instance_masks and not predictor.share_box_across_classes


@pytest.mark.parametrize("dilated, stride", [(False, 16), (True, 8)])
def test_dilated_blocks_are_a_stride_of_8(dilated, stride):
    model = Detector(dilated=dilated).boxes().inferred()
    assert model.feature_extractor.first_stage_features_stride == stride


def test_one_box_for_all_classes():
    model = Detector().boxes(channels=4).inferred()
    assert model.second_stage_box_predictor.mask_rcnn_box_predictor.share_box_across_classes


@pytest.mark.parametrize("channels, agnostic", [(CLASSES, False), (1, True)])
def test_masks(channels, agnostic):
    detector = Detector().boxes().masks(channels)
    model = detector.inferred()
    assert detector.message.train_input_reader.load_instance_masks
    predictor = model.second_stage_box_predictor.mask_rcnn_box_predictor
    assert (model.number_of_stages, predictor.predict_instance_masks) == (3, True)
    assert (predictor.mask_height, predictor.mask_width) == (33, 35)
    assert (
        predictor.mask_prediction_num_conv_layers,
        predictor.mask_prediction_conv_depth,
        predictor.masks_are_class_agnostic,
    ) == (2, 64, agnostic)


def test_a_single_layer_of_masks_has_no_inner_width():
    predictor = (
        Detector()
        .boxes()
        .masks(layers=("Conv",))
        .crop("CropAndResize", 14)
        .inferred()
        .second_stage_box_predictor.mask_rcnn_box_predictor
    )
    assert predictor.predict_instance_masks
    assert (
        predictor.mask_prediction_num_conv_layers,
        predictor.HasField("mask_prediction_conv_depth"),
    ) == (1, False)


def test_bins():
    model = Detector().bins().crop(BINS + "CropAndResize", 6).inferred()
    predictor = model.second_stage_box_predictor.rfcn_box_predictor
    assert (model.num_classes, predictor.depth) == (CLASSES, 256)
    assert (predictor.num_spatial_bins_height, predictor.num_spatial_bins_width) == (3, 3)
    assert (predictor.crop_height, predictor.crop_width) == (18, 18)


def test_bins_of_multiplied_matrices():
    """As the API of 2021 does."""
    scope = BINS + "MatMulCropAndResize%s/MultiLevelRoIAlign"
    model = Detector().bins().multiplied(scope % "", 6, 5).multiplied(scope % "_1", 6, 5).inferred()
    predictor = model.second_stage_box_predictor.rfcn_box_predictor
    assert (predictor.crop_height, predictor.crop_width) == (18, 15)


@pytest.mark.parametrize(
    "shape, order", [([1, 8, 5, 6, 80], [0, 1, 3, 2, 4]), ([1, 8, 6, 5, 80], [0, 1, 2, 3, 4])]
)
def test_bins_of_multiplied_matrices_before(shape, order):
    """As the API of 2019 does."""
    made = Detector().bins()
    for number, reader in (("", BINS + "Squeeze"), ("_1", BINS + "Squeeze_1")):
        made.transposed(BINS + f"MatMulCropAndResize{number}/einsum_5/", shape, order, reader)
    predictor = made.inferred().second_stage_box_predictor.rfcn_box_predictor
    assert (predictor.crop_height, predictor.crop_width) == (18, 15)


@pytest.mark.parametrize(
    "made, words",
    [
        (
            Detector()
            .bins()
            .transposed(
                BINS + "MatMulCropAndResize/", [1, 8, 6, 80], [0, 1, 2, 3], BINS + "Squeeze"
            ),
            "features cropped by",
        ),
        (
            Detector()
            .bins()
            .transposed(
                BINS + "MatMulCropAndResize/", [1, 8, 6, 5, 80], [0, 1, 2, 3, 9], BINS + "Squeeze"
            ),
            "features cropped by",
        ),
        (Detector().boxes(channels=8), "8 box codes for 3 classes"),
        (Detector().boxes().masks(channels=2), "mask head"),
        (Detector().boxes().masks(resizes=2), "mask head"),
        (Detector().boxes().crop("CropAndResize", 7), None),
        (
            Detector().bins().crop(BINS + "CropAndResize", 6).crop(BINS + "CropAndResize_1", 5),
            "bins",
        ),
        (Detector(), "SecondStageBoxPredictor/ClassPredictor/weights"),
    ],
)
def test_what_is_not_recognised_is_named(made, words):
    if words is None:
        assert made.inferred().initial_crop_size == 7  # the first crop's, by name
        return
    with pytest.raises(SourceError) as caught:
        made.inferred()
    assert words in str(caught.value)
