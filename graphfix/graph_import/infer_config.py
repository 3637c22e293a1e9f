"""Infers a pipeline.config from a graph: its text, and what is known and what assumed.

The graph is a frozen one, or an exporter's beside the checkpoint that has its variables.
"""

import re
from typing import Collection, Mapping, NamedTuple, Tuple

from graphfix.detectors.auxiliary_variables import find_auxiliary_variables
from graphfix.detectors.families import SSD
from graphfix.errors import SourceError
from graphfix.findings import INFO, WARNING, Finding
from graphfix.formats.graphdef.graph import Graph
from graphfix.formats.tensors import TensorMeta
from graphfix.graph_import.config_text import Field, Fields, assumed, render
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised
from graphfix.graph_import.extractor import extractor_of, recognize_extractor
from graphfix.graph_import.one_stage import infer_ssd
from graphfix.graph_import.two_stage import infer_faster_rcnn
from graphfix.pipeline_config.paths import TO_BE_CONFIGURED

_GIVE = "give its pipeline.config with --pipeline_config_path"
_HEADER = (
    "# Inferred by graphfix from a graph: %s.",
    '# A graph does not tell how it was trained: what is marked "assumed" is a usual choice.',
)
_DELAY = 48000
# The scopes of all variables of the models that can be inferred.
_SCOPES = re.compile(
    r"((First|Second)Stage)?FeatureExtractor/|(First|Second)StageBoxPredictor/|Conv/|"
    r"(ClassPredictor|BoxEncodingPredictor)(_depthwise)?/|"
    r"BoxPredictor_\d+/|Conv2d_\d+_1x1_\d+/|WeightSharedConvolutionalBoxPredictor(_\d+)?/|"
    r"(global|fake_quantization)_step\Z"
)
_FAKE = "FakeQuantWithMinMaxVars"


class Inferred(NamedTuple):
    """A config's bytes, the findings about what is inferred and what assumed, and whether the graph
    makes detections, which a trainer's does not."""

    data: bytes
    findings: Tuple[Finding, ...]
    detects: bool


def infer_config(graph: Graph, metas: Mapping[str, TensorMeta], *, subject: str) -> Inferred:
    """Infers the config of a graph.

    `metas` are its variables, recovered from it or read beside it; `subject` is its file's name.

    Raises:
      SourceError: naming `subject`, what was not recognised, and the remedy.
    """
    trained = find_auxiliary_variables(metas)
    evidence = GraphEvidence(
        graph, {name: metas[name] for name in sorted(set(metas) - set(trained.optimizer))}
    )
    try:
        _check_scopes(evidence)
        extractor = recognize_extractor(evidence)
        infer = infer_ssd if extractor.meta == SSD else infer_faster_rcnn
        model = infer(evidence, extractor)
        rewriter = _rewriter(evidence)
    except Unrecognised as error:
        raise SourceError(
            subject,
            (
                "has no pipeline.config beside it, and one cannot be inferred; "
                f"not recognised: {error}"
            ),
            remedy(metas),
        ) from None
    except (ValueError, TypeError, IndexError, KeyError, ZeroDivisionError, OverflowError) as error:
        raise SourceError(
            subject,
            (
                "has no pipeline.config beside it, and one cannot be inferred: "
                f"the graph is not as the stock exporter writes it ({error})"
            ),
            remedy(metas),
        ) from None
    guesses = (
        model.assumed
        + _TRAINING
        + ((f"from which step on ranges are applied (delay: {_DELAY})",) if rewriter else ())
    )
    inferred = model.inferred + (("quantization",) if rewriter else ())
    lines = [_HEADER[0] % ", ".join(inferred), _HEADER[1]]
    lines += render([Field("model", model.fields)] + _train(model.fields) + rewriter)
    return Inferred(
        ("\n".join(lines) + "\n").encode(),
        (
            Finding(
                "CONFIG_INFERRED",
                INFO,
                subject,
                (f"has no pipeline.config beside it: one was inferred ({', '.join(inferred)})"),
                "give the real one, if you have it, with --pipeline_config_path",
            ),
            Finding(
                "CONFIG_ASSUMED",
                WARNING,
                "pipeline.config",
                (f"has assumed what only training shows: {'; '.join(guesses)}"),
                "see that it suits you: the lines are marked",
            ),
        ),
        not evidence.trains,
    )


