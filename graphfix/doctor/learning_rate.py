"""Checks of the learning rate and its schedule."""

from typing import Any, Iterator, Optional, Tuple

from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, INFO, WARNING
from graphfix.pipeline_config.edits import ConfigEdit

# Rates above which a detector's loss has hardly ever stayed finite.  With momentum, large batches
# bear more: published configs have 0.9 for 2048 images, and 4 for 1024.
_HIGHEST = {"momentum_optimizer": 0.5, "rms_prop_optimizer": 0.05, "adam_optimizer": 0.02}
_HIGHEST_FOR_AN_IMAGE = 0.004
# By meta-architecture and optimizer: the rate of the published configs for one image of a batch.
# Others, such as Adam's, have a common start, whatever the batch; no advice is above the last.
_USUAL = {
    ("ssd", "momentum_optimizer"): 0.04 / 64,
    ("ssd", "rms_prop_optimizer"): 0.004 / 24,
    ("faster_rcnn", "momentum_optimizer"): 0.0003,
}
_COMMON, _MOST = 0.0002, 0.04


_Rate = Tuple[Tuple[str, ...], str, Any]
_NO_RATE: _Rate = ((), "", None)


def _rate(setup: Setup) -> Optional[_Rate]:
    """(path of the schedule, its name, its message), None where there is none."""
    name, optimizer = setup.optimizer
    if not name:
        return None
    kind = optimizer.learning_rate.WhichOneof("learning_rate")
    if kind is None:
        return None
    return (
        ("train_config", "optimizer", name, "learning_rate", kind),
        kind,
        getattr(optimizer.learning_rate, kind),
    )


def _no_rate(setup: Setup) -> Iterator[Symptom]:
    name = setup.optimizer[0]
    if name and _rate(setup) is None:
        yield Symptom(
            setup.where("train_config", "optimizer", name), (f"{name} has no learning rate")
        )


def _refused_schedule(setup: Setup) -> Iterator[Symptom]:
    path, kind, rate = _rate(setup) or _NO_RATE
    if kind == "manual_step_learning_rate":
        steps = [one.step for one in rate.schedule]
        if not steps:
            yield Symptom(
                setup.where(*path),
                "the schedule is empty",
                "write schedule { step: ... learning_rate: ... }, or a constant_learning_rate",
            )
        wrong = [(before, after) for before, after in zip(steps, steps[1:]) if after <= before]
        if wrong:
            before, after = wrong[0]
            yield Symptom(
                setup.where(*(path + ("schedule", "step"))),
                f"step {after} comes after step {before}",
                "write the steps in ascending order",
            )
    if kind != "cosine_decay_learning_rate":
        return
    if rate.total_steps < rate.warmup_steps:
        total = max(setup.train.num_steps, rate.warmup_steps + 1)
        yield Symptom(
            setup.where(*(path + ("total_steps",))),
            f"total_steps is {rate.total_steps}, and warmup_steps {rate.warmup_steps}: the "
            "schedule ends before it starts",
            f"write total_steps: {total}",
            (ConfigEdit(path + ("total_steps",), str(total), "as long as the run"),),
        )
    elif rate.warmup_steps > 0 and rate.warmup_learning_rate > rate.learning_rate_base:
        literal = f"{rate.learning_rate_base / 3:g}"
        yield Symptom(
            setup.where(*(path + ("warmup_learning_rate",))),
            f"warmup_learning_rate is {rate.warmup_learning_rate:g}, more than "
            f"learning_rate_base {rate.learning_rate_base:g}",
            f"write warmup_learning_rate: {literal}",
            (ConfigEdit(path + ("warmup_learning_rate",), literal, "less than the base"),),
        )


def _short_schedule(setup: Setup) -> Iterator[Symptom]:
    path, kind, rate = _rate(setup) or _NO_RATE
    steps = setup.train.num_steps
    if kind == "cosine_decay_learning_rate" and rate.warmup_steps <= rate.total_steps < steps:
        yield Symptom(
            setup.where(*(path + ("total_steps",))),
            f"the learning rate is 0 from step {rate.total_steps} on, but num_steps is {steps}: "
            f"in the last {100 * (steps - rate.total_steps) // steps} % of the run nothing is "
            "learned",
            f"write total_steps: {steps}",
            (ConfigEdit(path + ("total_steps",), str(steps), "as long as the run"),),
        )


