"""A pipeline.config: its text, and its content as a message.

The document is what graphfix edits and writes; the message (graphfix.pipeline, the union of every
TF1 revision's schema) is what it reads.  A field that no revision knows is kept and reported.
Anything else that is wrong is refused, all of it at once.
"""

from typing import Any, NamedTuple, Tuple

from graphfix.errors import Problem, SourceError
from graphfix.formats.schema import message_class
from graphfix.formats.textproto import UNKNOWN_FIELD, Document, bind


class PipelineConfig(NamedTuple):
    """A parsed config.  `unknown` are the fields that no revision of the API knows."""

    document: Document
    message: Any
    unknown: Tuple[Problem, ...]

    def __repr__(self) -> str:
        return f"<PipelineConfig {self.document.subject}>"


def parse_config(data: bytes, subject: str) -> PipelineConfig:
    """Parses the bytes of the file `subject`.

    Raises:
      SourceError: they are not a TrainEvalPipelineConfig; lists every fault with line and column.
    """
    return bound_config(Document.parse(data, subject=subject).without_bom())


def bound_config(document: Document) -> PipelineConfig:
    """The config that a parsed document is.

    Raises:
      SourceError: as `parse_config`.
    """
    message, problems = bind(document, message_class("graphfix.pipeline.TrainEvalPipelineConfig"))
    faults = [found.problem for found in problems if found.kind != UNKNOWN_FIELD]
    if faults:
        raise SourceError.collected(faults)
    if not message.HasField("model"):
        raise SourceError(
            document.subject,
            "has no model block, so it is not a pipeline.config",
            "name the pipeline.config that belongs to the checkpoint",
        )
    return PipelineConfig(document, message, tuple(found.problem for found in problems))
