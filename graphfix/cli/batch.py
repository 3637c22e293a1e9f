"""graphfix batch"""

import argparse
import dataclasses
import json

import graphfix
from graphfix.cli import flags
from graphfix.options import MAX_JOBS
from graphfix.process.console import print_json, print_result

EXAMPLES = (
    "graphfix batch models.recipe -o converted --jobs 2",
    "graphfix batch models.recipe -o converted --json",
    "",
    "a recipe:",
    "  defaults { label_map_path: 'classes.pbtxt' target_api: '2019-07' }",
    "  model { source: 'zoo/*.tar.gz' }",
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recipe",
        metavar="RECIPE",
        help="the models and their settings: a text file, which docs/batch.md describes",
    )
    flags.add_output_directory(parser, "the directory to write; each model gets a subdirectory")
    flags.add_jobs(parser, f"models to convert at once, up to {MAX_JOBS}", default=1)
    flags.add_json(parser, "the outcomes")


def run(args: argparse.Namespace) -> int:
    from graphfix.batch import batch

    with batch.progress() as progress:
        outcomes = graphfix.convert_batch(
            args.recipe, args.output_directory, jobs=args.jobs, progress=progress
        )
    if args.json:
        rows = [dataclasses.asdict(one) for one in outcomes]
        print_json(json.dumps(rows, indent=2, sort_keys=True))
    else:
        print_result(batch.format_outcomes(outcomes))
    return 1 if any(one.verdict == batch.FAILED for one in outcomes) else 0
