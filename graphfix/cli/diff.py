"""graphfix diff"""

import argparse

import graphfix
from graphfix.cli import flags
from graphfix.process.console import print_json, print_result


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "one",
        metavar="A",
        help="a checkpoint, frozen graph, config, label map, or a model's directory or archive",
    )
    parser.add_argument("two", metavar="B", help="what to compare it with")
    flags.add_json(parser, "all differences")


def run(args: argparse.Namespace) -> int:
    return show(graphfix.diff(args.one, args.two), args.json)


def show(found: "graphfix.Comparison", as_json: bool) -> int:
    """Prints a comparison; the exit code."""
    if as_json:
        print_json(found.to_json())
    else:
        print_result(found.to_lines())
    return 0 if found.same else 1
