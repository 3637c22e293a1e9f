"""Flags that several verbs share, made from graphfix.options."""

import argparse
from typing import Any, Container, Optional

from graphfix.options import MAX_JOBS, OPTIONS, ConvertOptions, Kind, Option, Trainer, parsed

TRAINERS = [one.value for one in Trainer]


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
    if option.metavar:
        more["metavar"] = option.metavar
    if option.choices:
        more["choices"] = [one.value for one in option.choices]
    if option.kind is Kind.INTEGER:
        more["type"] = int
    if option.kind is Kind.TEXTS:
        more.update(action="append", default=[])
    parser.add_argument(f"--{option.name}", **more)


def options(args: argparse.Namespace) -> ConvertOptions:
    """The options that the flags give.

    Raises:
      RequestError: a value is out of range.
    """
    return parsed(vars(args))


def add_output_directory(parser: argparse.ArgumentParser, help: str = "the directory to write"):
    parser.add_argument("--output_directory", required=True, help=help)


def add_overwrite(
    parser: argparse.ArgumentParser, help: str = "replace an existing file or earlier output"
) -> None:
    parser.add_argument("--overwrite", action="store_true", help=help)


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--json", action="store_true", help=f"print {what} as JSON")


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
