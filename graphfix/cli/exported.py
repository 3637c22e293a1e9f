"""How what export wrote is told."""

from typing import TYPE_CHECKING

from graphfix.process.console import print_json, print_next, print_result, quoted, say_findings

if TYPE_CHECKING:
    from graphfix.exporting.workflow import Exported


def told(found: "Exported", directory: str, *, as_json: bool) -> int:
    """Prints it, and what can be done with the `directory`; the exit code."""
    from graphfix.exporting.targets import TARGETS

    say_findings(found.findings)
    if as_json:
        print_json(found.to_json())
        return 0
    print_result([found.summary, *found.compared])
    print_next("next, use it:", *(line for one in found.next_steps for line in one.split("\n")))
    target = TARGETS[found.target]
    if not found.comparison and hasattr(target.load(), "tried"):
        command = f"graphfix verify {quoted(directory)} --stock --stock_python PYTHON"
        if not found.details.get("published"):  # which is compared with what it was made of
            command += " --tf1_python TENSORFLOW_PYTHON"
        print_next(f"to have it judged by {target.title}, in a PYTHON that has it:", command)
    return 0
