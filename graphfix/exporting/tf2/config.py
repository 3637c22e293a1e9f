"""The pipeline.config for TensorFlow 2's API, as edits of TensorFlow 1's."""

from typing import Any, List, Tuple

from graphfix.detectors.families import FASTER_RCNN
from graphfix.exporting.tf2.exactness import EXACT, pooling_stride
from graphfix.findings import INFO, WARNING, Finding
from graphfix.formats.textproto import Document, quote
from graphfix.pipeline_config.edits import ConfigEdit

_TRAIN = "train_config"
_OPTIMIZER = (_TRAIN, "optimizer")
_RMS = (*_OPTIMIZER, "rms_prop_optimizer")
# Which Keras has, whatever the config says.
_KERAS_DECAY = 0.9
# Fields of train_config that the API of TensorFlow 2 parses and does not look at.
_IGNORED = ("freeze_variables", "update_trainable_variables")
# Fields at which TensorFlow 2 fails, and which change nothing that TensorFlow 1 computes.
_FAILS = (
    ("feature_extractor", "conv_hyperparams"),
    ("feature_extractor", "override_base_feature_extractor_hyperparams"),
    ("inplace_batchnorm_update",),
)
_REWRITER = "graph_rewriter"
_OF_TF1 = ("from_detection_checkpoint", "load_all_detection_checkpoint_vars")

Edits = Tuple[Tuple[ConfigEdit, ...], Tuple[Finding, ...]]


def config_edits(document: Document, message: Any, meta: str, kind: str, checkpoint: str) -> Edits:
    """The edits of a config, for a feature extractor of this type and a checkpoint's prefix; and
    what there is to know."""
    edits = [
        ConfigEdit(
            ("model", meta, "feature_extractor", "type"),
            quote(EXACT[kind].type),
            "its class in TensorFlow 2",
        ),
        ConfigEdit((_TRAIN, "fine_tune_checkpoint"), quote(checkpoint), "the exported checkpoint"),
        ConfigEdit((_TRAIN, "fine_tune_checkpoint_version"), "V2", "it is object-based"),
        ConfigEdit(
            (_TRAIN, "fine_tune_checkpoint_type"), quote("full"), "the type that restores heads"
        ),
    ]
    edits += [ConfigEdit((_TRAIN, name), None, "TensorFlow 1's") for name in _OF_TF1]
    findings: List[Finding] = []
    body = getattr(message.model, meta)
    if meta == FASTER_RCNN:
        for field in _FAILS:
            path = ("model", meta, *field)
            if document.find(path):
                edits.append(ConfigEdit(path, None, "TensorFlow 2 does not build with it"))
                findings.append(
                    Finding(
                        "FIELD_REMOVED",
                        INFO,
                        ".".join(path),
                        "is removed: TensorFlow 2 does not build with it, and the network is the "
                        "same without",
                        "there is nothing to do",
                    )
                )
        stride = pooling_stride(body)
        edits.append(
            ConfigEdit(
                ("model", meta, "maxpool_stride"),
                str(stride),
                "TensorFlow 2 strides the block behind it by 2",
            )
        )
        findings.append(
            Finding(
                "POOLING_STRIDE",
                INFO,
                "maxpool_stride",
                f"is {stride} now, and was {body.maxpool_stride}: TensorFlow 2's ResNet strides "
                "the block behind it by 2, TensorFlow 1's does not",
                "leave it as it is",
            )
        )
    for more in (
        _optimizer(message),
        _averages(message),
        _quantization(document),
        _ignored(message),
    ):
        edits += more[0]
        findings += more[1]
    return tuple(edits), tuple(findings)


def _optimizer(message: Any) -> Edits:
    """RMSProp's `decay` becomes 0: TensorFlow 2's API gives it to Keras as a decay of the learning
    rate, which 0.9 would make a tenth after ten steps.  Keras itself averages with 0.9."""
    if message.train_config.optimizer.WhichOneof("optimizer") != _RMS[-1]:
        return (), ()
    decay = message.train_config.optimizer.rms_prop_optimizer.decay
    return (ConfigEdit((*_RMS, "decay"), "0.0", "TensorFlow 2 decays the learning rate by it"),), (
        Finding(
            "RMSPROP_DECAY",
            INFO if abs(decay - _KERAS_DECAY) < 1e-6 else WARNING,
            ".".join((*_RMS, "decay")),
            f"is 0 now, and was {decay:g}: TensorFlow 2's API would decay the learning rate by it, "
            f"in silence; it averages squares with {_KERAS_DECAY}, and starts them at 0, not at 1",
            "leave it as it is",
        ),
    )


def _averages(message: Any) -> Edits:
    edits = []
    if message.train_config.optimizer.use_moving_average:
        edits.append(ConfigEdit((*_OPTIMIZER, "use_moving_average"), "false", "they start at 0"))
    if message.eval_config.use_moving_averages:
        edits.append(
            ConfigEdit(("eval_config", "use_moving_averages"), "false", "the trainer keeps none")
        )
    return tuple(edits), tuple(
        Finding(
            "MOVING_AVERAGES_OFF",
            INFO,
            ".".join(edit.path),
            "is false now: TensorFlow 2's moving averages start at 0, not at the restored values",
            "leave it as it is",
        )
        for edit in edits
    )


def _quantization(document: Document) -> Edits:
    if not document.find((_REWRITER,)):
        return (), ()
    return (ConfigEdit((_REWRITER,), None, "TensorFlow 2's trainer does not quantize"),), (
        Finding(
            "FIELD_REMOVED",
            WARNING,
            _REWRITER,
            "is removed: TensorFlow 2's trainer passes over it, and trains in full precision",
            "quantize the trained model, as by post-training quantization",
        ),
    )


def _ignored(message: Any) -> Edits:
    return (), tuple(
        Finding(
            "FIELD_IGNORED",
            WARNING,
            f"{_TRAIN}.{name}",
            "has no effect in TensorFlow 2: its trainer trains every variable",
            "lower the learning rate, or freeze layers in code",
        )
        for name in _IGNORED
        if getattr(message.train_config, name)
    )
