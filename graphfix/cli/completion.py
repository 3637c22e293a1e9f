"""graphfix completion bash|zsh|fish"""

import argparse

from graphfix.cli import shells
from graphfix.process.console import print_result

EXAMPLES = (
    "source <(graphfix completion bash)  # in this shell; in ~/.bashrc, in every one",
    'graphfix completion zsh > "${fpath[1]}/_graphfix"',
    "graphfix completion fish > ~/.config/fish/completions/graphfix.fish",
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell", metavar="SHELL", choices=list(shells.SCRIPTS), help="bash, zsh or fish"
    )


def run(args: argparse.Namespace) -> int:
    from graphfix.cli import command_line  # which loads this module

    print_result(shells.script(args.shell, command_line.parser()))
    return 0
