"""graphfix batch"""

import argparse
import dataclasses
import json
import os
from typing import TYPE_CHECKING, Sequence

import graphfix
from graphfix.cli import flags
from graphfix.modeldir.names import REPORT_HTML
from graphfix.options import MAX_JOBS
from graphfix.process.console import print_json, print_next, print_result, quoted

if TYPE_CHECKING:
    from graphfix.batch.batch import Outcome

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
    failed = any(one.verdict == batch.FAILED for one in outcomes)
    if args.json:
        rows = [dataclasses.asdict(one) for one in outcomes]
        print_json(json.dumps(rows, indent=2, sort_keys=True))
    else:
        print_result(batch.format_outcomes(outcomes))
        print_next(*_what_next(args, outcomes, failed))
    return 1 if failed else 0


def _what_next(
    args: argparse.Namespace, outcomes: Sequence["Outcome"], failed: bool
) -> Sequence[str]:
    if not failed:
        page = os.path.join(args.output_directory, outcomes[0].name, REPORT_HTML)
        return (f"next, train: each model's {REPORT_HTML} has the commands, such as {page}",)
    command = f"graphfix batch {quoted(args.recipe)} -o {quoted(args.output_directory)}"
    return "next, mend what failed, and go on with it; what is converted is kept:", command
