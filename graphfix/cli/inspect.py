"""graphfix inspect"""

import argparse

import graphfix
from graphfix.cli import flags
from graphfix.options import OPTIONS
from graphfix.process.console import print_json, print_result, ticking

EXAMPLES = (
    "graphfix inspect ssd_mobilenet_v1_coco_2018_01_28.tar.gz",
    "graphfix inspect exported/frozen_inference_graph.pb --source_label_map_path coco --json",
)


def add(parser: argparse.ArgumentParser) -> None:
    flags.add_source(parser)
    flags.add_option(parser, OPTIONS["source_label_map_path"])
    flags.add_json(parser, "it")


def run(args: argparse.Namespace) -> int:
    with ticking("reading"):
        found = graphfix.inspect(
            args.source,
            pipeline_config_path=args.pipeline_config_path,
            source_label_map_path=args.source_label_map_path,
        )
    if args.json:
        print_json(found.to_json())
    else:
        print_result(found.to_lines(verbose=args.verbose))
    return 0
