"""What doctor says of a feature extractor and the images it is given."""

import pytest
from google.protobuf import text_format

from graphfix.doctor import diagnosis
from graphfix.doctor.setup import Options
from graphfix.formats.schema import message_class
from graphfix.pipeline_config import schema_history


def codes(meta, kind, side):
    message = message_class("graphfix.pipeline.TrainEvalPipelineConfig")()
    body = getattr(message.model, meta)
    body.feature_extractor.type = kind
    body.image_resizer.fixed_shape_resizer.height = side
    body.image_resizer.fixed_shape_resizer.width = side
    options = Options("2019-07", schema_history.schema("2019-07"), ("model_main",), {})
    text = text_format.MessageToString(message).encode()
    found = diagnosis.run_checks(text, "pipeline.config", options).findings
    return {one.code for one in found}


@pytest.mark.parametrize(
    "meta, kind, least",
    [
        ("ssd", "ssd_mobilenet_v1", 33),
        ("ssd", "ssd_resnet50_v1_fpn", 129),
        ("ssd", "ssd_pnasnet", 3),
        ("faster_rcnn", "faster_rcnn_inception_v2", 33),
        ("faster_rcnn", "faster_rcnn_resnet50", 33),
        ("faster_rcnn", "faster_rcnn_pnas", 3),
    ],
)
def test_images_that_an_extractor_refuses(meta, kind, least):
    assert "IMAGE_SMALL" in codes(meta, kind, least - 1)
    assert "IMAGE_SMALL" not in codes(meta, kind, least)
