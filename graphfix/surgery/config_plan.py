"""What has to change in the pipeline.config so that the stock API fine-tunes from the result."""

import dataclasses
from typing import List, Optional, Tuple

from graphfix.config import trainers
from graphfix.config.edits import ConfigEdit
from graphfix.config.history import unknown_to
from graphfix.config.pipeline import PipelineConfig
from graphfix.findings import ERROR, INFO, WARNING, Finding
from graphfix.textproto import quote

_TRAIN = "train_config"
_PLACEHOLDER = "PATH_TO_BE_CONFIGURED"


@dataclasses.dataclass(frozen=True)
class Paths:
    """What the emitted config refers to, as the trainer will see it; records may be left out."""

    checkpoint: str
    label_map: str
    train_record: Optional[str]
    eval_record: Optional[str]


def plan_config(config: PipelineConfig, meta: str, num_classes: int, *, target_api: str,
                trainer: str, resumable: bool, paths: Paths
                ) -> Tuple[Tuple[ConfigEdit, ...], Tuple[Finding, ...]]:
    """The edits of a config for a target, and what to know about it.

    `meta` is the meta-architecture's block ("ssd"); `resumable` says that a complete training
    checkpoint is written too, from which every trainer resumes.
    """
    message = config.message
    period = trainers.period(target_api)
    classes_path = ("model", meta, "num_classes")
    edits = [ConfigEdit(classes_path, str(num_classes), "the new number of classes")]

    def flag(name: str, literal: Optional[str], reason: str) -> None:
        edits.append(ConfigEdit((_TRAIN, name), literal, reason))
    flag("fine_tune_checkpoint", quote(paths.checkpoint), "the converted checkpoint")
    flag("from_detection_checkpoint", "true", "its variables have a detector's names")
    if period.load_all:
        flag("load_all_detection_checkpoint_vars", "true",
             "without it the stock API restores no head")
    if message.train_config.HasField("fine_tune_checkpoint_type"):
        flag("fine_tune_checkpoint_type", quote("detection") if period.checkpoint_type else None,
             "the only type that restores heads" if period.checkpoint_type
             else "this revision does not know it")
    for block, record in (("train_input_reader", paths.train_record),
                          ("eval_input_reader", paths.eval_record)):
        for number in range(max(1, len(config.document.values((block,))))):
            name = "%s[%d]" % (block, number) if number else block
            edits.append(ConfigEdit((name, "label_map_path"), quote(paths.label_map),
                                    "the new classes"))
            if record:
                edits.append(ConfigEdit((name, "tf_record_input_reader", "input_path"),
                                        quote(record), "the records to read"))
    findings = _trainer_findings(target_api, trainer, resumable)
    findings += _placeholders(config, paths)
    findings += [Finding("UNKNOWN_FIELD", WARNING, problem.subject, problem.message, problem.remedy)
                 for problem in config.unknown]
    for stranger in reversed(unknown_to(config.document, target_api)):
        edits.append(ConfigEdit(stranger.removal, None,
                                "revision %s does not know it" % target_api))
        findings.append(Finding(
            "FIELD_REMOVED", WARNING, ".".join(stranger.path),
            "is not known to the API of %s, whose parser would stop at it: it was removed"
            % target_api, "see whether training relies on it; --target_api names the revision"))
    return tuple(edits), tuple(findings)


def _trainer_findings(target_api: str, trainer: str, resumable: bool) -> List[Finding]:
    findings = []
    for name, what in trainers.restored(target_api, trainer):
        if what == trainers.NOTHING:
            findings.append(Finding(
                "FINE_TUNE_CHECKPOINT_IGNORED", INFO if resumable else ERROR, name,
                "of %s ignores fine_tune_checkpoint in silence and would train from random values"
                % target_api,
                "start it with --model_dir set to the directory written for it" if resumable else
                "train with legacy/train.py, or convert with --model_dir DIR and give %s that "
                "directory" % name))
        elif what == trainers.BACKBONE:
            findings.append(Finding(
                "HEADS_NOT_RESTORED", INFO if resumable else ERROR, name,
                "of %s restores the feature extractor only, whatever the config says" % target_api,
                "train with an API of 2018-03 or later, or convert with --model_dir DIR"))
    return findings


def _placeholders(config: PipelineConfig, paths: Paths) -> List[Finding]:
    findings = []
    for block, record, flag in (("train_input_reader", paths.train_record, "--train_record"),
                                ("eval_input_reader", paths.eval_record, "--eval_record")):
        left = [value for value in config.document.values((block, "tf_record_input_reader",
                                                           "input_path"))
                if _PLACEHOLDER in str(getattr(value, "value", ""))]
        if left and not record:
            findings.append(Finding("PLACEHOLDER", WARNING, "%s (line %d)" % (block, left[0].line),
                                    "input_path is still a placeholder",
                                    "pass %s, or write the path before training" % flag))
    return findings
