"""The width of Mask R-CNN's mask layers, which follows from num_classes where the config says 0."""

import os

import pytest
import repository

from graphfix.detectors.describe import describe
from graphfix.detectors.variables import model_variables
from graphfix.formats import dtypes
from graphfix.formats.tensors import TensorMeta
from graphfix.pipeline_config.document import parse_config

FAMILIES = repository.FAMILIES
FIELD = (
    "model",
    "faster_rcnn",
    "second_stage_box_predictor",
    "mask_rcnn_box_predictor",
    "mask_prediction_conv_depth",
)


def pins(name, classes=90):
    """What describe says must be written into a family's config, trained on so many classes."""
    with open(os.path.join(FAMILIES, name + ".config"), encoding="utf-8") as file:
        text = file.read()
    message = parse_config(text.encode(), name).message
    message.model.faster_rcnn.num_classes = classes
    metas = {
        one.name: TensorMeta(one.name, dtypes.FLOAT32, one.shape)
        for one in model_variables(message, revision="2019-07", config=name)
    }
    return describe(message, metas, config=name, checkpoint=name).pins


# Published: 256 at COCO's 90 classes (mask_rcnn_inception_v2_coco_2018_01_28), 16 at one class
# (the same, fine-tuned by somebody).
@pytest.mark.parametrize("classes, width", [(90, 256), (1, 16)])
def test_the_trained_width_is_written(classes, width):
    assert pins("mask_rcnn", classes) == ((FIELD, width),)


@pytest.mark.parametrize("name", ["mask_rcnn_fixed_width", "faster_rcnn_inception_v2"])
def test_what_says_its_width_or_has_no_masks_stays(name):
    assert pins(name) == ()
