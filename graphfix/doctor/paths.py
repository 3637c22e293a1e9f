"""Checks of the paths that the config names, as the trainer will take them."""

import glob
import os
import re
from typing import Iterator, List, Tuple

from graphfix.doctor.checks import Check, Evidence
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, INFO, WARNING
from graphfix.formats.textproto import STRING, Scalar, quote
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.paths import INPUT_PATH, INPUT_READERS, is_path_field, is_placeholder

_LABEL_MAP = "label_map_path"
_END = re.compile(r"(?:[-?*.\[\]0-9]|of)\Z")


def _all(setup: Setup):
    """(path of the field, its value's node) of every path in the config that is not empty."""
    if setup.document is None:
        return
    for path, field in setup.document.walk():
        if is_path_field(path[-1]):
            for value in field.values:
                if (
                    isinstance(value, Scalar)
                    and value.kind == STRING
                    and isinstance(value.value, str)
                    and value.value
                ):
                    yield path, field, value


def _edits(setup: Setup, path, field, literal: str) -> Tuple[ConfigEdit, ...]:
    """An edit of a path that is the only one of its name."""
    one = len(field.values) == 1 and len(setup.document.find(path)) == 1
    return (ConfigEdit(path, literal, "a path that exists"),) if one else ()


def _placeholder(setup: Setup) -> Iterator[Evidence]:
    for path, _, value in _all(setup):
        if is_placeholder(value.value):
            yield Evidence(value.where, (f"{'.'.join(path)} is still a placeholder: {value.raw}"))


def _tilde(setup: Setup) -> Iterator[Evidence]:
    for path, field, value in _all(setup):
        if value.value.startswith("~"):
            literal = quote(os.path.expanduser(value.value))
            yield Evidence(
                value.where,
                (
                    f"{'.'.join(path)} begins with ~, which a shell expands, and TensorFlow "
                    f"does not: {value.raw}"
                ),
                (f"write {path[-1]}: {literal}"),
                _edits(setup, path, field, literal),
            )


def _skipped(text: str) -> bool:
    """Whether a path is another check's, or not one of this machine."""
    return is_placeholder(text) or text.startswith("~") or "://" in text


def _beside(setup: Setup, text: str) -> bool:
    """Whether a relative path leads somewhere from the config's directory, which is another."""
    where = os.path.join(os.path.dirname(setup.path), text)
    elsewhere = os.path.realpath(os.path.dirname(setup.path)) != os.path.realpath(os.curdir)
    return (
        elsewhere
        and not os.path.isabs(text)
        and bool(os.path.exists(where) or os.path.exists(where + ".index") or setup.found(where))
    )


def _there(setup: Setup, text: str) -> bool:
    return bool(os.path.exists(text) or os.path.exists(text + ".index") or setup.found(text))


def _relative(setup: Setup) -> Iterator[Evidence]:
    directory = os.path.dirname(setup.path) or "."
    for path, _, value in _all(setup):
        if (
            not _skipped(value.value)
            and not _there(setup, value.value)
            and _beside(setup, value.value)
        ):
            yield Evidence(
                value.where,
                (
                    f"{'.'.join(path)} is relative to the current directory, where there is "
                    f"no {value.value}; there is one in {directory}"
                ),
                f"start the trainer in {directory}, or write the whole path",
            )


def _no_input(setup: Setup) -> Iterator[Evidence]:
    for name, message in setup.readers():
        if message.WhichOneof("input_reader") not in (None, "tf_record_input_reader"):
            continue
        if not [one for one in message.tf_record_input_reader.input_path if one]:
            yield Evidence(setup.where(name), f"{name} names no records")


def _records(setup: Setup) -> Iterator[Evidence]:
    for name in INPUT_READERS:
        for field in setup.document.find((name,) + INPUT_PATH) if setup.document else ():
            for value in field.values:
                text = value.value
                if (
                    not isinstance(text, str)
                    or not text
                    or _skipped(text)
                    or setup.files(text)
                    or text in setup.too_wide
                    or _beside(setup, text)
                ):
                    continue
                near = _shards(setup, text)
                yield Evidence(
                    value.where,
                    f"no file matches {value.raw}",
                    f"write input_path: {quote(near)}" if near else "",
                    _edits(setup, (name,) + INPUT_PATH, field, quote(near)) if near else (),
                )


def _too_wide(setup: Setup) -> Iterator[Evidence]:
    for path, _, value in _all(setup):
        if (
            not _skipped(value.value)
            and not _there(setup, value.value)
            and value.value in setup.too_wide
        ):
            (problem,) = setup.too_wide[value.value].problems
            yield Evidence(value.where, f"{'.'.join(path)} {problem.message}")


