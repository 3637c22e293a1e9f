"""graphfix completion bash|zsh|fish"""

import argparse
import sys

from graphfix.cli import shells

EXAMPLES = (
    "graphfix completion bash > ~/.local/share/bash-completion/completions/graphfix",
    'graphfix completion zsh > "${fpath[1]}/_graphfix"',
    "graphfix completion fish > ~/.config/fish/completions/graphfix.fish",
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell", metavar="SHELL", choices=list(shells.SCRIPTS), help="bash, zsh or fish"
    )


def run(args: argparse.Namespace) -> int:
    from graphfix.cli import command_line  # which loads this module

    # Not by print_result: the script is a program's text, with no one else's words in it.
    sys.stdout.write(shells.script(args.shell, command_line.parser()))
    return 0
