"""graphfix verify"""

import argparse
import os

import graphfix
from graphfix.cli import flags
from graphfix.errors import VerificationError
from graphfix.modeldir.names import REPORT_HTML
from graphfix.process.console import print_either, print_next, print_result, quoted, say, ticking

# What asks the stock API, and makes no sense without --stock.
_STOCK = (
    "stock_python",
    "trainer",
    "steps",
    "train_record",
    "model_dir",
    "images",
    "source",
    "pipeline_config_path",
    "tf1_python",
    "allow_effects",
    "json",
)

EXAMPLES = (
    "graphfix verify converted",
    "graphfix verify converted --stock --steps 5 --images street.jpg yard.jpg",
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", metavar="OUT", help="a directory that convert, export or thaw wrote"
    )
    parser.add_argument(
        "--stock",
        action="store_true",
        help="also start the stock API's trainers from it, which takes minutes, and add the "
        "outcome to its report",
    )
    stock = parser.add_argument_group("with --stock")
    stock.add_argument(
        "--stock_python",
        metavar="PYTHON",
        help="the Python that has TensorFlow 1.15 and the API (default: this one)",
    )
    stock.add_argument(
        "--trainer",
        choices=flags.TRAINERS,
        help="the trainer to run (default: those the plan is for)",
    )
    stock.add_argument("--steps", type=flags.count, metavar="N", help="run N training steps")
    stock.add_argument(
        "--train_record", metavar="FILE", help="the records to train on (default: synthetic ones)"
    )
    stock.add_argument(
        "--model_dir", metavar="DIR", help="resume from what convert --model_dir wrote"
    )
    stock.add_argument(
        "--images",
        nargs="+",
        metavar="JPEG",
        help="images on which to compare SOURCE and OUT, and their detections (default: noise, and "
        "no detections)",
    )
    stock.add_argument(
        "--source",
        metavar="SOURCE",
        help="the model OUT was converted from (default: what its report names)",
    )
    stock.add_argument(
        "--pipeline_config_path", metavar="FILE", help="its config, if not next to the checkpoint"
    )
    stock.add_argument(
        "--tf1_python",
        metavar="PYTHON",
        help="of what export wrote: the Python that has TensorFlow 1 and the API, to compare "
        "values (--stock_python is the target's)",
    )
    stock.add_argument(
        "--allow_effects",
        action="store_true",
        help="run the frozen graphs of SOURCE and OUT even if they would access files, the network "
        "or programs",
    )
    flags.add_json(parser, "the stock API's answers (with --stock)")


def run(args: argparse.Namespace) -> int:
    if args.stock:
        return _with_stock(args)
    for name in _STOCK:
        if getattr(args, name):
            args.parser.error(f"--{name} needs --stock")
    with ticking("reading it back"):
        found = graphfix.verify(args.directory)
    say(found.remarks)
    print_result([found.summary])
    if found.target is not None:
        from graphfix.exporting.trial import not_run  # which others do without

        print_next(*not_run(args.directory, found.target))
    if found.classes is not None:
        print_next(
            "next, start the stock trainers from it:",
            f"graphfix verify {quoted(args.directory)} --stock",
        )
    return 0


def _with_stock(args: argparse.Namespace) -> int:
    with ticking("reading it back"):
        found = graphfix.verify(args.directory)
    say(found.remarks + (found.summary,))
    asked = "the stock API" if found.classes is not None else "the target's runtime"
    with ticking(f"asking {asked}") as progress:
        tried = graphfix.try_with_stock_api(
            args.directory,
            stock_python=args.stock_python,
            trainer=args.trainer or "any",
            steps=args.steps or 0,
            train_record=args.train_record,
            model_dir=args.model_dir,
            images=args.images or (),
            source=args.source,
            pipeline_config_path=args.pipeline_config_path,
            tf1_python=args.tf1_python,
            allow_effects=args.allow_effects,
            progress=progress,
        )
    say(tried.remarks)
    print_either(tried, args.json)
    if tried.complete and found.classes is not None and not args.json:
        page = os.path.join(args.directory, REPORT_HTML)
        print_next(f"next, train: {page} has the commands, and what this found")
    for one in tried.verifications:
        if not one.complete:
            say(
                [
                    f"graphfix: {args.directory}: {one.trainer} did not start from all of it, or "
                    "not well"
                ]
                + ["  " + name for name in one.unrestored]
            )
    wanted = found.target is not None or args.source
    if wanted and not tried.outputs:
        say([f"graphfix: {args.directory}: what it computes could not be compared"])
    return 0 if tried.complete and (tried.outputs or not wanted) else VerificationError.exit_code
