"""What the API of a revision can build, and what its builders require of a config.

Which revisions have a feature extractor stands in its file (extractors/loader.py).  The TensorFlow
1 path stopped building the Keras ones in 2020-05, when they became TensorFlow 2's.
"""

from typing import Container, Iterator, List, Optional, Tuple

from graphfix.detectors.extractors.facts import FPN, KERAS, POOLING_PYRAMID
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.errors import Problem
from graphfix.findings import INFO, WARNING, Finding
from graphfix.options import Trainer
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.resizers import constant_size
from graphfix.pipeline_config.schema_history import Schema

# From 2018-04-16 on extractors without BatchNorm settings of their own require this field; before,
# nothing else was possible.
OVERRIDE = "override_base_feature_extractor_hyperparams"

# Heads whose variables had other names or shapes before a revision: head, revision, and how.
RENAMED = (
    (
        "weight_shared_convolutional_box_predictor",
        "2018-07",
        "it names the variables of the FPN and of its box predictor differently",
    ),
    ("predict_instance_masks", "2018-02", "it builds the mask head from other layers"),
)

# A variable that a checkpoint only has from a month on, since it was called something else before.
NAMED_SINCE = (("AttentionBlock0_AttentionLayer0/fully_connected/weights", "2020-12"),)

# The month whose API must know how many anchors an SSD has before it sees an image.
NOT_VARYING = "2019-07"

# What fails under Python 3: the part of the model, the first and last revision, and how.
PYTHON_3 = (
    ("rfcn_box_predictor", "2017-06", "2017-06", "building R-FCN fails"),
    (FPN, "2018-03", "2018-07", "building an FPN fails at reversed(zip(...))"),
    (POOLING_PYRAMID, "2018-07", "2019-07", "building a PPN fails at dict.keys()[0]"),
    (
        "strides",
        "2017-10",
        "2019-07",
        "an ssd_anchor_generator with height_stride or height_offset fails, since zip() is not a "
        "list",
    ),
    (
        "convolve_then_upsample_masks",
        "2018-11",
        "2019-07",
        "building the mask head fails at a shape of floats",
    ),
    (
        "explicit padding",
        "2018-11",
        "2019-07",
        "building Keras's MobileNet v1 with use_explicit_padding fails, since it compares a tuple "
        "with a number",
    ),
    # Reported first of 2018-08 (tensorflow/models, issue 5203).
    (
        "metrics",
        "2018-08",
        "2019-03",
        "evaluating with other metrics than COCO's fails, since there is no unicode()",
    ),
    (Trainer.MODEL_MAIN, "2018-03", "2018-04", "%s fails at dict.itervalues()"),
    ("any", "2018-09", "2018-09", "some modules import google3, which is internal to Google"),
)
AGAINST_PYTHON_3 = "run it with Python 2.7, or take a later revision"


def problems(
    message, meta: str, revision: str, schema: Schema, subject: str
) -> Tuple[Problem, ...]:
    """Why the API of `revision` cannot build this model with this checkpoint's variables."""
    out: List[Problem] = []
    kind = getattr(message.model, meta).feature_extractor.type
    extractor = find_extractor(kind)
    since, until = (extractor.since, extractor.gone) if extractor else (None, None)
    if until is not None and revision >= until:
        out.append(
            Problem(
                subject,
                f"{schema.name} cannot build {kind} with TensorFlow 1",
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


def older_names(
    variables: Container[str], revision: str, schema: Schema, subject: str
) -> Tuple[Problem, ...]:
    """Why a checkpoint's variables have other names in the API of `revision`."""
    return tuple(
        Problem(
            subject, f"{schema.name} has no variable {name}", f"name a --target_api from {since} on"
        )
        for name, since in NAMED_SINCE
        if revision < since and name in variables
    )


def needs(
    message, meta: str, revision: str, schema: Schema
) -> Tuple[Tuple[ConfigEdit, ...], Tuple[Finding, ...]]:
    """What the builders of a revision require and the config does not have."""
    edits, findings = _first_step(message)
    extractor = getattr(message.model, meta).feature_extractor
    known = find_extractor(extractor.type)
    if (
        known is None
        or not known.override_required
        or getattr(extractor, OVERRIDE)
        or not schema.field("SsdFeatureExtractor", OVERRIDE)
    ):
        return edits, findings
    path = ("model", meta, "feature_extractor", OVERRIDE)
    return edits + (
        ConfigEdit(path, "true", f"{schema.name} cannot build {extractor.type} without it"),
    ), findings + (
        Finding(
            "FIELD_ADDED",
            INFO,
            ".".join(path),
            (
                f"is now true: {schema.name} cannot build {extractor.type} without it, and before "
                "2018-04 nothing else was possible"
            ),
            "there is nothing to do",
        ),
    )


def _first_step(message) -> Tuple[Tuple[ConfigEdit, ...], Tuple[Finding, ...]]:
    """Removes a learning rate's step at step 0.

    The published Faster R-CNN configs of 2018 have one, to the rate that they begin with; the
    schedule builder of later revisions refuses it ("First step cannot be zero").  With the step's
    rate from the start, every revision trains the same."""
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
            'refuses ("First step cannot be zero"): its learning rate now applies from the start',
            "there is nothing to do",
        ),
    )


