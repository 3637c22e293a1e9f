"""A SurgeryPlan as JSON, both ways; the same plan gives the same text."""

import dataclasses
import json
import math
import typing
from typing import Any, Dict, Tuple, Union

from graphfix.config.edits import ConfigEdit
from graphfix.errors import SourceError
from graphfix.findings import Finding
from graphfix.source import read_file
from graphfix.surgery.edits import (
    Constant, Copy, Drop, Gather, Keep, Rename, Reset, Stretch, Widen)
from graphfix.surgery.plan import SurgeryPlan
from graphfix.surgery.request import TargetClass

FORMAT = 1

# Ten thousand classes make 24 MB.
_LIMIT = 256 << 20
_EDITS = {cls.__name__.lower(): cls
          for cls in (Keep, Gather, Reset, Rename, Drop, Widen, Stretch)}
_ADDITIONS = {cls.__name__.lower(): cls for cls in (Copy, Constant)}


def to_json(plan: SurgeryPlan) -> str:
    """The plan as JSON, the same text for the same plan."""
    def row(edit) -> Dict[str, Any]:
        fields = dict(vars(edit), edit=type(edit).__name__.lower())
        if "fills" in fields:
            fields["fills"] = [{key: value for key, value in vars(fill).items()
                                if value not in (None, (), "")} for fill in edit.fills]
        return fields
    # One edit a line, keys in order: comparable line by line.  `vars` of a dataclass, because
    # dataclasses.asdict copies every number of every index.
    def lines(rows) -> str:
        return ",\n".join("  " + json.dumps(one, sort_keys=True, default=vars) for one in rows)
    head = json.dumps({"format": FORMAT, "source_digest": plan.source_digest,
                       "target_api": plan.target_api, "trainer": plan.trainer}, sort_keys=True)
    return '%s,\n"classes": [\n%s\n],\n"edits": [\n%s\n],\n"additions": [\n%s\n],\n' \
        '"config_edits": [\n%s\n],\n"findings": [\n%s\n]}\n' % (
            head[:-1], lines(plan.classes), lines(map(row, plan.edits)),
            lines(map(row, plan.additions)), lines(plan.config_edits), lines(plan.findings))


def from_json(text: str, subject: str) -> SurgeryPlan:
    """The plan of a JSON text.

    Raises:
      SourceError: naming `subject`, when the text is no plan.
    """
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise SourceError(subject, "is a plan of format %s" % data["format"],
                              "make the plan again with this version of graphfix")
        return SurgeryPlan(
            _read(str, data["source_digest"]), _read(str, data["target_api"]),
            _read(str, data["trainer"]), _read(Tuple[TargetClass, ...], data["classes"]),
            tuple(_edit(row, _EDITS) for row in data["edits"]),
            tuple(_edit(row, _ADDITIONS) for row in data["additions"]),
            _read(Tuple[ConfigEdit, ...], data["config_edits"]),
            _read(Tuple[Finding, ...], data["findings"]))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise SourceError(subject, "is no plan of graphfix (%s: %s)"
                          % (type(error).__name__, error), "make it with graphfix plan --json"
                          ) from None


def _edit(row: Dict[str, Any], kinds):
    return _read(kinds[row["edit"]], {key: value for key, value in row.items() if key != "edit"})


def _read(kind: Any, value: Any) -> Any:
    """A JSON value as what an annotation asks for.  Raises ValueError where it is not that."""
    origin = getattr(kind, "__origin__", None)
    if dataclasses.is_dataclass(kind):
        kinds = typing.get_type_hints(kind)
        return kind(**{name: _read(kinds[name], field) for name, field in value.items()})
    if origin is Union:
        return None if value is None else _read(kind.__args__[0], value)
    if origin in (tuple, Tuple):
        kinds = kind.__args__
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(value)
        if not isinstance(value, list) or len(kinds) != len(value):
            raise ValueError("%.40r is no %s" % (value, kind))
        return tuple(map(_read, kinds, value))
    if kind is str and isinstance(value, str):
        value.encode("utf-8")  # JSON may hold halves of characters
        return value
    if type(value) is kind or kind is float and type(value) is int:
        if math.isfinite(value):
            return value
    raise ValueError("%.40r is no %s" % (value, kind.__name__))


def read_plan(path: str) -> SurgeryPlan:
    """The plan in a file.

    Raises:
      SourceError: it cannot be read, or is no plan.
    """
    return from_json(read_file(path, limit=_LIMIT).decode("utf-8", "replace"), path)
