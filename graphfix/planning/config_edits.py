"""The config edits that let the stock API fine-tune from the converted checkpoint."""

from typing import List, Mapping, NamedTuple, Optional, Tuple

from graphfix.detectors import availability
from graphfix.errors import Problem, RequestError
from graphfix.findings import ERROR, INFO, WARNING, Finding
from graphfix.formats.textproto import STRING, Block, Document, quote
from graphfix.pipeline_config import schema_history
from graphfix.pipeline_config.class_ids import carry_class_ids
from graphfix.pipeline_config.document import PipelineConfig
from graphfix.pipeline_config.edits import ConfigEdit, apply_edits
from graphfix.pipeline_config.migration import translate
from graphfix.pipeline_config.paths import INPUT_PATH, INPUT_READERS, is_path_field, is_placeholder
from graphfix.pipeline_config.schema_history import Schema, everything
from graphfix.pipeline_config.schema_violations import violations
from graphfix.restore import trainers

_TRAIN = "train_config"
_READERS = tuple(zip(INPUT_READERS, ("--train_record", "--eval_record")))

Edits = Tuple[Tuple[ConfigEdit, ...], Tuple[Finding, ...]]


class Paths(NamedTuple):
    """What the emitted config refers to, as the trainer will see it; what is None stays as the
    config has it."""

    checkpoint: str
    label_map: Optional[str]
    train_record: Optional[str]
    eval_record: Optional[str]


def plan_config(
    config: PipelineConfig,
    meta: str,
    num_classes: int,
    *,
    target_api: str,
    trainer: str,
    resumable: bool,
    paths: Paths,
    extra: Tuple[ConfigEdit, ...] = (),
    new_ids: Optional[Mapping[int, int]] = None,
    schema: Optional[Schema] = None,
) -> Edits:
    """The edits of a config for a target, and findings about them.

    `meta` is the meta-architecture's block ("ssd", "faster_rcnn"); `resumable` tells whether a
    complete training checkpoint is written too, from which every trainer resumes.  `extra` are
    edits that the model's family needs.  `new_ids` maps every old class that continues as one new
    class to its new id, None where that is unknown.  `schema` is the installed API's, if there is
    one; the default is the one that the month of `target_api` is known to have.

    Raises:
      RequestError: that API or trainer does not support this model; lists every reason.
    """
    accepted = schema or schema_history.schema(target_api)
    document = config.document
    edits, findings = _for_training(config, meta, num_classes, accepted, paths)
    edits += list(extra)
    settled = frozenset(
        (block,) + INPUT_PATH
        for block, record in (
            ("train_input_reader", paths.train_record),
            ("eval_input_reader", paths.eval_record),
        )
        if record
    )
    translated = translate(document, target_api, accepted, settled=settled)
    problems = _problems(config, meta, target_api, trainer, accepted) + list(translated.problems)
    if problems:
        raise RequestError.collected(problems)
    for more in (availability.needs(config.message, meta, target_api, accepted), translated[:2]):
        edits += more[0]
        findings += more[1]
    edited = apply_edits(document, edits)
    # In the edited config: some ids may be gone, and blocks have new numbers.
    more = carry_class_ids(edited, new_ids)
    edits += more[0]
    findings += more[1]
    edited = apply_edits(edited, more[0])
    _check_accepted(edited, accepted)
    remarks = availability.remarks(
        config.message,
        meta,
        target_api,
        accepted,
        trainer=trainer,
        script=trainers.script(target_api, trainers.MODEL_MAIN),
    )
    findings = (
        _trainer_findings(target_api, trainer, resumable, _quantized(config, accepted))
        + findings
        + list(remarks)
        + _paths(edited, paths)
        + _unknown_fields(config, accepted)
    )
    return tuple(edits), tuple(findings)


def _check_accepted(edited: Document, schema: Schema) -> None:
    """Raises RequestError for everything in the edited config that the schema still rejects."""
    left = violations(edited, schema, everything())
    if left:
        raise RequestError.collected(
            Problem(
                one.field.where,
                f"{'.'.join(one.path)} is not accepted by {schema.name} ({one.kind}), and "
                "graphfix has no translation for it",
                "change the config by hand",
            )
            for one in left
        )


def _unknown_fields(config: PipelineConfig, schema: Schema) -> List[Finding]:
    """Findings about fields that no revision knows, which stay in the config."""
    rejected = {one.field.where for one in violations(config.document, schema, None)}
    return [
        Finding(
            "UNKNOWN_FIELD",
            WARNING,
            problem.subject,
            f"{problem.message}, so that {schema.name} stops at it",
            problem.remedy,
        )
        for problem in config.unknown
        if problem.subject in rejected
    ]


def _problems(
    config: PipelineConfig, meta: str, revision: str, trainer: str, schema: Schema
) -> List[Problem]:
    """Why that API or trainer does not support the model, whatever its config."""
    out = list(
        availability.problems(config.message, meta, revision, schema, config.document.subject)
    )
    if not trainers.restored(revision, trainer):
        out.append(
            Problem(
                "--trainer " + trainer,
                f"does not exist in {schema.name}, which has "
                f"{trainers.script(revision, trainers.LEGACY)}",
                f"pass --trainer legacy, or a --target_api from {trainers.first_month(trainer)} on",
            )
        )
    return out


