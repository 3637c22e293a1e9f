"""graphfix anchors fit|show|apply"""

import argparse
import json
from typing import Any, Callable

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

_DOING = {"fit": "fitting anchors", "show": "plotting anchors", "apply": "writing the config"}


def add(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="action", metavar="fit|show|apply")
    verbs.required = True
    one = _verb(
        verbs,
        "fit",
        _fit,
        "find the anchor generator settings that best cover the boxes of a data set",
        "graphfix anchors fit ssd/pipeline.config --train_record train.record --output new.anchors",
        "graphfix anchors fit ssd --train_record boxes.csv --num_anchors 6 --output new.anchors",
    )
    _boxes(one, required=True)
    one.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="the anchors file to write, for convert --anchors",
    )
    one.add_argument(
        "--num_anchors",
        type=int,
        metavar="N",
        help="anchors per location (default: as in the config)",
    )
    one.add_argument("--seed", type=int, default=0, help="random seed for the search and the split")
    one = _verb(
        verbs,
        "show",
        _show,
        "plot a config's anchors, and the boxes of a data set",
        "graphfix anchors show ssd/pipeline.config -o plots",
        "graphfix anchors show ssd --anchors new.anchors --train_record train.record -o plots",
    )
    _boxes(one, required=False)
    one.add_argument(
        "--anchors", metavar="FILE", help="an anchors file to compare with the config's anchors"
    )
    flags.add_output_directory(one)
    one = _verb(
        verbs,
        "apply",
        _apply,
        "put an anchors file into a config and change nothing else",
        "graphfix anchors apply ssd/pipeline.config new.anchors --output new.config",
        "graphfix anchors apply ssd new.anchors -o new.config --overwrite",
    )
    one.add_argument("anchors", metavar="ANCHORS", help="the anchors file")
    one.add_argument("-o", "--output", required=True, metavar="FILE", help="the config to write")


def _verb(
    verbs: Any, name: str, work: Callable[[argparse.Namespace], Any], text: str, *examples: str
) -> argparse.ArgumentParser:
    one = flags.add_verb(verbs, name, text, *examples)
    one.set_defaults(work=work)
    one.add_argument("config", metavar="CONFIG", help="a pipeline.config or its directory")
    flags.add_overwrite(one)
    flags.add_json(one, "the figures")
    return one


def _boxes(one: argparse.ArgumentParser, required: bool) -> None:
    one.add_argument(
        "--train_record",
        action="append",
        default=[],
        required=required,
        metavar="FILE",
        help="annotated boxes: TFRecords (a path or pattern), COCO JSON, a CSV table, a directory "
        "of Pascal VOC XML; may be repeated",
    )
    one.add_argument(
        "--label_map_path", metavar="FILE", help="class names, if the records have only ids"
    )
    flags.add_jobs(one, "processes that read records at once (default: one for each processor)")


def run(args: argparse.Namespace) -> int:
    with ticking(_DOING[args.action]):
        found = args.work(args)
    say_findings(found.findings)
    if args.json:
        print_json(json.dumps(found.data, indent=2, sort_keys=True))
    else:
        print_result(found.lines)
        if args.action == "fit":
            print_next(
                "next, carry a model over to them:",
                f"graphfix convert SOURCE --anchors {quoted(args.output)} -o converted",
            )
    return 0


def _fit(args: argparse.Namespace) -> "graphfix.AnchorFit":
    return graphfix.fit_anchors(
        args.config,
        args.train_record,
        args.output,
        overwrite=args.overwrite,
        seed=args.seed,
        num_anchors=args.num_anchors,
        label_map_path=args.label_map_path,
        jobs=args.jobs,
    )


def _show(args: argparse.Namespace) -> "graphfix.AnchorFit":
    return graphfix.show_anchors(
        args.config,
        args.output_directory,
        records=args.train_record,
        overwrite=args.overwrite,
        anchors=args.anchors,
        label_map_path=args.label_map_path,
        jobs=args.jobs,
    )


def _apply(args: argparse.Namespace) -> "graphfix.AnchorFit":
    return graphfix.apply_anchors(args.config, args.anchors, args.output, overwrite=args.overwrite)
