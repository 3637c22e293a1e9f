"""graphfix convert"""

import argparse

import graphfix
from graphfix.cli import flags
from graphfix.process.console import print_json, print_result, say


def add(parser: argparse.ArgumentParser) -> None:
    flags.add_source(parser)
    flags.add_options(parser, but=("pipeline_config_path",))
    parser.add_argument(
        "--model_dir",
        help="also write a complete training checkpoint here, for the trainer to resume from",
    )
    flags.add_output_directory(parser)
    flags.add_overwrite(parser)
    parser.add_argument("--plan", help="carry out a plan from plan --json")
    flags.add_json(parser, "the report")


def run(args: argparse.Namespace) -> int:
    options = flags.options(args)
    decided = options.fixed_by_a_plan()
    if args.plan and decided:
        args.parser.error(f"--plan already fixes {', '.join(decided)}: leave that out")
    report = graphfix.convert(
        args.source,
        args.output_directory,
        options,
        overwrite=args.overwrite,
        model_dir=args.model_dir,
        plan=args.plan,
    )
    say(report.findings)
    if args.json:
        print_json(report.to_json())
    else:
        print_result([report.summary])
    return report.exit_code
