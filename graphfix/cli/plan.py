"""graphfix plan"""

import argparse

import graphfix
from graphfix.cli import flags
from graphfix.process.console import (
    print_json,
    print_next,
    print_result,
    quoted,
    say_findings,
    ticking,
)

EXAMPLES = (
    "graphfix plan ssd.tar.gz --label_map_path classes.pbtxt --map van=truck+bus",
    "graphfix plan ssd.tar.gz --classes person,van --json > plan.json",
)


def add(parser: argparse.ArgumentParser) -> None:
    flags.add_source(parser)
    flags.add_options(parser, but=("pipeline_config_path",))
    flags.group(parser, "training").add_argument(
        "--model_dir", metavar="DIR", help="as for convert"
    )
    output = flags.group(parser, flags.OUTPUT)
    output.add_argument(
        "-o",
        "--output_directory",
        metavar="DIR",
        help="the directory convert would write (default: left open; convert --plan fills it in)",
    )
    output.add_argument(
        "--json", action="store_true", help="print the plan as JSON, for convert --plan"
    )


def run(args: argparse.Namespace) -> int:
    with ticking("planning"):
        plan = graphfix.plan(
            args.source,
            flags.options(args),
            output_directory=args.output_directory,
            model_dir=args.model_dir,
        )
    if args.json:
        print_json(plan.to_json())
        say_findings(plan.findings)
    else:
        from graphfix.planning.plan_text import changes

        print_result(changes(plan))
        say_findings(plan.findings)
        place = () if args.output_directory else ("-o", "converted")
        words = ("graphfix", "convert", *place, *args.words[1:])
        print_next("next, do it:", " ".join(map(quoted, words)))
    return 0
