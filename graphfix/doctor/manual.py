"""docs/troubleshooting.md, made from the tables of checks and of messages.

python -m graphfix.doctor.manual > docs/troubleshooting.md
"""

import sys

from graphfix.doctor.diagnosis import TABLES
from graphfix.doctor.messages.message_table import Message, message_table, sections

_TITLES = {
    "config": "The config",
    "paths": "Paths",
    "checkpoint": "fine_tune_checkpoint",
    "model_dir": "model_dir",
    "label map": "Label maps",
    "records": "Records",
    "training": "How it trains",
    "elsewhere": "Training elsewhere",
}
_HEAD = """\
# Troubleshooting

Made by `python -m graphfix.doctor.manual > docs/troubleshooting.md`; change the tables in
`graphfix/doctor/` instead of this file.

`graphfix doctor PIPELINE_CONFIG` checks a config and every file that it names, and reports whether
it will train. `--fix OUT.config` writes the config with every fault fixed that editing it can fix.
A label map with a byte order mark, ids in quotes or misspelt words is mended in a copy beside it.
`graphfix doctor --explain "MESSAGE"` looks up an error message; `--explain FILE.log` reads a whole
log and reports each problem with its line, and `--explain -` reads stdin. With a PIPELINE_CONFIG it
looks for the cause there. It knows {known} messages in {wordings} wordings, listed below.

An error ruins the run, with a message or without one. A warning is probably not what you want. An
info is good to know.
"""
_UNKNOWN = """\
## Messages that are left unknown on purpose

These have several causes each, or come from inside the API where the message does not tell which
of your files is to blame. `--explain` says so, names no cause, and says what to look at. It does so
for every message that is not listed above, with the nearest ones that are.
"""


def text() -> str:
    """The whole document."""
    rows = message_table()
    known = [row for row in rows if not row.open]
    count = sum(len(row.phrases) + len(row.lines) + len(row.prose) for row in known)
    out = [_HEAD.format(known=len(known), wordings=count)]
    for name, of_it in sections():
        out.append(f"## Messages: {name}\n")
        out += [_message(row) for row in of_it if not row.open]
    out.append(_UNKNOWN)
    for row in rows:
        if row.open:
            out.append(_message(row))
            wordings = [phrase.text.replace("{}", "...").replace("`", "") for phrase in row.phrases]
            out.append("Wordings: " + "; ".join(f"`{one}`" for one in wordings) + ".\n")
    for name, table in TABLES:
        out.append(f"## {_TITLES[name]}\n")
        out += [
            f"### {check.code}\n\n{check.severity.capitalize()}: {check.cause}\n\nDo: "
            f"{check.remedy}.\n"
            for check in table
        ]
    return "\n".join(out)


def _message(row: Message) -> str:
    links = ", ".join(f"[{code}](#{code.lower()})" for code in row.codes)
    checks = f" Checks: {links}." if links else ""
    wording = row.wording.replace("`", "")
    return f"### {wording}\n\n{row.cause} Do: {row.remedy}.{checks}\n"


if __name__ == "__main__":
    sys.stdout.write(text())