def _shards(setup: Setup, text: str) -> str:
    """A pattern for what is there under a similar name, "" where nothing is."""
    stem = text
    while stem != _END.sub("", stem):
        stem = _END.sub("", stem)
    if not stem or stem.endswith("/"):
        return ""
    found = setup.found(glob.escape(stem) + "*")
    shards = [path for path in found if re.search(r"-\d{5}-of-(\d{5})$", path)]
    if shards:
        base, total = re.match(r"(.*)-\d{5}-of-(\d{5})$", shards[0]).groups()
        if len(shards) == int(total):
            return f"{base}-?????-of-{total}"
    return found[0] if len(found) == 1 and os.path.isfile(found[0]) else ""


def _label_maps(setup: Setup) -> Iterator[Evidence]:
    for path, field, value in _all(setup):
        text = value.value
        if path[-1] != _LABEL_MAP or _skipped(text) or os.path.exists(text) or _beside(setup, text):
            continue
        near = setup.found(os.path.join(glob.escape(os.path.dirname(text) or "."), "*.pbtxt"))
        one = os.path.normpath(near[0]) if len(near) == 1 else ""
        yield Evidence(
            value.where,
            f"{'.'.join(path)} leads to no file: {value.raw}",
            f"write label_map_path: {quote(one)}, which is there" if one else "",
            _edits(setup, path, field, quote(one)) if one else (),
        )


def _unreadable(setup: Setup) -> Iterator[Evidence]:
    for path, _, value in _all(setup):
        files = setup.files(value.value) or setup.files(value.value + ".index")
        bad = [one for one in files if not os.access(one, os.R_OK)]
        if bad:
            yield Evidence(
                value.where,
                f"{bad[0]} can't be read: you have no permission",
                f"chmod a+r {bad[0]}",
            )


def _mounts(setup: Setup) -> Iterator[Evidence]:
    tops: List[str] = sorted(
        {
            os.path.dirname(os.path.abspath(value.value))
            for path, _, value in _all(setup)
            if not _skipped(value.value) and _there(setup, value.value)
        }
    )
    relative = [
        value
        for path, _, value in _all(setup)
        if not _skipped(value.value)
        and not os.path.isabs(value.value)
        and _there(setup, value.value)
    ]
    if relative:
        yield Evidence(
            relative[0].where,
            (
                f"{len(relative)} paths are relative, such as {relative[0].raw}: they hold in the "
                f"current directory, {os.getcwd()}"
            ),
        )
    elif len(tops) > 1:
        yield Evidence(
            setup.path,
            (
                f"names files in {len(tops)} directories, all of which a container would "
                f"have to see: {', '.join(tops)}"
            ),
        )


CHECKS = (
    Check(
        "PLACEHOLDER",
        ERROR,
        "A path of the sample config was never filled in.",
        "write the path of your file",
        _placeholder,
    ),
    Check(
        "PATH_TILDE",
        ERROR,
        "TensorFlow takes ~ for the name of a directory.",
        "write the home directory's whole path",
        _tilde,
    ),
    Check(
        "PATH_OF_CONFIG",
        ERROR,
        "Relative paths start at the directory the trainer runs in, not at the config's.",
        "start the trainer there, or write whole paths",
        _relative,
    ),
    Check(
        "RECORDS_UNNAMED",
        ERROR,
        'A reader names no records ("At least one input path must be specified").',
        'write tf_record_input_reader { input_path: "..." }',
        _no_input,
    ),
    Check(
        "RECORDS_MISSING",
        ERROR,
        "An input path matches no file: model_main says so, the legacy trainer waits for ever.",
        "correct the path; * and ? stand for any characters",
        _records,
    ),
    Check(
        "LABEL_MAP_LOST", ERROR, "label_map_path leads to no file.", "correct the path", _label_maps
    ),
    Check(
        "PATH_TOO_WIDE",
        WARNING,
        "A path's wildcards stand for so many directories that nobody looked through them all: "
        "what it names was not judged, and the trainer has to look through them, too.",
        "name the directories instead of writing * for them",
        _too_wide,
    ),
    Check(
        "PATH_UNREADABLE",
        ERROR,
        "A file is there, and may not be read.",
        "change its permissions",
        _unreadable,
    ),
)

# For those who train elsewhere; said last.
ELSEWHERE = (
    Check(
        "PATH_RELATIVE",
        INFO,
        "Paths hold on this machine, from this directory.",
        "start the trainer where they hold, and mount what they name into a container",
        _mounts,
    ),
)