def remedy(names: Collection[str]) -> str:
    """What to do about a model without a config that has variables of these names: which sample
    config is one of its kind."""
    extractor = extractor_of(names)
    for sample, pattern in extractor.samples if extractor else ():
        if any(re.match(pattern, name) for name in names):
            return (
                f"{_GIVE}: the Object Detection API's samples/configs/{sample}.config, with this "
                "model's num_classes and image size, is one of its kind"
            )
    return _GIVE


def _check_scopes(evidence: GraphEvidence) -> None:
    """Refuses a model with a part that the config could not have: its variables would not be
    restored."""
    strays = sorted({name.split("/")[0] for name in evidence.metas if not _SCOPES.match(name)})
    if strays:
        raise Unrecognised(f"what the variables under {', '.join(strays[:4])} are for")


_TRAINING = (
    "optimizer, learning rate, batch size, number of steps",
    "augmentation",
    "input readers",
)


def _train(model: Fields) -> Fields:
    masks = _has(model, "predict_instance_masks")
    return [
        assumed(
            "train_config",
            [
                # Images of several sizes cannot be batched.
                Field("batch_size", 8 if _has(model, "fixed_shape_resizer") else 1),
                Field(
                    "optimizer",
                    [
                        Field(
                            "momentum_optimizer",
                            [
                                Field(
                                    "learning_rate",
                                    [
                                        Field(
                                            "constant_learning_rate",
                                            [Field("learning_rate", 0.001)],
                                        )
                                    ],
                                ),
                                Field("momentum_optimizer_value", 0.9),
                            ],
                        ),
                        Field("use_moving_average", False),
                    ],
                ),
                Field("fine_tune_checkpoint", f"{TO_BE_CONFIGURED}/model.ckpt"),
                Field("from_detection_checkpoint", True),
                # Without it only the feature extractor would be restored.
                Field("load_all_detection_checkpoint_vars", True),
                Field("num_steps", 50000),
                Field("data_augmentation_options", [Field("random_horizontal_flip", [])]),
            ],
        ),
        _reader("train_input_reader", "train", masks),
        assumed("eval_config", [Field("num_examples", 100), Field("use_moving_averages", False)]),
        _reader("eval_input_reader", "val", masks),
    ]


def _has(fields: Fields, name: str) -> bool:
    return any(
        field.name == name or (isinstance(field.value, list) and _has(field.value, name))
        for field in fields
    )


def _reader(name: str, part: str, masks: bool) -> Field:
    more = [Field("load_instance_masks", True)] if masks else []
    more += [] if part == "train" else [Field("shuffle", False), Field("num_readers", 1)]
    return assumed(
        name,
        [Field("label_map_path", f"{TO_BE_CONFIGURED}/label_map.pbtxt")]
        + more
        + [
            Field(
                "tf_record_input_reader", [Field("input_path", f"{TO_BE_CONFIGURED}/{part}.record")]
            )
        ],
    )


def _rewriter(evidence: GraphEvidence) -> Fields:
    """The graph_rewriter field, where ranges are in the graph."""
    ranges = evidence.nodes("", _FAKE)
    if not ranges:
        return []
    weights = [node for node in ranges if "weights_quant/" in node.name]
    outputs = [node for node in ranges if "act_quant/" in node.name]
    if not weights or not outputs:
        raise Unrecognised(f"quantization other than the API's (node {ranges[0].name})")
    bits = [node.attr["num_bits"].i or 8 for node in (weights[0], outputs[0])]
    return [
        Field(
            "graph_rewriter",
            [
                Field(
                    "quantization",
                    [
                        assumed("delay", _DELAY),
                        Field("weight_bits", bits[0]),
                        Field("activation_bits", bits[1]),
                    ],
                )
            ],
        )
    ]
