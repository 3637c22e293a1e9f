"""graphfix records show"""

import argparse

import graphfix
from graphfix.cli import flags
from graphfix.process.console import print_either, ticking

PICTURES = 48


def add(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="action", metavar="show")
    verbs.required = True
    text = "draw contact sheets of records: pictures with boxes, classes and masks, those with "
    text += "findings first"
    one = flags.add_verb(
        verbs,
        "show",
        text,
        "graphfix records show train.record --label_map_path classes.pbtxt -o sheets",
        "graphfix records show 'train.record-?????-of-00010' --pictures 12 -o sheets",
    )
    one.add_argument(
        "records", metavar="RECORDS", nargs="+", help="TFRecords: paths, or patterns of them"
    )
    one.add_argument("--label_map_path", metavar="FILE", help="the label map, for names of classes")
    flags.add_output_directory(one, "the directory to write; open its index.html")
    one.add_argument(
        "--pictures",
        type=flags.count,
        default=PICTURES,
        metavar="N",
        help=f"how many pictures to draw at most (default: {PICTURES})",
    )
    flags.add_overwrite(one)
    flags.add_json(one, "what was drawn")


def run(args: argparse.Namespace) -> int:
    with ticking("reading") as progress:
        found = graphfix.show_records(
            args.records,
            args.output_directory,
            label_map_path=args.label_map_path,
            pictures=args.pictures,
            overwrite=args.overwrite,
            progress=progress,
        )
    print_either(found, args.json)
    return 0
