"""A SurgeryPlan as JSON, both ways; the same plan gives the same text."""

import json
from typing import Any, Dict, Mapping

from graphfix.config.edits import ConfigEdit
from graphfix.errors import RequestError, SourceError
from graphfix.findings import Finding
from graphfix.model.initializer import Initializer
from graphfix.surgery.edits import (
    ADDED_NOISE, CONSTANT, MEAN, NOISE, Constant, Copy, Drop, Fill, Gather, Keep, Rename, Reset,
    Stretch, Widen)
from graphfix.surgery.plan import SurgeryPlan
from graphfix.surgery.request import TargetClass
from graphfix.tensors import TensorMeta

FORMAT = 1

_KINDS = {cls.__name__.lower(): cls
          for cls in (Keep, Gather, Reset, Rename, Drop, Widen, Stretch, Copy, Constant)}


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
            data["source_digest"], data["target_api"], data["trainer"],
            tuple(TargetClass(**_tuples(row)) for row in data["classes"]),
            tuple(map(_edit, data["edits"])), tuple(map(_edit, data["additions"])),
            tuple(ConfigEdit(**_tuples(row)) for row in data["config_edits"]),
            tuple(Finding(**row) for row in data["findings"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(subject, "is no plan of graphfix (%s: %s)"
                          % (type(error).__name__, error), "make it with graphfix plan --json"
                          ) from None


def _edit(row: Dict[str, Any]):
    fields = _tuples(row)
    kind = _KINDS[fields.pop("edit")]
    if kind is Gather:
        fields["fills"] = tuple(_fill(fill) for fill in row["fills"])
    return kind(**fields)


def _fill(row: Dict[str, Any]) -> Fill:
    fields = _tuples(row)
    if fields["rule"] not in (MEAN, NOISE, ADDED_NOISE, CONSTANT):
        raise ValueError("unknown rule %r" % fields["rule"])
    if "initializer" in row:
        fields["initializer"] = Initializer(**row["initializer"])
    return Fill(**fields)


def _tuples(row: Dict[str, Any]) -> Dict[str, Any]:
    def frozen(value):
        return tuple(frozen(one) for one in value) if isinstance(value, list) else value
    return {key: frozen(value) for key, value in row.items()}


def check_fits(plan: SurgeryPlan, metas: Mapping[str, TensorMeta], digest: str, subject: str) -> None:
    """Refuses a replayed plan that was made for another source.

    Raises:
      RequestError: naming `subject`, the plan's file.
    """
    if plan.source_digest != digest or [edit.tensor for edit in plan.edits] != list(metas):
        raise RequestError(subject, "was made for another source (digest %s, this one's is %s)"
                           % (plan.source_digest[:12], digest[:12]),
                           "replay it on the checkpoint and config it was made from")
