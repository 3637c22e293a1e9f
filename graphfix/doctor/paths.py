"""Checks of the paths in the config, as the trainer will read them."""

import glob
import os
import re
from typing import Iterator, List, Tuple

from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, INFO, WARNING, count
from graphfix.formats.textproto import STRING, Scalar, quote
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.paths import INPUT_PATH, INPUT_READERS, is_path_field, is_placeholder

_LABEL_MAP = "label_map_path"
_END = re.compile(r"(?:[-?*.\[\]0-9]|of)\Z")


def _all(setup: Setup):
    """(path of the field, the field, the value's node) of every path in the config."""
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
    """An edit of a path, if its field is the only one of its name."""
    one = len(field.values) == 1 and len(setup.document.find(path)) == 1
    return (ConfigEdit(path, literal, "a path that exists"),) if one else ()


def _placeholder(setup: Setup) -> Iterator[Symptom]:
    for path, _, value in _all(setup):
        if is_placeholder(value.value):
            yield Symptom(value.where, (f"{'.'.join(path)} is still a placeholder: {value.raw}"))


def _tilde(setup: Setup) -> Iterator[Symptom]:
    for path, field, value in _all(setup):
        if value.value.startswith("~"):
            literal = quote(os.path.expanduser(value.value))
            yield Symptom(
                value.where,
                f"{'.'.join(path)} begins with ~, which a shell expands, but TensorFlow does "
                f"not: {value.raw}",
                (f"write {path[-1]}: {literal}"),
                _edits(setup, path, field, literal),
            )


def _skipped(text: str) -> bool:
    """Whether another check reports a path, or it is not one of this machine."""
    return is_placeholder(text) or text.startswith("~") or "://" in text


def _beside(setup: Setup, text: str) -> bool:
    """Whether a relative path exists from the config's directory, which is not the current one."""
    where = os.path.join(os.path.dirname(setup.path), text)
    elsewhere = os.path.realpath(os.path.dirname(setup.path)) != os.path.realpath(os.curdir)
    return (
        elsewhere
        and not os.path.isabs(text)
        and bool(os.path.exists(where) or os.path.exists(where + ".index") or setup.found(where))
    )


def _there(setup: Setup, text: str) -> bool:
    return bool(os.path.exists(text) or os.path.exists(text + ".index") or setup.found(text))


def _relative(setup: Setup) -> Iterator[Symptom]:
    directory = os.path.dirname(setup.path) or "."
    for path, _, value in _all(setup):
        if (
            not _skipped(value.value)
            and not _there(setup, value.value)
            and _beside(setup, value.value)
        ):
            yield Symptom(
                value.where,
                f"{'.'.join(path)} is relative to the current directory, which has no "
                f"{value.value}; {directory} has one",
                f"start the trainer in {directory}, or write the full path",
            )


def _no_input(setup: Setup) -> Iterator[Symptom]:
    for name, message in setup.readers():
        if message.WhichOneof("input_reader") not in (None, "tf_record_input_reader"):
            continue
        if not [one for one in message.tf_record_input_reader.input_path if one]:
            yield Symptom(setup.where(name), f"{name} names no records")


def _records(setup: Setup) -> Iterator[Symptom]:
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
                yield Symptom(
                    value.where,
                    f"no file matches {value.raw}",
                    f"write input_path: {quote(near)}" if near else "",
                    _edits(setup, (name,) + INPUT_PATH, field, quote(near)) if near else (),
                )


def _too_wide(setup: Setup) -> Iterator[Symptom]:
    for path, _, value in _all(setup):
        if (
            not _skipped(value.value)
            and not _there(setup, value.value)
            and value.value in setup.too_wide
        ):
            (problem,) = setup.too_wide[value.value].problems
            yield Symptom(value.where, f"{'.'.join(path)} {problem.message}")


def _shards(setup: Setup, text: str) -> str:
    """A path or pattern of files with a similar name, "" where there are none."""
    stem = text
    while stem != _END.sub("", stem):
        stem = _END.sub("", stem)
    if not stem or stem.endswith("/"):
        return ""
    found = setup.found(glob.escape(stem) + "*")
    shards = [path for path in found if re.search(r"-\d{5}-of-(\d{5})$", path)]
    if shards:
        base, _, total = shards[0].rpartition("-of-")
        base = base[: -len("-00000")]
        if len(shards) == int(total):
            return f"{base}-?????-of-{total}"
    return found[0] if len(found) == 1 and os.path.isfile(found[0]) else ""


def _label_maps(setup: Setup) -> Iterator[Symptom]:
    for path, field, value in _all(setup):
        text = value.value
        if path[-1] != _LABEL_MAP or _skipped(text) or os.path.exists(text) or _beside(setup, text):
            continue
        near = setup.found(os.path.join(glob.escape(os.path.dirname(text) or "."), "*.pbtxt"))
        one = os.path.normpath(near[0]) if len(near) == 1 else ""
        yield Symptom(
            value.where,
            f"{'.'.join(path)} names no file: {value.raw}",
            f"write label_map_path: {quote(one)}, which exists" if one else "",
            _edits(setup, path, field, quote(one)) if one else (),
        )


def _unreadable(setup: Setup) -> Iterator[Symptom]:
    for _, _, value in _all(setup):
        files = setup.files(value.value) or setup.files(value.value + ".index")
        bad = [one for one in files if not os.access(one, os.R_OK)]
        if bad:
            yield Symptom(
                value.where,
                f"{bad[0]} can't be read: you have no permission",
                f"chmod a+r {bad[0]}",
            )


def _mounts(setup: Setup) -> Iterator[Symptom]:
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
        yield Symptom(
            relative[0].where,
            f"{count(len(relative), 'path is', 'paths are')} relative, such as "
            f"{relative[0].raw}: valid in the current directory, {os.getcwd()}",
        )
    elif len(tops) > 1:
        yield Symptom(
            setup.path,
            f"names files in {len(tops)} directories, all of which a container would need: "
            f"{', '.join(tops)}",
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
        "TensorFlow does not expand ~: to it, that is a directory's name.",
        "write the home directory's full path",
        _tilde,
    ),
    Check(
        "PATH_OF_CONFIG",
        ERROR,
        "Relative paths start in the directory that the trainer runs in, not in the config's.",
        "start the trainer there, or write full paths",
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
        'An input path matches no file: both trainers of 2019-07 and later stop ("Did not find any '
        'input files"); before, model_main stops, and the legacy trainer waits for ever.',
        "correct the path; * and ? stand for any characters",
        _records,
    ),
    Check(
        "LABEL_MAP_LOST",
        ERROR,
        "There is no file at label_map_path.",
        "correct the path",
        _label_maps,
    ),
    Check(
        "PATH_TOO_WIDE",
        WARNING,
        "A path's wildcards match so many directories that graphfix stopped searching them: "
        "what it names was not checked. The trainer will have to search them, too.",
        "name the directories instead of writing * for them",
        _too_wide,
    ),
    Check(
        "PATH_UNREADABLE",
        ERROR,
        "A file exists, but its permissions do not allow reading it.",
        "change its permissions",
        _unreadable,
    ),
)

# For those who train on another machine; listed last.
ELSEWHERE = (
    Check(
        "PATH_RELATIVE",
        INFO,
        "The paths are valid on this machine, from this directory.",
        "start the trainer where they are valid; mount what they name into a container",
        _mounts,
    ),
)
