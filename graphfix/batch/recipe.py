"""A recipe: which models `batch` converts, and into what; recipe_schema has its schema.

`read_recipe` gives entries, one for each model, with patterns expanded and defaults filled in.
"""

import dataclasses
import glob
import os
import re
from typing import Any, Dict, Iterator, List, Optional, Tuple

from graphfix.batch.recipe_schema import recipe_class
from graphfix.errors import Problem, RequestError, SourceError
from graphfix.formats import wildcards
from graphfix.formats.archive import SUFFIXES
from graphfix.formats.textproto import Document, bind
from graphfix.fronts import Front, spelled
from graphfix.options import OPTIONS, ConvertOptions, Kind

SCHEMES = ("http", "https", "file")
_URL = re.compile(rf"({'|'.join(SCHEMES)})://\S+\Z")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
_LARGEST = 8 << 30
# The options that name the new classes: a model's own take the place of the defaults'.
_NEW_CLASSES = ("label_map_path", "classes")


@dataclasses.dataclass(frozen=True)
class Download:
    """A published archive: where it is, its size in bytes, its SHA-256 in lower case."""

    url: str
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """A model: `name` is its directory's, `source` a path (None: `download`), `target` the flags of
    convert that are given, paths made absolute."""

    name: str
    source: Optional[str]
    download: Optional[Download]
    target: Dict[str, Any]


def read_recipe(data: bytes, path: str) -> Tuple[Entry, ...]:
    """The entries of the recipe `path` that has these bytes, in its order.

    Raises:
      SourceError: it is no recipe, which lists every fault; or a pattern stands for too much.
    """
    document = Document.parse(data, subject=path)
    recipe, problems = bind(document, recipe_class())
    faults = [one.problem for one in problems]
    entries: List[Entry] = []
    base = os.path.dirname(os.path.abspath(path))
    budget = wildcards.Budget()
    for number, model in enumerate(recipe.model, 1):
        where = f"{path}: model {number}"
        wrong = list(_faults(model, where))
        wrong += _option_faults(_target(model.target, recipe.defaults, base), where)
        faults += wrong
        if not wrong:
            entries += _entries(model, recipe.defaults, base, budget)
    if not recipe.model and not faults:
        faults.append(Problem(path, "has no models", 'write model { source: "..." }'))
    faults += _name_faults(entries, path)
    if faults:
        raise SourceError.collected(faults)
    return tuple(entries)


def _faults(model, where: str) -> Iterator[Problem]:
    if model.HasField("source") == model.HasField("download"):
        yield Problem(
            where,
            "has %s"
            % ("both source and download" if model.source else "neither source nor download"),
            "give one of them",
        )
    if model.HasField("source") and not model.source:
        yield Problem(where, "has an empty source", "name a model")
    if model.HasField("download"):
        one = model.download
        if not _URL.match(one.url) or not one.url.endswith(SUFFIXES):
            yield Problem(
                where,
                f"has the url '{one.url}'",
                (f"give the http, https or file address of a {', '.join(SUFFIXES)}"),
            )
        if not 0 < one.size <= _LARGEST:
            yield Problem(where, f"has the size {one.size}", "give the archive's size in bytes")
        if not _SHA256.match(one.sha256):
            yield Problem(
                where,
                f"has the sha256 '{one.sha256}'",
                "give the archive's SHA-256, 64 hexadecimal digits",
            )
    if model.HasField("name") and _pattern(model.source):
        yield Problem(
            where, f"has one name for all that fits '{model.source}'", "leave the name out"
        )


def _pattern(source: str) -> bool:
    return glob.has_magic(source)


def _entries(model, defaults, base: str, budget: wildcards.Budget) -> Iterator[Entry]:
    target = _target(model.target, defaults, base)
    if model.HasField("download"):
        one = model.download
        yield _entry(
            model.name or _bare(one.url),
            None,
            Download(one.url, one.size, one.sha256.lower()),
            target,
        )
        return
    source = os.path.join(base, model.source)
    # A path that is there is itself, whatever letters it has.
    if not _pattern(model.source) or os.path.lexists(source):
        yield _entry(model.name or _bare(source), source, None, target)
        return
    found = wildcards.find(os.path.join(glob.escape(base), model.source), budget)
    for path in found or [source]:
        yield _entry(_bare(path), path, None, target)


def _entry(
    name: str, source: Optional[str], download: Optional[Download], target: Dict[str, Any]
) -> Entry:
    place = target.get("fine_tune_checkpoint")
    if place:
        target = dict(target, fine_tune_checkpoint=place.replace("{name}", name))
    return Entry(name, source, download, target)


def _bare(path: str) -> str:
    name = os.path.basename(path.rstrip("/"))
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return name


def _target(own, defaults, base: str) -> Dict[str, Any]:
    """The options that a model's target and the defaults give, by name."""
    out: Dict[str, Any] = {}
    for message in (defaults, own):
        if any(len(getattr(message, name)) for name in _NEW_CLASSES):
            # One of them stands for the other, too.
            out = {name: value for name, value in out.items() if name not in _NEW_CLASSES}
        for field, value in message.ListFields():
            option = OPTIONS[field.name]
            if option.kind is Kind.CHOICE:
                value = field.enum_type.values_by_number[value].name
            elif option.kind is Kind.TEXTS:
                value = list(value)
            elif option.read and option.is_read(os.path.join(base, value)):
                value = os.path.join(base, value)
            out[field.name] = value
    return out


def _option_faults(target: Dict[str, Any], where: str) -> Iterator[Problem]:
    try:
        ConvertOptions(**target)
    except RequestError as error:
        for one in error.problems:
            message = f"{spelled(one.subject, Front.RECIPE)} {one.message}"
            yield Problem(where, message, spelled(one.remedy, Front.RECIPE))


def _name_faults(entries: List[Entry], path: str) -> Iterator[Problem]:
    seen: set = set()
    for one in entries:
        if not one.name or one.name.startswith(".") or "/" in one.name or "\0" in one.name:
            yield Problem(
                path,
                f"gives a model the name '{one.name}'",
                "give it a name that a directory can have and that does not start with .",
            )
        elif one.name in seen:
            yield Problem(
                path, f"gives two models the name '{one.name}'", "give one of them another name"
            )
        seen.add(one.name)
