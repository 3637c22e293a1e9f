"""The command line: graphfix VERB SOURCE [flags].

stdout is for results, stderr for messages.  process/endings.py says how a run ends.  Each verb has
a module: `add` declares its flags, `run` calls one public function and prints what it answers.
"""

import argparse
import importlib
import sys
from typing import Any, List, Optional

from absl import flags as absl_flags
from absl.flags import argparse_flags

import graphfix
from graphfix.cli import flagfile, flags
from graphfix.cli.spelling import neighbour, spelled
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
    "completion": "print a shell's script that completes verbs, flags and files",
}


class _Parser(argparse_flags.ArgumentParser):
    """Knows no flag that another module of this process defines; shows what is wrong with words as
    the words are to be shown."""

    def __init__(self, inherited_absl_flags: Any = None, **more: Any) -> None:
        super().__init__(inherited_absl_flags=inherited_absl_flags, **more)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += neighbour(str(value), [str(one) for one in action.choices or ()])
            raise

    def error(self, message: str) -> Any:
        """Two lines instead of a usage of fifteen."""
        console.say([f"{self.prog}: error: {message}", f"its flags and examples: {self.prog} -h"])
        self.exit(2)


def parser(only: Optional[str] = None) -> _Parser:
    """The parser of every verb; with the flags of one alone (`only`), a command waits for no other
    verb's module."""
    raw = argparse.RawDescriptionHelpFormatter
    top = _Parser(
        prog="graphfix",
        formatter_class=raw,
        # Of no module; it reads --flagfile for all verbs.
        inherited_absl_flags=flagfile.FlagFiles(),
        description="Carry a TensorFlow 1 Object Detection API detector over to new classes, with "
        "its trained weights.",
        epilog="graphfix help VERB shows a verb's flags and examples.  Hyphens may stand for the "
        "underscores\nof flags: --label-map-path.",
    )
    top.add_argument("--version", action="version", version=f"graphfix {graphfix.__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    verbs.required = True
    for name, words in VERBS.items():
        one = verbs.add_parser(name, help=words, description=words, formatter_class=raw)
        if only in (None, name):
            module = importlib.import_module(f"graphfix.cli.{name}")
            one.set_defaults(run=module.run, parser=one)
            module.add(one)
            if hasattr(module, "EXAMPLES"):
                one.epilog = flags.examples(module.EXAMPLES)
            for leaf in _leaves(one):
                flags.add_talk(leaf)
    return top


def _leaves(one: argparse.ArgumentParser) -> List[argparse.ArgumentParser]:
    """A verb's parser, or those of its own verbs."""
    return [leaf for verbs in _verbs(one) for leaf in verbs.choices.values()] or [one]


def _verbs(one: argparse.ArgumentParser) -> List[Any]:
    """Where a parser has verbs: nowhere, or in one place."""
    return [action for action in one._actions if isinstance(action, argparse._SubParsersAction)]


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
        words = _asked_for_help(sys.argv[1:] if argv is None else argv)
        top = parser(words[0] if words and words[0] in VERBS else None)
        if not words:
            top.print_help(sys.stderr)
            return 2
        if "" in words:
            top.error("an argument is empty")
        words = _spelled(words, top)
        args = top.parse_args(words, argparse.Namespace(words=words))
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()  # the help, which a closed pipe may not take any more
    with console.talking(verbose=args.verbose, quiet=args.quiet, color=args.color):
        return args.run(args)


def _spelled(words: List[str], top: _Parser) -> List[str]:
    """The words with those of --flagfile, and flags as they are declared."""
    try:
        words = flagfile.FlagFiles().read_flags_from_files(words)
    except absl_flags.Error as error:
        top.error(str(error))
    one = top
    for word in words:
        nested = {name: leaf for verbs in _verbs(one) for name, leaf in verbs.choices.items()}
        if word in nested:
            one = nested[word]
    if _verbs(one):  # which verb is not known: argparse will say so
        return words
    flags = {name for each in (top, one) for name in each._option_string_actions}
    return spelled(words, flags, one.error)


def _asked_for_help(words: List[str]) -> List[str]:
    """`help VERB` as `VERB -h`."""
    return [*words[1:], "-h"] if words[:1] == ["help"] else words
