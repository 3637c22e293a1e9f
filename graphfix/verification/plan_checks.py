"""Compares what was written with its plan: tensors, label map, report, config and graphs.

Each check yields the problems it finds; GraphfixError means that a file cannot be read.
"""

import json
import os
from typing import Any, Dict, Iterator, Mapping

import numpy as np

from graphfix.detectors import families
from graphfix.detectors.describe import ModelSpec
from graphfix.errors import Problem, SourceError
from graphfix.formats import checksum
from graphfix.formats.regular_files import read_file
from graphfix.formats.tensors import TensorMeta, TensorStore
from graphfix.modeldir import ownership
from graphfix.modeldir.measuring import Tensor
from graphfix.modeldir.names import PLAN_JSON, SAVED_MODEL
from graphfix.options import NewRows, Weights
from graphfix.pipeline_config.document import PipelineConfig
from graphfix.pipeline_config.edits import apply_edits
from graphfix.pipeline_config.label_map import format_label_map, parse_label_map
from graphfix.planning.classes import SurgeryRequest, TargetClass
from graphfix.planning.edits import Constant, Copy
from graphfix.planning.plan import Plan, plan_tensors

AGAIN = "do not train from it: make it again"


def planned_tensors(
    prefix: str, plan: Plan, rows: Mapping[str, Tensor], store: TensorStore
) -> Iterator[Problem]:
    """Whether a checkpoint has the plan's tensors, their shapes, and the values that the plan sets;
    `rows` lacks the damaged tensors of the `store`."""
    outgoing: Dict[str, Any] = {}
    for edit in plan.edits:
        if edit.output_name is not None:
            outgoing[edit.output_name] = edit
    outgoing.update((one.name, one) for one in plan.additions)
    for words, names in (
        ("lacks %s, which the plan writes", set(outgoing) - set(store)),
        ("has %s, which the plan does not write", set(store) - set(outgoing)),
    ):
        if names:
            yield Problem(prefix, words % ownership.named(sorted(names)), AGAIN)
    for name, edit in outgoing.items():
        row = rows.get(name)
        if row is None:
            continue
        if edit.channels is not None and row.shape[-1:] != (edit.channels,):
            yield Problem(
                name,
                f"has the shape {list(row.shape)}, but the plan gives it {edit.channels} channels",
                AGAIN,
            )
        elif isinstance(edit, Constant) and (row.dtype, row.shape) != (edit.dtype, edit.shape):
            yield Problem(
                name,
                f"is {row.dtype} {list(row.shape)}, but the plan makes it {edit.dtype} "
                f"{list(edit.shape)}",
                AGAIN,
            )
        elif edit.uniform is not None and not _all_are(store[name].load(), edit.uniform):
            yield Problem(name, f"is not {edit.uniform:g}, as the plan makes it", AGAIN)
        elif isinstance(edit, Copy) and rows.get(edit.of, row) != row:
            yield Problem(name, f"is not a copy of {edit.of}, as the plan makes it", AGAIN)


def _all_are(array: np.ndarray, value: float) -> bool:
    return bool((array == np.asarray(value).astype(array.dtype)).all())


def planned_label_map(path: str, plan: Plan) -> Iterator[Problem]:
    """Whether a label map has the plan's classes."""
    data = read_file(path)
    if data == format_label_map(plan.label_map).encode():
        return
    found = parse_label_map(data, path).by_id()
    planned = {one.id: one for one in plan.classes if one.name}
    for number in sorted(set(found) | set(planned)):
        names = [
            (one.name, one.display_name)
            for one in (side.get(number) for side in (found, planned))
            if one
        ]
        if len(names) < 2 or names[0] != names[1]:
            yield Problem(
                path,
                f"has {_named(found.get(number))} as class {number}, planned as "
                f"{_named(planned.get(number))}",
                AGAIN,
            )


def _named(one: Any) -> str:
    return "nothing" if one is None else f"'{one.display_name}'"


