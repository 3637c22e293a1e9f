"""Holds a published directory against its manifest (every file, every tensor) and against its plan:
which tensors there are, of which shape, and those whose values the plan gives; the label map's
classes; the report's classes and findings; each edit of the config, which must leave it as it is
when it is made once more; the state file; the constants of its graphs, which are the checkpoint's
values bit for bit.  Config and checkpoint must describe as the very model the manifest says, and to
plan the same classes on it must keep every tensor.
"""

import dataclasses
import json
import os
import re
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

import numpy as np

from graphfix.detectors import families
from graphfix.detectors.describe import ModelSpec, describe
from graphfix.errors import GraphfixError, Problem, SourceError
from graphfix.formats import checksum
from graphfix.formats.regular_files import read_file
from graphfix.formats.tensors import TensorMeta, TensorStore
from graphfix.modeldir import checkpoint_state, ownership
from graphfix.modeldir.manifest import Manifest, spec_json
from graphfix.modeldir.measuring import MODEL_DIRECTORIES, Measured, Tensor, measure
from graphfix.modeldir.names import (
    CHECKPOINT,
    CHECKPOINT_STATE,
    CONFIG,
    FROZEN,
    LABEL_MAP,
    PLAN_JSON,
    REPORT_JSON,
    SAVED_MODEL,
)
from graphfix.pipeline_config.document import PipelineConfig, parse_config
from graphfix.pipeline_config.edits import apply_edits
from graphfix.pipeline_config.label_map import parse_label_map
from graphfix.planning.classes import SurgeryRequest, TargetClass
from graphfix.planning.edits import Constant, Copy, Drop, Gather, Keep, Reset
from graphfix.planning.plan import SurgeryPlan, plan_tensors
from graphfix.planning.plan_json import read_plan
from graphfix.verification.models import differences

