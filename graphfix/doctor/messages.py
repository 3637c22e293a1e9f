"""Looks up what error messages of TensorFlow and the stock API mean."""

import re
from typing import List, Sequence

from graphfix.doctor import messages_run, messages_setup
from graphfix.doctor.checks import Message
from graphfix.fronts import shown

MESSAGES = messages_setup.MESSAGES + messages_run.MESSAGES


def explain(text: str) -> List[Message]:
    """The rows whose patterns are in a pasted text, the likeliest first: what comes last in a
    traceback goes first, and on the same line the table's order holds."""
    found = []
    for number, row in enumerate(MESSAGES):
        places = [match.start() for match in re.finditer(row.pattern, text, re.I)]
        if places:
            found.append((-text.count("\n", 0, places[-1]), number, row))
    return [row for _, _, row in sorted(found, key=lambda one: one[:2])]


def to_lines(found: Sequence[Message]) -> List[str]:
    if not found:
        return [
            "graphfix does not know this message. Let it check the config: graphfix doctor "
            "PIPELINE_CONFIG"
        ]
    out: List[str] = []
    for row in found:
        out += [""] * bool(out) + [row.wording, "  Why: " + row.cause, "  Do:  " + row.remedy]
        if row.codes:
            out.append("  graphfix doctor PIPELINE_CONFIG finds it under: " + ", ".join(row.codes))
    return [shown(line) for line in out]
