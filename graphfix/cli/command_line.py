"""The command line: graphfix VERB SOURCE [flags].

stdout is for results, stderr for messages.  process/endings.py says how a run ends.  Each verb has
a module: `add` declares its flags, `run` calls one public function and prints what it answers.
"""

import importlib
import sys
from typing import Any, List, Optional

from absl import flags as absl_flags
from absl.flags import argparse_flags

from graphfix.cli import flagfile
from graphfix.fronts import Front, asked_by
from graphfix.process import console, signals
from graphfix.process.endings import exit_code

# Verb, which is also its module's name: what it is for.
VERBS = {
    "inspect": "describe a model",
    "plan": "show what convert would do; writes nothing",
    "convert": "write a checkpoint and config for new classes",
    "export": "write a detector for something other than TensorFlow 1",
    "thaw": "turn a frozen graph back into a trainable checkpoint",
    "verify": "check a converted directory again",
    "batch": "convert many models from one recipe",
    "doctor": "explain why a config won't train, or what training will start from",
    "diff": "show how two models, or two files of the same kind, differ",
    "check": "compare an output with a golden file",
    "records": "draw the pictures of records with their boxes, those with findings first",
    "anchors": "fit anchors to a data set, plot them, or put them into a config",
}


class _Parser(argparse_flags.ArgumentParser):
    """Reads --flagfile, but no flag that another module of this process defines; and shows what is
    wrong with words as the words are to be shown."""

    def __init__(self, inherited_absl_flags: Any = None, **more: Any) -> None:
        super().__init__(inherited_absl_flags=inherited_absl_flags, **more)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        try:
            return super().parse_known_args(args, namespace)
        except absl_flags.Error as error:
            self.error(str(error))

    def error(self, message: str) -> Any:
        super().error(console.escaped(message))


def parser(only: Optional[str] = None) -> _Parser:
    """The parser of every verb; with the flags of one alone (`only`), a command waits for no other
    verb's module."""
    top = _Parser(
        prog="graphfix",
        # Of no module; it reads --flagfile for all verbs.
        inherited_absl_flags=flagfile.FlagFiles(),
        description="Carry a TensorFlow 1 Object Detection API detector over to new classes, with "
        "its trained weights.",
    )
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    verbs.required = True
    for name, words in VERBS.items():
        one = verbs.add_parser(name, help=words, description=words)
        if only in (None, name):
            module = importlib.import_module(f"graphfix.cli.{name}")
            one.set_defaults(run=module.run, parser=one)
            module.add(one)
    return top


def main(argv: Optional[List[str]] = None) -> int:
    """Runs a command line (this process's, where none is given); the exit code."""
    before = signals.handlers()
    try:
        with asked_by(Front.FLAGS):
            return exit_code(lambda: _run(argv))
    finally:
        signals.restore(before)


def run() -> int:
    """Runs this process's command line, the last thing it does; the exit code."""
    try:
        with asked_by(Front.FLAGS):
            return exit_code(lambda: _run(None))
    finally:
        signals.ignore()


def _run(argv: Optional[List[str]]) -> int:
    try:
        words = sys.argv[1:] if argv is None else argv
        top = parser(words[0] if words and words[0] in VERBS else None)
        if "" in words:
            top.error("an argument is empty")
        args = top.parse_args(words)
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()  # the help, which a closed pipe may not take any more
    return args.run(args)
