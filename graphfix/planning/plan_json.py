"""A Plan as JSON, both ways; the same plan gives the same text."""

import json
from typing import Any, Dict, Mapping, Tuple, Union

from graphfix.detectors.anchor_order import Order
from graphfix.errors import SourceError
from graphfix.findings import Finding
from graphfix.formats import json_data
from graphfix.formats.regular_files import read_file
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.planning import plan_check, plan_rules
from graphfix.planning.classes import TargetClass
from graphfix.planning.edits import ADDITIONS, EDITS
from graphfix.planning.plan import Plan

FORMAT = 1

# Ten thousand classes make 24 MB.  Read, a byte takes up to thirty.
_LIMIT = 64 << 20


def to_json(plan: Plan) -> str:
    """The plan as JSON, the same text for the same plan."""

    def row(edit) -> Dict[str, Any]:
        fields = dict(vars(edit), edit=edit.kind)
        if "fills" in fields:
            fields["fills"] = [
                {key: value for key, value in vars(fill).items() if value not in (None, (), "")}
                for fill in edit.fills
            ]
        return fields

    # One edit a line, keys in order: comparable line by line.  `vars` of a dataclass, because
    # dataclasses.asdict copies every number of every index.
    # One encoder, because json.dumps makes one each time.
    encode = json.JSONEncoder(sort_keys=True, default=vars).encode

    def lines(rows) -> str:
        return ",\n".join("  " + encode(one) for one in rows)

    head = json.dumps(
        {
            "format": FORMAT,
            "source_digest": plan.source_digest,
            "target_api": plan.target_api,
            "trainer": plan.trainer,
            **({"anchor_order": plan.anchor_order} if plan.anchor_order else {}),
        },
        sort_keys=True,
    )
    return (
        f'{head[:-1]},\n"classes": [\n{lines(plan.classes)}\n],\n"edits": '
        f'[\n{lines(map(row, plan.edits))}\n],\n"additions": '
        f"[\n{lines(map(row, plan.additions))}\n],\n"
        f'"config_edits": [\n{lines(plan.config_edits)}\n],\n"findings": '
        f"[\n{lines(plan.findings)}\n]}}\n"
    )


def from_json(data: Union[bytes, str], subject: str) -> Plan:
    """The plan of a JSON text: possible in itself, whatever its source is.

    Raises:
      SourceError: naming `subject`, when the text is no plan, or contradicts itself.
    """
    remedy = "make it with graphfix plan --json"
    found = json_data.parse(data, subject, "plan of graphfix", remedy)
    if "format" in found and found["format"] != FORMAT:
        raise SourceError(
            subject,
            f"is a plan of format {json_data.shown(found['format'])}",
            "make the plan again with this version of graphfix",
        )
    try:
        json_data.keys(
            found,
            (
                "format",
                "source_digest",
                "target_api",
                "trainer",
                "classes",
                "edits",
                "additions",
                "config_edits",
                "findings",
            ),
            ("anchor_order",),
        )
        json_data.read(int, found["format"], "format")
        plan = Plan(
            json_data.read(str, found["source_digest"], "source_digest"),
            json_data.read(str, found["target_api"], "target_api"),
            json_data.read(str, found["trainer"], "trainer"),
            json_data.read(Tuple[TargetClass, ...], found["classes"], "classes"),
            _rows(found, "edits", EDITS),
            _rows(found, "additions", ADDITIONS),
            json_data.read(Tuple[ConfigEdit, ...], found["config_edits"], "config_edits"),
            json_data.read(Tuple[Finding, ...], found["findings"], "findings"),
            json_data.read(Order, found.get("anchor_order", []), "anchor_order"),
        )
    except json_data.Wrong as error:
        raise SourceError(subject, f"is not a valid plan of graphfix: {error}", remedy) from None
    plan_check.refuse(list(plan_rules.faults(plan)), subject, SourceError, plan_check.REMEDY)
    return plan


def _rows(found: Dict[str, Any], name: str, kinds: Mapping[str, type]) -> tuple:
    rows = found[name]
    if not isinstance(rows, list):
        raise json_data.Wrong(f"is {json_data.shown(rows)}, not a list", name)
    return tuple(_row(row, kinds, name, number) for number, row in enumerate(rows))


def _row(row: Any, kinds: Mapping[str, type], *where):
    kind = row.get("edit") if isinstance(row, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        raise json_data.Wrong(f"is not one of {', '.join(sorted(kinds))}", *where)
    return json_data.read(
        kinds[kind], {key: value for key, value in row.items() if key != "edit"}, *where
    )


def read_plan(path: str, *, pipes: bool = False) -> Plan:
    """The plan in a file.

    Raises:
      SourceError: it cannot be read, is no plan, or contradicts itself.
    """
    return from_json(read_file(path, limit=_LIMIT, pipes=pipes), path)