def _for_training(
    config: PipelineConfig, meta: str, num_classes: int, schema: Schema, paths: Paths
) -> Tuple[List[ConfigEdit], List[Finding]]:
    """Classes, label maps, records, and the flags that make the trainer restore."""
    edits = [
        ConfigEdit(("model", meta, "num_classes"), str(num_classes), "the new number of classes")
    ]
    findings: List[Finding] = []
    given = config.message.train_config

    def flag(name: str, literal: str, reason: str) -> None:
        edits.append(ConfigEdit((_TRAIN, name), literal, reason))

    flag("fine_tune_checkpoint", quote(paths.checkpoint), "the converted checkpoint")
    flag("from_detection_checkpoint", "true", "its variables have a detector's names")
    if schema.field("TrainConfig", "load_all_detection_checkpoint_vars"):
        flag(
            "load_all_detection_checkpoint_vars",
            "true",
            "without it the stock API restores no head",
        )
    kind = given.fine_tune_checkpoint_type
    if kind and kind != "detection" and schema.field("TrainConfig", "fine_tune_checkpoint_type"):
        flag("fine_tune_checkpoint_type", quote("detection"), "the only type that restores heads")
        findings.append(
            Finding(
                "FIELD_TRANSLATED",
                INFO,
                _TRAIN + ".fine_tune_checkpoint_type",
                (
                    f"was {kind!r} and is 'detection' now: the trainers of TensorFlow 1 know that "
                    "and "
                    "'classification', which restores no head"
                ),
                "there is nothing to do",
            )
        )
    version = schema.field("TrainConfig", "fine_tune_checkpoint_version")
    if (
        version
        and given.HasField("fine_tune_checkpoint_version")
        and given.fine_tune_checkpoint_version != 1
    ):
        flag("fine_tune_checkpoint_version", "V1", "what TensorFlow 1 writes")
        findings.append(
            Finding(
                "FIELD_TRANSLATED",
                INFO,
                _TRAIN + ".fine_tune_checkpoint_version",
                "is V1 now, the format of the converted checkpoint",
                "there is nothing to do",
            )
        )
    for (block, _), record in zip(_READERS, (paths.train_record, paths.eval_record)):
        field = schema.field(schema_history.PIPELINE, block)
        repeated = field is not None and field.repeated
        for number in range(max(1, len(config.document.values((block,))) if repeated else 1)):
            name = f"{block}[{number}]" if number else block
            if paths.label_map:
                edits.append(
                    ConfigEdit((name, "label_map_path"), quote(paths.label_map), "the new classes")
                )
            if record:
                edits.append(ConfigEdit((name,) + INPUT_PATH, quote(record), "the records to read"))
    return edits, findings


def _quantized(config: PipelineConfig, schema: Schema) -> bool:
    return (
        config.message.HasField("graph_rewriter")
        and schema.field(schema_history.PIPELINE, "graph_rewriter") is not None
    )


def _trainer_findings(
    revision: str, trainer: str, resumable: bool, quantized: bool
) -> List[Finding]:
    findings = []
    for name, what in trainers.restored(revision, trainer):
        if what == trainers.NOTHING:
            findings.append(
                Finding(
                    "FINE_TUNE_CHECKPOINT_IGNORED",
                    WARNING if resumable else ERROR,
                    name,
                    f"of {revision} silently ignores fine_tune_checkpoint and would train from "
                    "random values",
                    "start it with '--model_dir' set to the directory written for it"
                    if resumable
                    else (
                        "train with legacy/train.py, or convert with --model_dir DIR and give "
                        f"{name} that "
                        "directory"
                    ),
                )
            )
        elif what == trainers.BACKBONE:
            findings.append(
                Finding(
                    "HEADS_NOT_RESTORED",
                    INFO if resumable else ERROR,
                    name,
                    f"({trainers.script(revision, name)} of {revision}) restores only the feature "
                    "extractor, whatever the config",
                    "start it with --train_dir set to the directory written for it"
                    if resumable
                    else "train with an API of 2018-03 or later, or convert with --model_dir DIR",
                )
            )
        elif quantized and name == trainers.MODEL_MAIN:
            findings.append(
                Finding(
                    "QUANTIZATION_NOT_RESTORED",
                    INFO if resumable else WARNING,
                    name,
                    f"of {revision} restores every variable but the quantization ranges, which "
                    "start at their initial values and have to settle again",
                    "start it with '--model_dir' set to the directory written for it"
                    if resumable
                    else f"train with {trainers.script(revision, trainers.LEGACY)}, or convert "
                    "with --model_dir DIR",
                )
            )
    return findings


def _paths(document: Document, paths: Paths) -> List[Finding]:
    """Findings about the paths in the edited config that no option replaced."""
    findings = []
    ours = (paths.checkpoint, paths.label_map, paths.train_record, paths.eval_record)
    # Without a label map there are no new classes: that command has no flags for records either.
    flags = dict(_READERS) if paths.label_map else {}
    for path, field in document.walk():
        if not is_path_field(path[-1]):
            continue
        for value in field.values:
            if isinstance(value, Block) or value.kind != STRING or value.value in ours:
                continue
            subject = f"{'.'.join(path)} (line {value.line})"
            flag = flags.get(path[0], "")
            remedy = (
                f"pass {flag}, or write the path before training"
                if flag
                else "write the path before training"
            )
            if not value.value or is_placeholder(str(value.value)):
                findings.append(
                    Finding(
                        "PLACEHOLDER",
                        WARNING,
                        subject,
                        f"is still a placeholder: {value.raw}",
                        remedy,
                    )
                )
            else:
                findings.append(
                    Finding(
                        "PATH_KEPT",
                        INFO,
                        subject,
                        f"is kept: {value.raw}",
                        remedy + ", if it is different on the machine that trains",
                    )
                )
    for block, flag in _READERS:
        if not document.find((block,) + INPUT_PATH) and not document.find(
            (block, "external_input_reader")
        ):
            findings.append(
                Finding(
                    "PLACEHOLDER",
                    WARNING,
                    block,
                    "names no records",
                    f"pass {flag}, or write the path before training"
                    if flags
                    else "write the path before training",
                )
            )
    return findings
