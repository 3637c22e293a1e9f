"""graphfix inspect"""

import argparse

import graphfix
from graphfix.cli import flags
from graphfix.process.console import print_either


def add(parser: argparse.ArgumentParser) -> None:
    flags.add_source(parser)
    flags.add_json(parser, "it")


def run(args: argparse.Namespace) -> int:
    found = graphfix.inspect(args.source, pipeline_config_path=args.pipeline_config_path)
    print_either(found, args.json)
    return 0
