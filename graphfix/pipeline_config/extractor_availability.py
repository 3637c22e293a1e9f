"""Which networks the API of a date builds, and what its builders ask for, as literal tables.

Types of feature extractors by the first month they were seen in, and the first in which the
TensorFlow 1 path no longer builds them: the Keras ones became those of TensorFlow 2 in 2020-05.
"""

from typing import List, Optional, Tuple

from graphfix.errors import Problem
from graphfix.findings import INFO, WARNING, Finding
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.schema_history import Schema

EXTRACTORS = {
    "ssd_mobilenet_v1": ("2017-06", None),
    "ssd_inception_v2": ("2017-06", None),
    "faster_rcnn_resnet50": ("2017-06", None),
    "faster_rcnn_resnet101": ("2017-06", None),
    "faster_rcnn_resnet152": ("2017-06", None),
    "faster_rcnn_inception_resnet_v2": ("2017-06", None),
    "ssd_inception_v3": ("2017-10", None),
    "embedded_ssd_mobilenet_v1": ("2017-10", None),
    "faster_rcnn_inception_v2": ("2017-10", None),
    "faster_rcnn_nas": ("2017-10", None),
    "ssd_resnet50_v1_fpn": ("2018-02", None),
    "ssd_resnet101_v1_fpn": ("2018-02", None),
    "ssd_resnet152_v1_fpn": ("2018-02", None),
    "ssd_mobilenet_v2": ("2018-04", None),
    "faster_rcnn_pnas": ("2018-04", None),
    "ssd_mobilenet_v1_fpn": ("2018-07", None),
    "ssd_mobilenet_v1_ppn": ("2018-07", None),
    "ssd_resnet50_v1_ppn": ("2018-09", None),
    "ssd_resnet101_v1_ppn": ("2018-09", None),
    "ssd_resnet152_v1_ppn": ("2018-09", None),
    "ssd_mobilenet_v2_fpn": ("2018-09", None),
    "ssd_pnasnet": ("2018-11", None),
    "ssd_mobilenet_v2_keras": ("2018-11", "2020-05"),
    "ssd_mobilenet_v1_keras": ("2019-04", "2020-05"),
    "ssd_mobilenet_v1_fpn_keras": ("2019-07", "2020-05"),
    "ssd_mobilenet_v2_fpn_keras": ("2019-07", "2020-05"),
    "faster_rcnn_inception_resnet_v2_keras": ("2019-07", "2020-05"),
    "ssd_resnet50_v1_fpn_keras": ("2019-10", "2020-05"),
    "ssd_resnet101_v1_fpn_keras": ("2019-10", "2020-05"),
    "ssd_resnet152_v1_fpn_keras": ("2019-10", "2020-05"),
    "ssd_mobilenet_v3_large": ("2019-10", None),
    "ssd_mobilenet_v3_small": ("2019-10", None),
    "ssd_mobilenet_edgetpu": ("2019-11", None),
    "ssd_mobiledet_cpu": ("2020-05", None),
    "ssd_mobiledet_dsp": ("2020-05", None),
    "ssd_mobiledet_edgetpu": ("2020-05", None),
    "ssd_mobiledet_gpu": ("2020-05", None),
    "ssd_mobilenet_v2_mnasfpn": ("2020-05", None),
    "ssd_spaghettinet": ("2021-10", None),
}

# These take no own BatchNorm settings; from 2018-04-16 on they want that said, before it was so.
NEED_OVERRIDE = ("ssd_inception_v2", "ssd_inception_v3")
OVERRIDE = "override_base_feature_extractor_hyperparams"

# Heads whose variables had other names or shapes before a month: the head, the month, and how.
RENAMED = (
    (
        "weight_shared_convolutional_box_predictor",
        "2018-07",
        "it names the variables of the FPN and of its box predictor otherwise",
    ),
    ("predict_instance_masks", "2018-02", "it builds the mask head of other layers"),
)

# What stops under Python 3: what it is about, the first and last month seen, and how.
PYTHON_3 = (
    ("rfcn_box_predictor", "2017-06", "2017-06", "building R-FCN stops"),
    ("fpn", "2018-03", "2018-07", "building an FPN stops at reversed(zip(...))"),
    ("ppn", "2018-07", "2019-07", "building a PPN stops at dict.keys()[0]"),
    (
        "strides",
        "2017-10",
        "2019-07",
        "an ssd_anchor_generator with height_stride or height_offset stops, since zip() is no list",
    ),
    (
        "convolve_then_upsample_masks",
        "2018-11",
        "2019-07",
        "building the mask head stops at a shape of floats",
    ),
    ("model_main", "2018-03", "2018-04", "%s stops at dict.itervalues()"),
    ("any", "2018-09", "2018-09", "some modules import google3, which nobody outside has"),
)


def problems(
    message, meta: str, revision: str, schema: Schema, subject: str
) -> Tuple[Problem, ...]:
    """Why the API of `revision` cannot build this model with this checkpoint's variables."""
    out: List[Problem] = []
    kind = getattr(message.model, meta).feature_extractor.type
    since, until = EXTRACTORS.get(kind, (None, None))
    if until is not None and revision >= until:
        out.append(
            Problem(
                subject,
                f"{schema.name} builds no {kind} with TensorFlow 1",
                f"name a --target_api from {since} to before {until}",
            )
        )
    elif (schema.extractors is not None and kind not in schema.extractors) or (
        schema.extractors is None and since is not None and revision < since
    ):
        out.append(
            Problem(
                subject,
                f"{schema.name} has no feature extractor {kind}",
                f"name a --target_api from {since} on" if since else "name the API that has it",
            )
        )
    for head, first, how in RENAMED:
        if revision < first and head in _heads(message, meta):
            out.append(
                Problem(
                    subject,
                    f"{schema.name} cannot take this model's variables: {how}",
                    f"name a --target_api from {first} on",
                )
            )
    return tuple(out)


