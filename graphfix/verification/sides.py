"""What the stock API runs: a source, the output's checkpoint, and the output's frozen graph.

A side is a dictionary that goes into a job as it is (stock_api/worker.py): `graph`, or
`pipeline_config` and `checkpoint`.
"""

import contextlib
import os
from typing import Iterator, List, NamedTuple, Optional, Tuple

from graphfix.errors import GraphfixError, RequestError, SourceError
from graphfix.formats.checkpoint import writer
from graphfix.formats.graphdef.effects import check_computes
from graphfix.formats.graphdef.files import open_frozen
from graphfix.modeldir import openers as sources
from graphfix.modeldir.names import CHECKPOINT, CONFIG, FROZEN
from graphfix.modeldir.openers import Model
from graphfix.pipeline_config.edits import apply_edits
from graphfix.planning.plan import Plan
from graphfix.process.scratch import Scratch
from graphfix.report.report import load
from graphfix.verification.equality import Side, averaged, own_side


class Sides(NamedTuple):
    """The source, what the output has (`names`: its checkpoint, and its graph if there is one), and
    in words what the source's side is; `remarks` say what was left out."""

    source: Side
    outputs: List[Side]
    names: List[str]
    what: str
    remarks: Tuple[str, ...]


def find_source(
    directory: str, plan: Plan, path: Optional[str], config_path: Optional[str]
) -> Tuple[Optional[Model], str]:
    """What a directory was converted from: what is named, or else what its report names, if that is
    still there; without one, why.

    Raises:
      RequestError: what is named is something else.
    """
    if path is not None:
        source = sources.open_source(path, config_path=config_path)
        if source.digest != plan.source_digest:
            raise RequestError(
                path,
                f"is not what {directory} was made from",
                "name the model and config that were converted",
            )
        return source, ""
    try:
        recorded = load(directory).source
        if not os.path.exists(recorded) and not os.path.exists(recorded + ".index"):
            return None, f"the source, {recorded}, is not there; name it with --source"
        source = sources.open_source(recorded, config_path=config_path)
    except GraphfixError as error:
        return None, f"{error.problems[0].subject} {error.problems[0].message}; name the --source"
    if source.digest != plan.source_digest:
        return None, (
            f"{recorded} is not what {directory} was made from, or not with this config; name both "
            "with --source and --pipeline_config_path"
        )
    return source, ""


@contextlib.contextmanager
def opened(
    directory: str, plan: Plan, source: Model, *, allow_effects: bool, pictures: bool
) -> Iterator[Sides]:
    """The sides of a converted directory; their files are there as long as this context is.

    Raises:
      SourceError: the output's graph, which is to detect in `pictures`, would do more than compute.
    """
    with Scratch() as scratch:
        remarks = []
        own, what = None, ""
        try:
            own = own_side(source, plan, os.path.join(scratch, "own.pb"), allow_effects)
        except SourceError as error:
            problem = error.problems[0]
            remarks.append(
                f"the source's own graph was not run: {problem.subject} {problem.message}; "
                f"{problem.remedy}"
            )
        if own is None:
            side = _stock_side(plan, source, scratch)
            what = f"the graph that this API builds from the config of {source.path}"
        else:
            what, side = f"the {own.pop('what')} of {source.path}", own
        outputs: List[Side] = [
            {
                "pipeline_config": os.path.abspath(os.path.join(directory, CONFIG)),
                "checkpoint": os.path.abspath(os.path.join(directory, CHECKPOINT)),
            }
        ]
        names = ["checkpoint"]
        graph = os.path.abspath(os.path.join(directory, FROZEN))
        if os.path.exists(graph):
            try:
                if not allow_effects:
                    check_computes(open_frozen(graph).message, graph)
                outputs.append(dict(graph=graph, allow_effects=allow_effects))
                names.append(FROZEN)
            except SourceError as error:
                if pictures:
                    raise
                problem = error.problems[0]
                remarks.append(f"{FROZEN} was not run: it {problem.message}; {problem.remedy}")
        yield Sides(side, outputs, names, what, tuple(remarks))


def _stock_side(plan: Plan, source: Model, scratch: str) -> Side:
    """The source built from its own config with all of the plan's changes but the number of
    classes, so that it, too, has only fields that this API knows."""
    edits = [edit for edit in plan.config_edits if edit.path[-1] != "num_classes"]
    config = os.path.join(scratch, CONFIG)
    with open(config, "wb") as file:
        file.write(apply_edits(source.config.document, edits).encode())
    prefix = source.prefix
    if not os.path.exists(prefix + ".index"):
        # A frozen source: its variables, in the form that the stock API restores.
        prefix = os.path.join(scratch, CHECKPOINT)
        writer.write_bundle(source.store, prefix)
    return {
        "pipeline_config": config,
        "checkpoint": os.path.abspath(prefix),
        "moving_averages": averaged(plan),
    }
