"""For which detectors the model of TensorFlow 2 computes what that of TensorFlow 1 does.

Everything here was measured with the stock code of both (docs/tf2.md); tests/stock/test_tf2.py
measures it again, what is refused, too.
"""

from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional

from graphfix.detectors.families import FASTER_RCNN, SSD
from graphfix.errors import Problem
from graphfix.exporting.detector import Detector
from graphfix.exporting.tf2.widening import WIDENED
from graphfix.findings import count

_STAY = "go on with TensorFlow 1, or export the trained model to a device's format"
_SHARED = "weight_shared_convolutional_box_predictor"
# The widths at a multiplier of 1 of MobileNet v2's blocks, and the blocks that stride.
_V2_WIDTHS = (16, 24, 24, *(32,) * 3, *(64,) * 4, *(96,) * 3, *(160,) * 3, 320)
_V2_STRIDES = (1, 3, 6, 13)
_V2_LAST = 1280


class Network(NamedTuple):
    """A feature extractor that TensorFlow 2 has: the type there, and the base network."""

    type: str
    network: str


EXACT: Dict[str, Network] = {
    "ssd_mobilenet_v1": Network("ssd_mobilenet_v1_keras", "mobilenet_v1"),
    "ssd_mobilenet_v2": Network("ssd_mobilenet_v2_keras", "mobilenet_v2"),
    "faster_rcnn_resnet50": Network("faster_rcnn_resnet50_keras", "resnet_v1_50"),
    "faster_rcnn_resnet101": Network("faster_rcnn_resnet101_keras", "resnet_v1_101"),
    "faster_rcnn_resnet152": Network("faster_rcnn_resnet152_keras", "resnet_v1_152"),
}

_SMOOTHED = (
    "is a feature pyramid, which TensorFlow 2 computes otherwise: it hands the smoothed map down, "
    "TensorFlow 1 the one before smoothing, so that logits differ by 1.4 to 7"
)
DIFFERS: Dict[str, str] = {
    "ssd_mobilenet_v1_fpn": _SMOOTHED,
    "ssd_mobilenet_v2_fpn": _SMOOTHED,
    "ssd_resnet50_v1_fpn": _SMOOTHED,
    "ssd_resnet101_v1_fpn": _SMOOTHED,
    "ssd_resnet152_v1_fpn": _SMOOTHED,
    "faster_rcnn_inception_resnet_v2": "has an atrous block, with which TensorFlow 2 does not "
    "build it",
}


def problems(detector: Detector) -> Iterator[Problem]:
    """Why TensorFlow 2 would compute something else, or nothing."""
    body, meta = detector.body, detector.model.meta
    extractor = body.feature_extractor
    kind = detector.model.feature_extractor
    if kind not in EXACT:
        why = DIFFERS.get(kind, "has no class in TensorFlow 2's API")
        yield Problem(f"feature_extractor.type {kind}", why, _STAY)
        return
    if detector.quantization and not detector.drop_quantization:
        ranges = count(len(detector.quantization), "variable")
        yield Problem(
            "graph_rewriter",
            f"trained the model with quantization, and its ranges ({ranges}) have no place in "
            "TensorFlow 2",
            "pass --drop_quantization to go on without them: detections change a little",
        )
    if meta == FASTER_RCNN and body.HasField("context_config"):
        yield Problem(
            "context_config",
            "makes TensorFlow 1 add the mean of a box's features to it twice, beside its "
            "attention; TensorFlow 2 adds the attention alone",
            _STAY,
        )
    if meta == SSD:
        yield from _one_stage(body)
        if kind == "ssd_mobilenet_v2":
            yield from _mobilenet_v2(detector, extractor)
    elif meta == FASTER_RCNN:
        yield from _two_stage(body, extractor)


def _one_stage(body: Any) -> Iterator[Problem]:
    if body.box_predictor.WhichOneof("box_predictor_oneof") == _SHARED:
        yield from _shared_heads(body)
        return
    if body.box_predictor.convolutional_box_predictor.apply_sigmoid_to_scores:
        yield Problem(
            "convolutional_box_predictor.apply_sigmoid_to_scores",
            "has no effect in TensorFlow 2, which would give logits for scores",
            _STAY,
        )


