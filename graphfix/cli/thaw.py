"""graphfix thaw"""

import argparse

import graphfix
from graphfix.cli import flags
from graphfix.options import OPTIONS
from graphfix.process.console import print_next, print_result, quoted, say_findings, ticking

EXAMPLES = (
    "graphfix thaw frozen_inference_graph.pb -o thawed",
    "graphfix thaw exported/saved_model --partial -o thawed",
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="FROZEN", help="a frozen_inference_graph.pb or a SavedModel directory"
    )
    flags.add_option(parser, OPTIONS["pipeline_config_path"], "its config, if not next to it")
    flags.add_option(parser, OPTIONS["target_api"])
    flags.add_output_directory(parser)
    flags.add_overwrite(parser)
    parser.add_argument(
        "--partial",
        action="store_true",
        help="recover the remaining variables if some were folded or stripped",
    )


def run(args: argparse.Namespace) -> int:
    with ticking("thawing"):
        found = graphfix.thaw(
            args.source,
            args.output_directory,
            pipeline_config_path=args.pipeline_config_path,
            overwrite=args.overwrite,
            partial=args.partial,
            target_api=args.target_api,
        )
    say_findings(found.findings)
    print_result([found.summary])
    out = quoted(args.output_directory)
    print_next(
        "next, change its classes:",
        f"graphfix convert {out} --label_map_path classes.pbtxt -o converted",
    )
    if found.next_steps:
        print_next("or train:", *(line for one in found.next_steps for line in one.split("\n")))
    return 0
