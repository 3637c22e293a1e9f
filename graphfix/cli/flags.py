"""Flags that several verbs share, made from graphfix.options."""

import argparse
from typing import Any, Container, Optional, Sequence

from graphfix.options import MAX_JOBS, OPTIONS, ConvertOptions, Kind, Option, Trainer, parsed

TRAINERS = [one.value for one in Trainer]


OUTPUT = "output"


def group(parser: argparse.ArgumentParser, title: str) -> Any:
    """The group of flags of that title, which the help lists together."""
    for one in parser._action_groups:
        if one.title == title:
            return one
    return parser.add_argument_group(title)


def add_source(parser: argparse.ArgumentParser) -> None:
    """SOURCE, and where its config is."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a model directory or any file in it, its .tar.gz or .zip, a checkpoint prefix, a "
        "frozen_inference_graph.pb or a SavedModel directory",
    )
    add_option(parser, OPTIONS["pipeline_config_path"])


def add_options(parser: argparse.ArgumentParser, but: Container[str] = ()) -> None:
    """A flag for each of ConvertOptions."""
    for option in OPTIONS.values():
        if option.name not in but:
            add_option(parser, option)


def add_option(parser: argparse.ArgumentParser, option: Option, help: Optional[str] = None) -> None:
    """The flag of an option; `help` takes the place of its own."""
    more: Any = {"help": help or option.help, "default": option.default}
    if option.kind is Kind.SWITCH:
        more["action"] = "store_true"
    if option.metavar or option.kind is Kind.PATH:
        more["metavar"] = option.metavar or "FILE"
    if option.choices:
        more["choices"] = [one.value for one in option.choices]
    if option.kind is Kind.INTEGER:
        more["type"] = int
    if option.kind is Kind.TEXTS:
        more.update(action="append", default=[])
    group(parser, option.group).add_argument(f"--{option.name}", **more)


def options(args: argparse.Namespace) -> ConvertOptions:
    """The options that the flags give.

    Raises:
      RequestError: a value is out of range.
    """
    return parsed(vars(args))


def add_output_directory(parser: argparse.ArgumentParser, help: str = "the directory to write"):
    group(parser, OUTPUT).add_argument(
        "-o", "--output_directory", metavar="DIR", required=True, help=help
    )


def add_overwrite(
    parser: argparse.ArgumentParser, help: str = "replace an existing file or earlier output"
) -> None:
    group(parser, OUTPUT).add_argument("--overwrite", action="store_true", help=help)


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    group(parser, OUTPUT).add_argument("--json", action="store_true", help=f"print {what} as JSON")


def examples(lines: Sequence[str]) -> str:
    """The end of a help: how the verb is called."""
    return "\n  ".join(["examples:", *lines])


def add_verb(verbs: Any, name: str, text: str, *lines: str) -> argparse.ArgumentParser:
    """The parser of a verb of a verb, with examples."""
    one: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=text,
        description=text,
        epilog=examples(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.set_defaults(parser=one)
    return one


def add_talk(parser: argparse.ArgumentParser) -> None:
    """How much every verb says, and how."""
    talk = group(parser, OUTPUT)
    talk.add_argument("-v", "--verbose", action="store_true", help="also say what is good to know")
    talk.add_argument(
        "-q", "--quiet", action="store_true", help="say errors only; the result is printed as ever"
    )
    talk.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colour severities (default: on a terminal, unless NO_COLOR is set)",
    )


def add_jobs(parser: argparse.ArgumentParser, help: str, default: Optional[int] = None) -> None:
    parser.add_argument("--jobs", type=jobs, default=default, metavar="N", help=help)


def jobs(text: str) -> int:
    """How many at once; for argparse, as `count`."""
    number = int(text)
    if not 1 <= number <= MAX_JOBS:
        raise ValueError(text)
    return number


def count(text: str) -> int:
    """A number from 0 on; for argparse, which names the type in its message."""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number