def _shared_heads(body: Any) -> Iterator[Problem]:
    predictor = getattr(body.box_predictor, _SHARED)
    hyperparams = predictor.conv_hyperparams
    activation = hyperparams.DESCRIPTOR.fields_by_name["activation"].enum_type.values_by_number[
        hyperparams.activation
    ]
    if predictor.num_layers_before_predictor and activation.name != "RELU_6":
        yield Problem(
            f"{_SHARED}.conv_hyperparams.activation {activation.name}",
            "is what TensorFlow 2 computes; TensorFlow 1 has RELU_6 there, whatever the config "
            "says",
            "write RELU_6, with which it was trained",
        )
    extractor = body.feature_extractor
    if extractor.type == WIDENED and extractor.depth_multiplier != 1:
        yield Problem(
            f"feature_extractor.depth_multiplier {extractor.depth_multiplier:g} with {_SHARED}",
            "makes other widths in TensorFlow 2, which applies it twice, and the width that maps "
            "are brought to is one of them",
            _STAY,
        )


def _mobilenet_v2(detector: Detector, extractor: Any) -> Iterator[Problem]:
    """Keras works out widths in its own way, and adds a block's input to its output where those
    widths are the same, whatever `min_depth` made of them; slim does where the channels are."""
    multiplier, least = extractor.depth_multiplier, extractor.min_depth
    metas = {name: view.meta for name, view in detector.variables.items()}
    for problem in _differences_v2(metas, multiplier, least):
        yield Problem(
            f"feature_extractor.depth_multiplier {multiplier:g} with min_depth {least}",
            problem,
            _STAY,
        )
        return


def _differences_v2(metas: Mapping[str, Any], multiplier: float, least: int) -> Iterator[str]:
    scope = "FeatureExtractor/MobilenetV2/"
    last = _divisible(_V2_LAST * multiplier) if multiplier < 1 else _V2_LAST
    for name, width in (("Conv", _divisible(32 * multiplier)), ("Conv_1", last)):
        made = metas[f"{scope}{name}/weights"].shape[3]
        if made != max(width, least):
            yield f"makes {name} {made} channels wide, and TensorFlow 2 {max(width, least)}"
    for block, plain in enumerate(_V2_WIDTHS):
        name = f"{scope}expanded_conv{f'_{block}' if block else ''}/"
        first = "expand/weights" if block else "depthwise/depthwise_weights"
        before = metas[name + first].shape[2]
        made = metas[name + "project/weights"].shape[3]
        width = _divisible(int(plain * multiplier))
        if made != max(width, least):
            yield f"makes {name} {made} channels wide, and TensorFlow 2 {max(width, least)}"
        elif block not in _V2_STRIDES and (before == made) != (before == width):
            yield (
                f"makes {name} {before} to {made} channels wide, and only one of TensorFlow 1 and "
                "2 adds its input to its output then"
            )


def _divisible(width: float) -> int:
    """A width rounded to a multiple of 8, down by a tenth at most, as Keras has it."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded


def _two_stage(body: Any, extractor: Any) -> Iterator[Problem]:
    predictor = body.second_stage_box_predictor.WhichOneof("box_predictor_oneof")
    if predictor != "mask_rcnn_box_predictor":
        yield Problem(
            f"second_stage_box_predictor.{predictor}",
            "is R-FCN's: TensorFlow 2 strides the last block, which TensorFlow 1 does not",
            _STAY,
        )
        return
    stride = extractor.first_stage_features_stride
    if stride != 16:
        yield Problem(
            f"feature_extractor.first_stage_features_stride {stride}",
            "is not built by TensorFlow 2, which takes 16",
            _STAY,
        )
    if pooling_stride(body) is None:
        yield Problem(
            f"maxpool_stride {body.maxpool_stride}",
            "cannot be halved, and TensorFlow 2 strides the block behind it by 2",
            _STAY,
        )


def pooling_stride(body: Any) -> Optional[int]:
    """The stride to pool with where the block behind strides by 2, as in TensorFlow 2 only."""
    half, rest = divmod(body.maxpool_stride, 2)
    return None if rest else half
