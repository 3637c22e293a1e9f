"""convert: a model for new classes, published whole.

The steps of a conversion, each a function that can be read by itself:

  open      whatever the user has      a model                     open
  describe  the model and the options  a context, read once        context
  plan      the context                what becomes of everything  decide
  apply     the plan                   the output, as views        output
  write     the output                 files on a stage            output
  verify    what was written           or nothing is published     seal

and a report, which tells of all.
"""

import dataclasses
from typing import Any, Callable, Dict, Optional, Tuple, Union

from graphfix.conversion.context import describe, describe_for_replay
from graphfix.conversion.decide import make_plan, with_place
from graphfix.conversion.open import opened
from graphfix.conversion.output import Exports, apply, write
from graphfix.conversion.seal import verify
from graphfix.modeldir.destinations import Destination, Unplaced
from graphfix.modeldir.openers import Model
from graphfix.options import ConvertOptions
from graphfix.planning.plan import Plan
from graphfix.planning.plan_check import check_plan
from graphfix.planning.plan_json import read_plan
from graphfix.report.report import Report

MadeOf = Callable[[Report], Dict[str, Any]]


def convert(
    source: Union[str, Model],
    destination: Destination,
    options: ConvertOptions,
    *,
    plan: Union[str, Plan, None] = None,
    made_of: Optional[MadeOf] = None,
    exports: Optional[Exports] = None,
) -> Report:
    """Converts, verifies and publishes; the report is also among what is written.

    `plan` is a plan, or the file of one, to replay instead of making one.  `made_of` says what the
    manifest is to record of what the output was made of, `exports` what the output can be exported
    to, for the report.

    Raises:
      GraphfixError: nothing was published, and what was there before still is.
    """
    inputs = _named(source, options, plan)
    destination.check(inputs)
    model = opened(source, options)
    context, decided = decide(model, destination, options, plan)
    output = apply(decided, context)
    with destination.staged(inputs + model.paths) as stage:
        report, figures, meant = write(output, stage, context, destination, exports)
        verify(output, stage, context, figures, meant, made_of and made_of(report))
    return report


def decide(model: Model, destination: Union[Destination, Unplaced], options: ConvertOptions, plan):
    """The context of a conversion, and its plan: made, or replayed."""
    if plan is None:
        context = describe(model, options)
        return context, make_plan(context, place=destination.place, resumable=destination.resumable)
    subject = plan if isinstance(plan, str) else "the plan"
    decided = read_plan(plan, pipes=True) if isinstance(plan, str) else plan
    check_plan(decided, model, subject)
    context = describe_for_replay(model, options, decided)
    named = dataclasses.replace(decided, source_names=context.source_names)
    return context, with_place(named, destination.place)


def _named(source: Union[str, Model], options: ConvertOptions, plan) -> Tuple[str, ...]:
    """The paths that a conversion is given."""
    named = (one for one in (source, plan) if isinstance(one, str))
    return tuple(named) + options.paths()
