"""Reads back all that a conversion wrote, judges it, and records it: the last step before it is
published."""

from typing import Any, Dict, Mapping, Optional

from graphfix.conversion.context import Context
from graphfix.conversion.output import Output, training_tensors
from graphfix.errors import SourceError, VerificationError
from graphfix.modeldir import manifest, measuring
from graphfix.modeldir.destinations import Stage
from graphfix.modeldir.names import CHECKPOINT, CONFIG, PLAN_JSON, TRAINING_CHECKPOINT
from graphfix.planning.plan_check import refuse
from graphfix.planning.plan_rules import faults
from graphfix.verification.copies import FAULT, check_copies
from graphfix.verification.judge import describe_output, judge
from graphfix.verification.models import check_model, requested


def verify(
    output: Output,
    stage: Stage,
    context: Context,
    figures: measuring.Figures,
    meant: Mapping[str, measuring.Content],
    made_of: Optional[Dict[str, Any]],
) -> None:
    """Compares what is on a stage with what was meant, and leaves its manifest there; `figures` are
    of the tensors read back as they were written, `meant` is what the other files are to have,
    `made_of` what the manifest is to record of what the output was made of.

    Raises:
      VerificationError: it is not what was meant.
    """
    source, plan = context.source, output.plan
    measured = measuring.measure(stage.directory, known=figures)
    check_copies(CHECKPOINT, output.tensors, measured, source=source.store, edits=plan.edits)
    _check_files(measured.files, meant)
    refuse(list(faults(plan)), PLAN_JSON, VerificationError, FAULT)
    try:
        described = describe_output(stage.directory, measured.stores[CHECKPOINT])
    except SourceError as error:
        raise VerificationError.collected(error.problems) from None
    check_model(described[1], requested(source.model, plan, output.described), CONFIG)
    record, _ = manifest.write(
        stage.directory, measured=measured, model=described[1], made_of=made_of
    )
    judgement = judge(stage.directory, record, measured, described, plan=plan, remedy=FAULT)
    if judgement.problems:
        raise VerificationError.collected(judgement.problems)
    if stage.model_dir is not None:
        measured = measuring.measure(stage.model_dir, known=figures)
        manifest.write(stage.model_dir, measured=measured)
        check_copies(TRAINING_CHECKPOINT, training_tensors(output, context), measured)


def _check_files(
    found: Mapping[str, measuring.Content], meant: Mapping[str, measuring.Content]
) -> None:
    """Whether files have what they were to have."""
    for name, content in meant.items():
        other = found.get(name)
        if other is None or (other.size, other.crc32c) != (content.size, content.crc32c):
            raise VerificationError(name, "has other contents than were written", FAULT)
