"""graphfix diff"""

import argparse

import graphfix
from graphfix.cli import flags
from graphfix.process.console import print_either, ticking

EXAMPLES = (
    "graphfix diff ssd.tar.gz converted",
    "graphfix diff old/pipeline.config new/pipeline.config --json",
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "one",
        metavar="A",
        help="a checkpoint, frozen graph, config, label map, or a model's directory or archive",
    )
    parser.add_argument("two", metavar="B", help="what to compare it with")
    flags.add_json(parser, "all differences")


def run(args: argparse.Namespace) -> int:
    with ticking("comparing"):
        found = graphfix.diff(args.one, args.two)
    return show(found, args.json)


def show(found: "graphfix.Comparison", as_json: bool) -> int:
    """Prints a comparison; the exit code."""
    print_either(found, as_json)
    return 0 if found.same else 1