AGAIN = "do not train from it: make it again"
_MISSING = "is missing"
_EDITED = "if you edited it, graphfix doctor says whether it trains; else make it again"
_AWAY = "move it elsewhere, so that nothing takes it for one"
# What would be taken for a part of the model, where it lies, though it was not published with it.
_LOOKS_LIKE_MODEL = re.compile(
    r"(saved_model/(variables/)?)?[^/]*\.(index|data-\d+-of-\d+|meta|pb)\Z"
    r"|(checkpoint|pipeline\.config|label_map\.pbtxt|plan\.json|report\.json|report\.html)\Z"
)


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What is wrong, each difference by name; how many tensors were read; the plan, where there is
    one that can be read; and what lies there beside what was published."""

    problems: Tuple[Problem, ...]
    tensors: int
    plan: Optional[SurgeryPlan]
    others: Tuple[str, ...] = ()


Described = Tuple[PipelineConfig, ModelSpec]


def judge(
    directory: str,
    manifest: Manifest,
    measured: Optional[Measured] = None,
    described: Optional[Described] = None,
    *,
    remedy: Optional[str] = None,
) -> Judgement:
    """Holds what a directory has (`measured` and `described`, where that is done) against its
    manifest, its plan and itself.  `remedy` takes the place of what is advised of each problem.

    Raises:
      OSError: the directory cannot be read.
    """
    if measured is None:
        files, directories = ownership.owned(manifest)
        measured = measure(directory, set(files) | set(directories))
    problems = [dataclasses.replace(one, remedy=AGAIN) for one in measured.problems]
    problems += _files(directory, manifest, measured)
    for prefix, store in sorted(measured.stores.items()):
        problems += _tensors(
            os.path.join(directory, prefix),
            store,
            manifest.checkpoints.get(prefix, {}),
            measured.checkpoints[prefix],
        )
    problems += [
        Problem(
            os.path.join(directory, path),
            "was not published, but looks like a part of the model",
            _AWAY,
        )
        for path in measured.others
        if _LOOKS_LIKE_MODEL.match(path)
        or (path in MODEL_DIRECTORIES and os.path.islink(os.path.join(directory, path)))
    ]
    plan = None
    store = measured.stores.get(CHECKPOINT)
    if store is not None and PLAN_JSON in measured.files:
        try:
            plan = read_plan(os.path.join(directory, PLAN_JSON))
        except SourceError as error:
            problems += _untold(error.problems, problems)
    if store is not None and manifest.model is not None:
        problems += _asked(problems, _model, directory, manifest, store, plan, described)
        problems += _asked(problems, _state, directory)
    if plan is not None:
        rows = measured.checkpoints[CHECKPOINT]
        problems += _asked(
            problems, _planned_tensors, os.path.join(directory, CHECKPOINT), plan, rows, store
        )
        problems += _asked(problems, _labels, directory, plan)
        problems += _asked(problems, _report, os.path.join(directory, REPORT_JSON), plan)
        for name in (FROZEN, SAVED_MODEL):
            if name in manifest.files:
                problems += _asked(problems, _graph, os.path.join(directory, name), plan, rows)
    problems = [
        dataclasses.replace(one, remedy=remedy or one.remedy) for one in dict.fromkeys(problems)
    ]
    tops = [path for path in measured.others if os.path.dirname(path) not in measured.others]
    return Judgement(
        tuple(problems), sum(map(len, measured.checkpoints.values())), plan, tuple(tops)
    )


def _asked(told: List[Problem], question, *about) -> List[Problem]:
    """The problems a question finds; a file that cannot even be read is one, unless it is missing,
    which is told."""
    try:
        return list(question(*about))
    except GraphfixError as error:
        return _untold(error.problems, told)


def _untold(problems: Iterable[Problem], told: List[Problem]) -> List[Problem]:
    missing = {one.subject for one in told if one.message == _MISSING}
    return [
        dataclasses.replace(one, remedy=AGAIN) for one in problems if one.subject not in missing
    ]


def _files(directory: str, manifest: Manifest, measured: Measured) -> Iterator[Problem]:
    for path in sorted(set(manifest.files) | set(manifest.pending)):
        where = os.path.join(directory, path)
        if not os.path.lexists(where):
            if path in manifest.files:
                yield Problem(where, _MISSING, AGAIN)
            continue
        found = measured.files.get(path)
        allowed = [rows[path] for rows in (manifest.files, manifest.pending) if path in rows]
        if found is None or found in allowed:
            continue  # what cannot be read is told already
        remedy = _EDITED if path == CONFIG else AGAIN
        if all(one.size != found.size for one in allowed):
            yield Problem(
                where, f"has {found.size} bytes, and was published with {allowed[0].size}", remedy
            )
        elif allowed[0].crc32c is not None:  # or it is its tensors' to tell
            yield Problem(where, "does not have the contents it was published with", remedy)


def _tensors(
    prefix: str, store: TensorStore, said: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> Iterator[Problem]:
    """What differs in a checkpoint; `found` lacks those of the `store` that are damaged."""
    for words, names in (
        ("lacks %s, which was published", set(said) - set(store)),
        ("has %s, which was not published", set(store) - set(said)),
    ):
        if names:
            yield Problem(prefix, words % ownership.named(sorted(names)), AGAIN)
    for name in sorted(set(said) & set(found)):
        one, other = said[name], found[name]
        if (one.dtype, one.shape) != (other.dtype, other.shape):
            yield Problem(
                prefix,
                f"has {name} as {other.dtype} {list(other.shape)}, published as {one.dtype} "
                f"{list(one.shape)}",
                AGAIN,
            )
        elif one != other:
            yield Problem(prefix, f"has other values of {name} than were published", AGAIN)


def _state(directory: str) -> Iterator[Problem]:
    path = os.path.join(directory, CHECKPOINT_STATE)
    if os.path.exists(path) and read_file(path) != checkpoint_state.state_text(CHECKPOINT).encode():
        yield Problem(path, f"does not name {CHECKPOINT} as its checkpoint", AGAIN)


def describe_output(directory: str, store: TensorStore) -> Described:
    """The config in a directory, and the model that it and the checkpoint's tensors are.

    Raises:
      SourceError: the config is damaged, or is not the checkpoint's.
    """
    path = os.path.join(directory, CONFIG)
    config = parse_config(read_file(path), path)
    metas = {name: view.meta for name, view in store.items()}
    return config, describe(
        config.message, metas, config=path, checkpoint=os.path.join(directory, CHECKPOINT)
    )


def _model(
    directory: str,
    manifest: Manifest,
    store: TensorStore,
    plan: Optional[SurgeryPlan],
    described: Optional[Described],
) -> Iterator[Problem]:
    """What config and checkpoint are together."""
    path = os.path.join(directory, CONFIG)
    config, model = described or describe_output(directory, store)
    metas = {name: view.meta for name, view in store.items()}
    for field, said, now in differences(manifest.model, spec_json(model), ""):
        yield Problem(
            path,
            f"makes the model's {field.lstrip('.')} {now!s:.60}, published as {said!s:.60}",
            AGAIN,
        )
    if plan is not None:
        yield from _config_edits(path, config, plan)
        yield from _keeps_everything(path, config, metas, model, plan)


def _planned_tensors(
    prefix: str, plan: SurgeryPlan, rows: Mapping[str, Tensor], store: TensorStore
) -> Iterator[Problem]:
    outgoing: Dict[str, Any] = {}
    for edit in plan.edits:
        if not isinstance(edit, Drop):
            outgoing[getattr(edit, "to", edit.tensor)] = edit
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
        if isinstance(edit, Gather) and row.shape[-1:] != (len(edit.index),):
            yield Problem(
                name,
                f"has the shape {list(row.shape)}, but the plan gives it {len(edit.index)} "
                "channels",
                AGAIN,
            )
        elif isinstance(edit, Constant) and (row.dtype, row.shape) != (edit.dtype, edit.shape):
            yield Problem(
                name,
                f"is {row.dtype} {list(row.shape)}, but the plan makes it {edit.dtype} "
                f"{list(edit.shape)}",
                AGAIN,
            )
        elif isinstance(edit, (Constant, Reset)) and not _all_are(store[name].load(), edit.value):
            yield Problem(name, f"is not {edit.value:g}, as the plan makes it", AGAIN)
        elif isinstance(edit, Copy) and rows.get(edit.of, row) != row:
            yield Problem(name, f"is not a copy of {edit.of}, as the plan makes it", AGAIN)


def _all_are(array: np.ndarray, value: float) -> bool:
    return bool((array == np.asarray(value).astype(array.dtype)).all())


def _labels(directory: str, plan: SurgeryPlan) -> Iterator[Problem]:
    path = os.path.join(directory, LABEL_MAP)
    found = parse_label_map(read_file(path), path).by_id()
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
                "has %s as class %d, planned as %s"
                % (
                    f"'{found[number].display_name}'" if number in found else "nothing",
                    number,
                    f"'{planned[number].display_name}'" if number in planned else "nothing",
                ),
                AGAIN,
            )


def _report(path: str, plan: SurgeryPlan) -> Iterator[Problem]:
    """Whether a report tells of this plan."""
    try:
        found = json.loads(read_file(path).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise SourceError(path, f"is not valid JSON: {error}", AGAIN) from None
    said = {
        "target_api": plan.target_api,
        "trainer": plan.trainer,
        "classes": [vars(one) for one in plan.classes],
        "findings": [vars(one) for one in plan.findings],
    }
    for name, value in json.loads(json.dumps(said)).items():
        if not isinstance(found, dict) or found.get(name) != value:
            yield Problem(path, f"has other {name} than {PLAN_JSON}", AGAIN)


def _config_edits(path: str, config: PipelineConfig, plan: SurgeryPlan) -> Iterator[Problem]:
    """Whether each edit is made: made again, it changes nothing.

    An edit that a later one overrules is left out, and, where blocks are removed from among
    others by their number, all that go by such numbers.
    """
    document, edits = config.document, plan.config_edits
    numbered = any(edit.literal is None and edit.path[-1].endswith("]") for edit in edits)
    for number, edit in enumerate(edits):
        if any(edit.path[: len(later.path)] == later.path for later in edits[number + 1 :]) or (
            numbered and any(step.endswith("]") for step in edit.path)
        ):
            continue
        if apply_edits(document, (edit,)).text != document.text:
            yield Problem(
                path,
                "does not have %s %s, as planned"
                % (
                    ".".join(edit.path),
                    "removed" if edit.literal is None else f"as {edit.literal!s:.60}",
                ),
                AGAIN,
            )


def _keeps_everything(
    path: str,
    config: PipelineConfig,
    metas: Mapping[str, TensorMeta],
    model: ModelSpec,
    plan: SurgeryPlan,
) -> Iterator[Problem]:
    """Whether the output, taken as a source for its own classes, would be kept as it is."""
    if model.classes != len(plan.classes):
        yield Problem(
            path, f"describes {model.classes} classes instead of {len(plan.classes)}", AGAIN
        )
        return
    ids = tuple(one.id for one in plan.classes)
    request = SurgeryRequest(
        tuple(TargetClass(one.id, one.name, one.display_name, (one.id,)) for one in plan.classes),
        ids,
        "prior",
        0,
        "raw",
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
        if not isinstance(edit, Keep)
        and edit.tensor != families.GLOBAL_STEP
        and edit.tensor not in copies
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


def _graph(path: str, plan: SurgeryPlan, rows: Mapping[str, Tensor]) -> Iterator[Problem]:
    """Whether the constants of a graph that are variables of the checkpoint have their values."""
    # Few outputs have a graph: the code that reads one is not loaded for nothing.
    from graphfix.formats.graphdef import constants, files

    if path.endswith(SAVED_MODEL):
        graph_def = files.serving_graph(files.read_saved_model(os.path.dirname(path))).graph_def
    else:
        graph_def = files.read_graph_def(path)
    seen, other = set(), []
    for node in graph_def.node:
        if node.name not in rows or not constants.is_constant(node):
            continue
        seen.add(node.name)
        try:
            meta, data = constants.meta_of(node), constants.value_of(node).tobytes()
        except ValueError:
            other.append(node.name)
            continue
        row = rows[node.name]
        if (meta.dtype.name, meta.shape, checksum.crc32c(data), checksum.sum64(data)) != (
            row.dtype,
            row.shape,
            row.crc32c,
            row.sum64,
        ):
            other.append(node.name)
    lacking = sorted(
        edit.to for edit in plan.edits if isinstance(edit, Gather) and edit.to not in seen
    )
    if lacking:
        yield Problem(path, f"lacks {ownership.named(lacking)}", AGAIN)
    if other:
        yield Problem(
            path,
            f"has other values than the checkpoint beside it: {ownership.named(sorted(other))}",
            AGAIN,
        )