def _warming(setup: Setup) -> Iterator[Symptom]:
    path, kind, rate = _rate(setup) or _NO_RATE
    steps = setup.train.num_steps
    field = {
        "cosine_decay_learning_rate": "warmup_steps",
        "exponential_decay_learning_rate": "burnin_steps",
    }.get(kind, "")
    if (
        field
        and steps
        and getattr(rate, field) >= steps
        and getattr(rate, "total_steps", steps) >= getattr(rate, field)
    ):
        literal = str(max(1, steps // 10))
        yield Symptom(
            setup.where(*(path + (field,))),
            f"{field} is {getattr(rate, field)}, but num_steps is {steps}: the run ends before "
            "the learning rate reaches its base",
            f"write {field}: {literal}",
            (ConfigEdit(path + (field,), literal, "a tenth of the run"),),
        )


def _never_decays(setup: Setup) -> Iterator[Symptom]:
    path, kind, rate = _rate(setup) or _NO_RATE
    steps = setup.train.num_steps
    if not steps:
        return
    if kind == "exponential_decay_learning_rate" and rate.decay_steps >= steps and rate.staircase:
        yield Symptom(
            setup.where(*(path + ("decay_steps",))),
            f"decay_steps is {rate.decay_steps}, and num_steps {steps}: the learning rate never "
            "decays",
        )
    if kind == "manual_step_learning_rate" and rate.schedule and rate.schedule[0].step >= steps:
        yield Symptom(
            setup.where(*(path + ("schedule", "step"))),
            f"the first step is at {rate.schedule[0].step}, and num_steps is {steps}: the "
            "learning rate never decays",
        )
    if kind == "cosine_decay_learning_rate" and rate.total_steps > 2 * steps:
        yield Symptom(
            setup.where(*(path + ("total_steps",))),
            f"total_steps is {rate.total_steps}, and num_steps {steps}: the run ends while the "
            "learning rate is still high",
        )


def _base_rate(setup: Setup) -> Optional[float]:
    _, kind, rate = _rate(setup) or _NO_RATE
    return getattr(
        rate,
        {
            "constant_learning_rate": "learning_rate",
            "cosine_decay_learning_rate": "learning_rate_base",
        }.get(kind, "initial_learning_rate"),
        None,
    )


def _high_rate(setup: Setup) -> Iterator[Symptom]:
    name, rate = setup.optimizer[0], _base_rate(setup)
    batch = max(1, setup.train.batch_size)
    most = _HIGHEST.get(name, float("inf"))
    if name == "momentum_optimizer":
        most = max(most, _HIGHEST_FOR_AN_IMAGE * batch)
    if rate is None or rate <= most:
        return
    usual = _USUAL.get((setup.meta, name))
    advised = _COMMON if usual is None else min(_MOST, usual * batch)
    yield Symptom(
        setup.where(*(_rate(setup) or _NO_RATE)[0]),
        f"the learning rate is {rate:g}; with {name} and a batch_size of {batch}, hardly any "
        f"detector's loss stays finite above {most:g}",
        f"begin with {advised:.1g}, as usual for {setup.meta}, {name} and this batch_size",
    )


def _no_learning(setup: Setup) -> Iterator[Symptom]:
    _, kind, rate = _rate(setup) or _NO_RATE
    rises = kind == "manual_step_learning_rate" and any(one.learning_rate for one in rate.schedule)
    if _base_rate(setup) == 0 and not rises:
        yield Symptom(setup.where(*(_rate(setup) or _NO_RATE)[0]), "the learning rate is 0")


CHECKS = (
    Check(
        "RATE_MISSING",
        ERROR,
        'The optimizer has no learning rate ("Learning_rate None not supported").',
        "write learning_rate { ... }",
        _no_rate,
    ),
    Check(
        "SCHEDULE_REFUSED",
        ERROR,
        "The API refuses the learning rate's schedule (\"total_steps must be larger or equal to "
        'warmup_steps", "strictly increasing", "Empty learning rate schedule").',
        "correct the schedule",
        _refused_schedule,
    ),
    Check(
        "RATE_ZERO",
        ERROR,
        "With a learning rate of 0 the model learns nothing.",
        "write a learning rate",
        _no_learning,
    ),
    Check(
        "SCHEDULE_SHORT",
        WARNING,
        "The learning rate reaches 0 long before the run ends.",
        "set total_steps to num_steps",
        _short_schedule,
    ),
    Check(
        "SCHEDULE_WARMS_UP",
        WARNING,
        "The run ends while its learning rate is still warming up.",
        "warm up for a smaller part of the run",
        _warming,
    ),
    Check(
        "RATE_HIGH",
        WARNING,
        'The learning rate is so high that the loss is likely to become NaN ("LossTensor is inf '
        'or nan", "NaN loss during training").',
        "begin with the rate that published configs of the model and its optimizer have",
        _high_rate,
    ),
    Check(
        "RATE_STAYS",
        INFO,
        "The learning rate never decays: the run ends before its first decay.",
        "nothing to do, unless the run was meant to be longer",
        _never_decays,
    ),
)
