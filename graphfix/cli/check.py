"""graphfix check"""

import argparse

import graphfix
from graphfix.cli import diff, flags
from graphfix.process.console import print_result, say, ticking

EXAMPLES = (
    "graphfix check converted --golden golden.json --update",
    "graphfix check converted --golden golden.json --junit results.xml",
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="OUT", help="a directory that convert wrote")
    parser.add_argument("--golden", required=True, metavar="FILE", help="the golden file")
    parser.add_argument(
        "--update", action="store_true", help="rewrite the golden file to match OUT"
    )
    parser.add_argument("--junit", metavar="FILE", help="also write the result as JUnit XML")
    flags.add_overwrite(
        parser, "with --update or --junit: also replace a file that check did not write"
    )
    flags.add_json(parser, "all differences")


def run(args: argparse.Namespace) -> int:
    if args.update:
        if args.junit or args.json:
            args.parser.error("--update compares nothing: leave --junit and --json out")
        with ticking("reading"):
            done = graphfix.update_golden(args.directory, args.golden, overwrite=args.overwrite)
        say(done.changes)
        print_result(done.to_lines())
        return 0
    with ticking("comparing"):
        found = graphfix.check(
            args.directory, args.golden, junit=args.junit, overwrite=args.overwrite
        )
    return diff.show(found, args.json)
