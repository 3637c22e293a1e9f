"""Compares a published directory with its manifest (every file, every tensor, the model that config
and checkpoint describe), with its plan (plan_checks.py), and with itself.
"""

import dataclasses
import os
import re
from typing import Any, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from graphfix.detectors.describe import ModelSpec, describe
from graphfix.errors import GraphfixError, Problem, SourceError
from graphfix.formats.regular_files import read_file
from graphfix.formats.tensors import TensorStore
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
    TFLITE,
)
from graphfix.pipeline_config.document import PipelineConfig, parse_config
from graphfix.planning.plan import Plan
from graphfix.planning.plan_json import read_plan
from graphfix.verification.models import differences
from graphfix.verification.plan_checks import (
    AGAIN,
    graph_constants,
    kept_by_own_classes,
    planned_config,
    planned_label_map,
    planned_tensors,
    reported_plan,
)

_MISSING = "is missing"
_EDITED = "if you edited it, graphfix doctor tells whether it trains; else make it again"
_AWAY = "move it elsewhere, so that nothing takes it for one"
# Files that would be taken for a part of the model, though they were not published with it.
_LOOKS_LIKE_MODEL = re.compile(
    r"(saved_model/(variables/)?)?[^/]*\.(index|data-\d+-of-\d+|meta|pb)\Z"
    r"|(checkpoint|pipeline\.config|label_map\.pbtxt|plan\.json|report\.json|report\.html)\Z"
)


class Judgement(NamedTuple):
    """What is wrong, each difference by name; how many tensors were read; the plan, if there is one
    that can be read; the paths of other files that lie there; and how many files were read."""

    problems: Tuple[Problem, ...]
    tensors: int
    plan: Optional[Plan]
    others: Tuple[str, ...] = ()
    files: int = 0


Described = Tuple[PipelineConfig, ModelSpec]


def judge(
    directory: str,
    manifest: Manifest,
    measured: Optional[Measured] = None,
    described: Optional[Described] = None,
    *,
    plan: Optional[Plan] = None,
    remedy: Optional[str] = None,
) -> Judgement:
    """Compares what a directory has with its manifest, its plan and itself; `measured`, `described`
    and `plan` are of it, where they are known.  `remedy` replaces the remedy of each problem.

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
    own = measured.stores.get(CHECKPOINT)
    if own is not None and plan is None and PLAN_JSON in measured.files:
        try:
            plan = read_plan(os.path.join(directory, PLAN_JSON))
        except SourceError as error:
            problems += _untold(error.problems, problems)
    if own is not None and manifest.model is not None:
        problems += _asked(problems, _model, directory, manifest, own, plan, described)
        problems += _asked(problems, _state, directory)
    if plan is not None:
        rows = measured.checkpoints[CHECKPOINT]
        problems += _asked(
            problems, planned_tensors, os.path.join(directory, CHECKPOINT), plan, rows, own
        )
        problems += _asked(problems, planned_label_map, os.path.join(directory, LABEL_MAP), plan)
        problems += _asked(problems, reported_plan, os.path.join(directory, REPORT_JSON), plan)
        for name in (FROZEN, TFLITE, SAVED_MODEL):
            if name in manifest.files:
                problems += _asked(
                    problems, graph_constants, os.path.join(directory, name), plan, rows
                )
    problems = [
        dataclasses.replace(one, remedy=remedy or one.remedy) for one in dict.fromkeys(problems)
    ]
    tops = [path for path in measured.others if os.path.dirname(path) not in measured.others]
    tensors = sum(map(len, measured.checkpoints.values()))
    return Judgement(tuple(problems), tensors, plan, tuple(tops), len(manifest.files))


def _asked(told: List[Problem], question: Any, *about) -> List[Problem]:
    """The problems a question finds; a file that cannot be read is one, unless it is missing, which
    was `told` already."""
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
            continue  # what cannot be read was told already
        remedy = _EDITED if path == CONFIG else AGAIN
        if all(one.size != found.size for one in allowed):
            yield Problem(
                where, f"has {found.size} bytes, and was published with {allowed[0].size}", remedy
            )
        elif allowed[0].crc32c is not None:  # otherwise its tensors tell it
            yield Problem(where, "does not have the contents it was published with", remedy)


def _tensors(
    prefix: str, store: TensorStore, said: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> Iterator[Problem]:
    """What differs in a checkpoint; `found` lacks the damaged tensors of the `store`."""
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
    """The config in a directory, and the model that it and the checkpoint's tensors describe.

    Raises:
      SourceError: the config is damaged, or does not fit the checkpoint.
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
    plan: Optional[Plan],
    described: Optional[Described],
) -> Iterator[Problem]:
    """Whether config and checkpoint describe the published model, and the config is as planned."""
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
        yield from planned_config(path, config, plan)
        yield from kept_by_own_classes(path, config, metas, model, plan)
