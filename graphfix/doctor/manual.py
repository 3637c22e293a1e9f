"""docs/troubleshooting.md, made from the tables of checks and of messages.

python -m graphfix.doctor.manual > docs/troubleshooting.md
"""

import sys

from graphfix.doctor.diagnosis import TABLES
from graphfix.doctor.messages import MESSAGES

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
`graphfix doctor --explain "MESSAGE"` looks up an error message in the first section.

An error ruins the run, with a message or without one. A warning is probably not what you want. An
info is good to know.
"""


def text() -> str:
    """The whole document."""
    out = [_HEAD, "## Messages\n"]
    for row in MESSAGES:
        links = ", ".join(f"[{code}](#{code.lower()})" for code in row.codes)
        wording = row.wording.replace("`", "")
        checks = f" Checks: {links}." if links else ""
        out.append(f"### {wording}\n\n{row.cause} Do: {row.remedy}.{checks}\n")
    for name, table in TABLES:
        out.append(f"## {_TITLES[name]}\n")
        out += [
            f"### {check.code}\n\n{check.severity.capitalize()}: {check.cause}\n\nDo: "
            f"{check.remedy}.\n"
            for check in table
        ]
    return "\n".join(out)


if __name__ == "__main__":
    sys.stdout.write(text())