def failing_under_python_3(
    message, meta: str, revision: str, script: Optional[str] = None
) -> Iterator[str]:
    """What of a model, or of the trainer `script`, a revision that was written for Python 2 fails
    at under Python 3."""
    body = getattr(message.model, meta)
    about = {*_heads(message, meta), "any"}
    extractor = find_extractor(body.feature_extractor.type)
    if extractor is not None:
        about.add(extractor.feature_maps)
        keras_v1 = extractor.naming == KERAS and extractor.type.startswith("ssd_mobilenet_v1")
        if keras_v1 and body.feature_extractor.use_explicit_padding:
            about.add("explicit padding")
    anchors = (
        body.anchor_generator.ssd_anchor_generator
        if meta == "ssd"
        else body.first_stage_anchor_generator.ssd_anchor_generator
    )
    if anchors.height_stride or anchors.height_offset:
        about.add("strides")
    if any(not metric.startswith("coco_") for metric in message.eval_config.metrics_set):
        about.add("metrics")
    if script:
        about.add(Trainer.MODEL_MAIN)
    for what, first, last, how in PYTHON_3:
        if what in about and first <= revision <= last:
            yield how % script if "%s" in how else how


def varies(message, meta: str, revision: str) -> bool:
    """Whether a model has images of several sizes that the revision does not evaluate."""
    resizer = getattr(message.model, meta).image_resizer
    if meta != "ssd" or revision != NOT_VARYING or not resizer.WhichOneof("image_resizer_oneof"):
        return False
    return constant_size(resizer) is None


def remarks(
    message, meta: str, revision: str, schema: Schema, *, trainer: str, script: Optional[str]
) -> Tuple[Finding, ...]:
    """What a user of that revision will run into although the config is right."""
    body = getattr(message.model, meta)
    kind = body.feature_extractor.type
    extractor = find_extractor(kind)
    main = trainer in (Trainer.ANY, Trainer.MODEL_MAIN) and script
    out = [
        Finding(
            "PYTHON_3",
            INFO,
            schema.name,
            f"was written for Python 2: under Python 3 {how}",
            AGAINST_PYTHON_3,
        )
        for how in failing_under_python_3(message, meta, revision, script if main else None)
    ]
    if main and script == "model.py" and meta != "ssd":
        out.append(
            Finding(
                "SSD_ONLY",
                WARNING,
                script,
                (f"of {schema.name} supports SSD only, as its own docstring says"),
                "train with --trainer legacy",
            )
        )
    if varies(message, meta, revision):
        out.append(
            Finding(
                "IMAGES_VARY",
                WARNING,
                "image_resizer",
                f"lets the size of images vary: {schema.name} trains such an SSD, but stops in "
                'evaluation and export ("None values not supported")',
                "take a fixed_shape_resizer, or another --target_api",
            )
        )
    if extractor is None and schema.extractors is None:
        out.append(
            Finding(
                "UNKNOWN_EXTRACTOR",
                WARNING,
                kind or "feature_extractor",
                (f"is not a feature extractor that {schema.name} is known to build"),
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
                    "From 2020-12 on the API names the attention's variables "
                    "AttentionBlock0_AttentionLayer0/..., before AttentionBlock/... with other "
                    f"shapes: {schema.name} restores only its own kind"
                ),
                "check with graphfix verify --stock that all are restored",
            )
        )
    return tuple(out)


def _heads(message, meta: str) -> List[str]:
    """The parts of a model's heads that the tables above name."""
    body = getattr(message.model, meta)
    if meta == "ssd":
        return [body.box_predictor.WhichOneof("box_predictor_oneof")]
    predictor = body.second_stage_box_predictor
    masks = predictor.mask_rcnn_box_predictor
    found = [predictor.WhichOneof("box_predictor_oneof")]
    if masks.predict_instance_masks:
        found.append("predict_instance_masks")
        if masks.convolve_then_upsample_masks and body.number_of_stages >= 3:
            found.append("convolve_then_upsample_masks")
    return found
