"""How what export wrote is told."""

from typing import TYPE_CHECKING

from graphfix.process.console import print_json, print_result, say_findings

if TYPE_CHECKING:
    from graphfix.exporting.workflow import Exported


def told(found: "Exported", *, as_json: bool) -> int:
    """Prints it; the exit code."""
    say_findings(found.findings)
    if as_json:
        print_json(found.to_json())
    else:
        steps = [line for step in found.next_steps for line in step.split("\n")]
        print_result([found.summary] + steps)
    return 0