def reported_plan(path: str, plan: Plan) -> Iterator[Problem]:
    """Whether a report.json is about the plan."""
    try:
        found = json.loads(read_file(path).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise SourceError(path, f"is not valid JSON: {error}", AGAIN) from None
    planned = {
        "target_api": plan.target_api,
        "trainer": plan.trainer,
        "classes": [vars(one) for one in plan.classes],
        "findings": [vars(one) for one in plan.findings],
    }
    for name, value in json.loads(json.dumps(planned)).items():
        if not isinstance(found, dict) or found.get(name) != value:
            yield Problem(path, f"has other {name} than {PLAN_JSON}", AGAIN)


def planned_config(path: str, config: PipelineConfig, plan: Plan) -> Iterator[Problem]:
    """Whether a config has each edit: making it again must change nothing.

    Left out are edits that a later one overrides and, if blocks are removed by their number among
    others, all edits that use such numbers.
    """
    document, edits = config.document, plan.config_edits
    numbered = any(edit.literal is None and edit.path[-1].endswith("]") for edit in edits)
    for number, edit in enumerate(edits):
        if any(edit.path[: len(later.path)] == later.path for later in edits[number + 1 :]) or (
            numbered and any(step.endswith("]") for step in edit.path)
        ):
            continue
        if apply_edits(document, (edit,)).text != document.text:
            made = "removed" if edit.literal is None else f"as {edit.literal!s:.60}"
            yield Problem(path, f"does not have {'.'.join(edit.path)} {made}, as planned", AGAIN)


def kept_by_own_classes(
    path: str, config: PipelineConfig, metas: Mapping[str, TensorMeta], model: ModelSpec, plan: Plan
) -> Iterator[Problem]:
    """Whether converting the output to its own classes would keep every tensor."""
    if model.classes != len(plan.classes):
        yield Problem(
            path, f"describes {model.classes} classes instead of {len(plan.classes)}", AGAIN
        )
        return
    ids = tuple(one.id for one in plan.classes)
    request = SurgeryRequest(
        tuple(TargetClass(one.id, one.name, one.display_name, (one.id,)) for one in plan.classes),
        ids,
        NewRows.PRIOR,
        0,
        Weights.RAW,
        plan.trainer,
        plan.target_api,
    )
    edits, _ = plan_tensors(
        model,
        metas,
        request,
        averages_used=False,
        shadowed=False,
        quantization_delay=config.message.graph_rewriter.quantization.delay,
    )
    copies = {one.name for one in plan.additions}
    changed = [
        edit.tensor
        for edit in edits
        if not edit.copies and edit.tensor != families.GLOBAL_STEP and edit.tensor not in copies
    ]
    if changed:
        yield Problem(
            path,
            (
                "describes a model of which a conversion to its own classes would not "
                f"keep {ownership.named(changed)}"
            ),
            AGAIN,
        )


def graph_constants(path: str, plan: Plan, rows: Mapping[str, Tensor]) -> Iterator[Problem]:
    """Whether a graph's constants are, bit for bit, the checkpoint's variables of their names."""
    # Few outputs have a graph, so the code that reads one is imported only here.
    from graphfix.formats.graphdef import constants, files

    if path.endswith(SAVED_MODEL):
        file = files.open_saved_model(os.path.dirname(path))
    else:
        file = files.open_frozen(path)
    seen, other = set(), []
    for node in file.graph_defs[file.serving].node:
        if node.name not in rows or not constants.is_constant(node):
            continue
        seen.add(node.name)
        try:
            meta, crc, total = constants.meta_of(node), 0, 0
            for chunk in constants.chunks(node):
                crc, total = checksum.crc32c(chunk, crc), checksum.sum64(chunk, total)
        except ValueError:
            other.append(node.name)
            continue
        row = rows[node.name]
        if (meta.dtype.name, meta.shape, crc, total) != (
            row.dtype,
            row.shape,
            row.crc32c,
            row.sum64,
        ):
            other.append(node.name)
    lacking = sorted(
        str(edit.output_name)
        for edit in plan.edits
        if edit.channels is not None and edit.output_name not in seen
    )
    if lacking:
        yield Problem(path, f"lacks {ownership.named(lacking)}", AGAIN)
    if other:
        yield Problem(
            path,
            f"has other values than the checkpoint beside it: {ownership.named(sorted(other))}",
            AGAIN,
        )