def needs(
    message, meta: str, revision: str, schema: Schema
) -> Tuple[Tuple[ConfigEdit, ...], Tuple[Finding, ...]]:
    """What the builders of a date ask for and the config does not say."""
    edits, findings = _first_step(message)
    extractor = getattr(message.model, meta).feature_extractor
    if (
        extractor.type not in NEED_OVERRIDE
        or getattr(extractor, OVERRIDE)
        or not schema.field("SsdFeatureExtractor", OVERRIDE)
    ):
        return edits, findings
    path = ("model", meta, "feature_extractor", OVERRIDE)
    return edits + (
        ConfigEdit(path, "true", f"{schema.name} builds no {extractor.type} without it"),
    ), findings + (
        Finding(
            "FIELD_ADDED",
            INFO,
            ".".join(path),
            (
                f"is true now: {schema.name} builds no {extractor.type} without it, and before "
                "2018-04 nothing else was "
                "possible"
            ),
            "there is nothing to do",
        ),
    )


def _first_step(message) -> Tuple[Tuple[ConfigEdit, ...], Tuple[Finding, ...]]:
    """The published Faster R-CNN configs of 2018 step their learning rate at step 0, to what it
    is already; the schedule builder of later revisions stops at that ("First step cannot be
    zero").  Without the step, and with its rate from the start, any revision trains the same."""
    optimizer = message.train_config.optimizer
    kind = optimizer.WhichOneof("optimizer")
    if kind is None:
        return (), ()
    schedule = getattr(optimizer, kind).learning_rate.manual_step_learning_rate
    if not schedule.schedule or schedule.schedule[0].step != 0:
        return (), ()
    path = ("train_config", "optimizer", kind, "learning_rate", "manual_step_learning_rate")
    reason = "the API refuses a first step of 0"
    edits: Tuple[ConfigEdit, ...] = (ConfigEdit(path + ("schedule[0]",), None, reason),)
    rate = schedule.schedule[0].learning_rate
    if rate != schedule.initial_learning_rate:
        edits += (ConfigEdit(path + ("initial_learning_rate",), f"{rate:.9g}", reason),)
    return edits, (
        Finding(
            "FIRST_STEP",
            INFO,
            ".".join(path) + ".schedule",
            "began with a step at 0, which the API "
            'refuses ("First step cannot be zero"): its learning rate holds from the start instead',
            "there is nothing to do",
        ),
    )


def remarks(
    message, meta: str, revision: str, schema: Schema, *, trainer: str, script: Optional[str]
) -> Tuple[Finding, ...]:
    """What a user of that date's code will run into though the config is right."""
    body = getattr(message.model, meta)
    kind = body.feature_extractor.type
    about = set(_heads(message, meta)) | {"any"}
    about |= {part for part in ("fpn", "ppn") if kind.endswith(part)}
    anchors = (
        body.anchor_generator.ssd_anchor_generator
        if meta == "ssd"
        else body.first_stage_anchor_generator.ssd_anchor_generator
    )
    if anchors.height_stride or anchors.height_offset:
        about.add("strides")
    if trainer in ("any", "model_main") and script:
        about.add("model_main")
    out = [
        Finding(
            "PYTHON_3",
            INFO,
            schema.name,
            f"was written for Python 2: under Python 3 {how % script if '%s' in how else how}",
            "run it with Python 2.7, or take a later revision",
        )
        for what, first, last, how in PYTHON_3
        if what in about and first <= revision <= last
    ]
    if "model_main" in about and script == "model.py" and meta != "ssd":
        out.append(
            Finding(
                "SSD_ONLY",
                WARNING,
                script,
                (f"of {schema.name} is made for SSD only, as it says itself"),
                "train with --trainer legacy",
            )
        )
    if kind not in EXTRACTORS and schema.extractors is None:
        out.append(
            Finding(
                "UNKNOWN_EXTRACTOR",
                WARNING,
                kind or "feature_extractor",
                (f"is in no list of what {schema.name} can build"),
                "try it with graphfix verify --stock",
            )
        )
    if meta == "faster_rcnn" and body.HasField("context_config"):
        out.append(
            Finding(
                "CONTEXT_ATTENTION",
                WARNING,
                "context_config",
                (
                    "The API names the attention's variables AttentionBlock0_AttentionLayer0/... "
                    "from "
                    f"2020-12 on and AttentionBlock/... before, of other shapes: {schema.name} "
                    "restores only those "
                    "of its own side"
                ),
                "see with graphfix verify --stock that all are restored",
            )
        )
    return tuple(out)


def _heads(message, meta: str) -> List[str]:
    """What a model's heads are made of, as far as the tables above ask."""
    body = getattr(message.model, meta)
    if meta == "ssd":
        return [body.box_predictor.WhichOneof("box_predictor_oneof")]
    predictor = body.second_stage_box_predictor
    masks = predictor.mask_rcnn_box_predictor
    return [predictor.WhichOneof("box_predictor_oneof")] + [
        name
        for name in ("predict_instance_masks", "convolve_then_upsample_masks")
        if getattr(masks, name)
    ]
