"""graphfix doctor"""

import argparse

import graphfix
from graphfix.cli import flags
from graphfix.options import OPTIONS
from graphfix.process.console import print_either, say, ticking

EXAMPLES = (
    "graphfix doctor converted/pipeline.config --model_dir training",
    "graphfix doctor --explain train.log",
    "graphfix doctor --environment --stock_python /opt/tf1/bin/python",
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", metavar="PIPELINE_CONFIG", nargs="?", help="a pipeline.config or its directory"
    )
    parser.add_argument(
        "--model_dir",
        metavar="DIR",
        help="the directory the trainer will write to, and resume from",
    )
    flags.add_option(parser, OPTIONS["target_api"])
    flags.add_option(parser, OPTIONS["trainer"])
    parser.add_argument(
        "--fix",
        metavar="OUT.config",
        help="write a copy of the config with everything fixed that editing can fix",
    )
    flags.add_overwrite(parser, "with --fix: replace an existing file")
    parser.add_argument(
        "--sample", type=flags.count, metavar="N", help="check only N records of each data set"
    )
    flags.add_jobs(parser, "processes that read records at once (default: one for each processor)")
    flags.add_json(parser, "the findings")
    parser.add_argument(
        "--environment",
        action="store_true",
        help="check the Python that will train and its machine instead; needs no config",
    )
    parser.add_argument(
        "--stock_python",
        metavar="PY",
        help="with --environment: the Python that has the stock API (default: this one)",
    )
    parser.add_argument(
        "--explain",
        metavar="TEXT",
        help="explain an error message, a whole log (FILE.log), or what stdin has (-); with a "
        "PIPELINE_CONFIG, look for its cause there",
    )


def run(args: argparse.Namespace) -> int:
    if args.environment:
        return _environment(args)
    if args.stock_python:
        args.parser.error("--stock_python needs --environment")
    if args.explain is not None:
        return _explain(args)
    if args.overwrite and not args.fix:
        args.parser.error("--overwrite needs --fix")
    if not args.config:
        given = f": --fix {args.fix} names the file to write" if args.fix else ""
        args.parser.error(f"name a PIPELINE_CONFIG, or a message with --explain{given}")
    with ticking("reading") as progress:
        found = graphfix.diagnose(
            args.config,
            target_api=args.target_api,
            trainer=args.trainer,
            model_dir=args.model_dir,
            sample=args.sample,
            fix=args.fix,
            overwrite=args.overwrite,
            jobs=args.jobs,
            progress=progress,
        )
    say(found.remarks)
    print_either(found, args.json)
    return 0 if found.trains else 1


def _explain(args: argparse.Namespace) -> int:
    if args.fix or args.overwrite or args.sample is not None:
        args.parser.error("--explain looks at nothing but the message and the config")
    if args.model_dir and not args.config:
        args.parser.error("--model_dir needs a PIPELINE_CONFIG")
    from graphfix.doctor.messages.given_text import text_of

    found = graphfix.explain(
        text_of(args.explain),
        config=args.config,
        target_api=args.target_api,
        trainer=args.trainer,
        model_dir=args.model_dir,
    )
    print_either(found, args.json)
    return 0 if found.known else 1


def _environment(args: argparse.Namespace) -> int:
    others = (args.config, args.model_dir, args.fix, args.explain)
    if any(others) or args.sample is not None:
        args.parser.error("--environment needs no config, and no other flag than --stock_python")
    with ticking("looking at the environment"):
        found = graphfix.check_environment(args.stock_python)
    print_either(found, args.json)
    return 0 if found.trains else 1
