"""What a config says of the data that its source was trained on: the number of pictures to evaluate
on, and comments.

A comment is its author's, and stays (docs/decisions/007-config-editing.md); what a conversion makes
untrue is told.
"""

import os
import re
from typing import Iterator, Optional, Tuple

from graphfix.errors import SourceError
from graphfix.findings import INFO, Finding
from graphfix.formats.wildcards import Budget, find
from graphfix.options import ConvertOptions
from graphfix.pipeline_config.document import PipelineConfig
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.paths import TO_BE_CONFIGURED, is_placeholder

# Of more bytes than a second or two takes nothing is counted; doctor reads them all.
_MOST_BYTES = 1 << 28
_EVAL, _NUMBER = "eval_config", "num_examples"

Edits = Tuple[Tuple[ConfigEdit, ...], Tuple[Finding, ...]]


def own_data(
    config: PipelineConfig, options: ConvertOptions, *, before: int, classes: int
) -> Edits:
    """The edit that counts the new evaluation records, and findings about what stays.

    `before` is the source's number of classes, `classes` the new one.
    """
    edits, findings = _examples(config, options.eval_record)
    return edits, findings + tuple(_comments(config, options, before, classes))


def _examples(config: PipelineConfig, records: Optional[str]) -> Edits:
    message = config.message.eval_config
    if not message.HasField(_NUMBER):
        return (), ()
    number = _count(records) if records else None
    if number is not None:
        if number == message.num_examples:
            return (), ()
        return (ConfigEdit((_EVAL, _NUMBER), str(number), "as many as the records have"),), ()
    readers = config.message.eval_input_reader
    kept = [path for one in readers for path in one.tf_record_input_reader.input_path]
    if not records and not any(map(is_placeholder, kept)):
        return (), ()  # the source's records stay, and so does their number
    line = config.document.find((_EVAL, _NUMBER))[0].line
    return (), (
        Finding(
            "NUM_EXAMPLES_KEPT",
            INFO,
            f"{_EVAL}.{_NUMBER} (line {line})",
            f"is the source's: {message.num_examples}",
            "write the number of your evaluation records; convert counts those that --eval_record "
            "names",
        ),
    )


def _count(records: str) -> Optional[int]:
    """How many records a path or pattern has; None where that is not known."""
    from graphfix.formats.tfrecord import read_frames  # few conversions name records

    try:
        paths = [path for path in find(records, Budget()) if os.path.isfile(path)]
        if not paths or sum(os.path.getsize(path) for path in paths) > _MOST_BYTES:
            return None
        return sum(1 for path in paths for _ in read_frames(path)) or None
    except (SourceError, OSError):
        return None


def _comments(
    config: PipelineConfig, options: ConvertOptions, before: int, classes: int
) -> Iterator[Finding]:
    """Comments that the edits contradict: of another number of classes, of paths to configure."""
    wrong = [rf"\b{before}[ -](class|categor)"] if before != classes else []
    if options.train_record and options.eval_record:
        wrong.append(TO_BE_CONFIGURED)
    if not wrong:
        return
    pattern = re.compile(r"#.*(?:" + "|".join(wrong) + ")", re.I)
    for number, line in enumerate(config.document.text.split("\n"), 1):
        code, mark, comment = line.partition("#")
        if mark and code.count('"') % 2 == 0 and pattern.match(mark + comment):
            yield Finding(
                "COMMENT_STALE",
                INFO,
                f"pipeline.config (line {number})",
                f"has a comment about the source: {(mark + comment).strip():.80}",
                "rewrite it, or delete it",
            )
