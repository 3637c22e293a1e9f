"""graphfix convert"""

import argparse

import graphfix
from graphfix.cli import exported, flags
from graphfix.formats.flatbuffers import is_lite
from graphfix.process.console import print_json, print_next, print_result, say_findings, ticking

EXAMPLES = (
    "graphfix convert ssd.tar.gz --label_map_path classes.pbtxt --map van=truck+bus -o converted",
    "graphfix convert ssd.tar.gz --plan plan.json -o converted",
)


def add(parser: argparse.ArgumentParser) -> None:
    flags.add_source(parser)
    flags.add_options(parser, but=("pipeline_config_path",))
    flags.group(parser, "training").add_argument(
        "--model_dir",
        metavar="DIR",
        help="also write a complete training checkpoint here, for the trainer to resume from",
    )
    flags.add_output_directory(parser)
    flags.add_overwrite(parser)
    flags.group(parser, "source").add_argument(
        "--plan", metavar="FILE", help="carry out a plan from plan --json"
    )
    flags.add_json(parser, "the report")


def run(args: argparse.Namespace) -> int:
    options = flags.options(args)
    decided = options.fixed_by_a_plan()
    if args.plan and decided:
        args.parser.error(f"--plan already fixes {', '.join(decided)}: leave that out")
    if is_lite(args.source):
        for name in ("plan", "model_dir"):
            if getattr(args, name):
                args.parser.error(f"--{name} means nothing to a .tflite: leave it out")
        found = graphfix.convert_lite(
            args.source, args.output_directory, options, overwrite=args.overwrite
        )
        return exported.told(found, args.output_directory, as_json=args.json)
    with ticking("converting"):
        report = graphfix.convert(
            args.source,
            args.output_directory,
            options,
            overwrite=args.overwrite,
            model_dir=args.model_dir,
            plan=args.plan,
        )
    say_findings(report.findings)
    if args.json:
        print_json(report.to_json())
    else:
        from graphfix.report.stages import what_next

        print_result([report.summary])
        print_next(*what_next(report, args.output_directory))
    return report.exit_code
