"""What is said of the figures {target: {arm: [{step: {"map", "ap": {class: AP}}}, one a seed]}}."""

import time

from training import spread
from transfer.targets import TARGETS

DEFAULTS, LOAD_ALL = "stock defaults", "stock load_all"
GRAPHFIX, FROZEN, ROWS = "graphfix", "graphfix, frozen backbone", "graphfix, new rows %s"
MAIN = (DEFAULTS, LOAD_ALL, GRAPHFIX, FROZEN)
LEVELS = (0.5, 0.7)  # of mAP; how many steps until then
LIMITS = (
    "* Longer training. With more steps and pictures, what is learned from nothing may catch up.",
    "* Other detectors and pictures. The shapes are drawn, the detector is small, and its backbone "
    "was trained on the same generator, not on photographs.",
    "* Other learning rates. One that is too high forgets what was carried.",
)


def slug(arm):
    return arm.replace(",", "").replace(" ", "_")


def mean_ap(one, classes):
    """mAP of some classes at one step."""
    return sum(one["ap"][name] for name in classes) / len(classes)


def steps_to(run, level):
    """Steps until mAP reaches `level`, between two evaluations by a straight line; None: never."""
    before = None
    for step, one in sorted(run.items()):
        if one["map"] >= level:
            if before is None:
                return 0.0
            at, value = before
            return at + (step - at) * (level - value) / (one["map"] - value)
        before = step, one["map"]
    return None


def told_steps(runs, level):
    """`57 (52-61)`; where some seeds never get there, how many do."""
    reached = [steps for steps in (steps_to(run, level) for run in runs) if steps is not None]
    if not reached:
        return "not reached"
    some = "" if len(reached) == len(runs) else f", {len(reached)} of {len(runs)} seeds"
    return spread(reached, digits=0) + some


def curve(runs, classes=None):
    """[{step: mAP}] of all classes, or of some."""
    return [
        {
            step: one["map"] if classes is None else mean_ap(one, classes)
            for step, one in run.items()
        }
        for run in runs
    ]


def at(runs, step, classes=None):
    return [one[step] for one in curve(runs, classes)]


def _table(head, rows):
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _parts(target):
    """(what the classes are called, the classes) of a target: kept ones, new ones."""
    new = tuple(name for name in target.classes if name not in target.kept)
    return [(what, classes) for what, classes in (("kept", target.kept), ("new", new)) if classes]


def target_lines(target, arms):
    """Tables of one target."""
    steps = sorted(next(iter(arms.values()))[0])
    last = steps[-1]
    parts = _parts(target)
    yield "## " + target.title
    yield ""
    yield f"mAP of all {len(target.classes)} classes by training steps:"
    yield ""
    yield from _table(
        ["start"] + [f"{step} steps" for step in steps],
        [[arm] + [spread(at(runs, step)) for step in steps] for arm, runs in arms.items()],
    )
    yield "Kept classes at step 0, steps to reach a mAP (of all classes), and mAP at the end:"
    yield ""
    kept = bool(target.kept)
    yield from _table(
        ["start"]
        + ["kept classes, step 0"] * kept
        + [f"steps to {level:g}" for level in LEVELS]
        + [f"{what} classes, {last} steps" for what, _ in parts],
        [
            [arm]
            + ([spread(at(runs, 0, target.kept))] if kept else [])
            + [told_steps(runs, level) for level in LEVELS]
            + [spread(at(runs, last, classes)) for _, classes in parts]
            for arm, runs in arms.items()
        ],
    )


def verdict(ours, theirs, fewer_is_better=False):
    """`better`, `worse`, or `no difference`: better is when the worst seed beats their best."""
    ours, theirs = (
        [-value for value in values] if fewer_is_better else values for values in (ours, theirs)
    )
    if min(ours) > max(theirs):
        return "better"
    return "worse" if max(ours) < min(theirs) else "no difference"


def comparisons(figures):
    """(target's title, measure, arm, figures, arm compared with, its figures, verdict)."""
    for name, arms in figures.items():
        target = TARGETS[name]
        last = max(next(iter(arms.values()))[0])
        measures = [
            (f"mAP of {what} classes at step {step}", step, classes)
            for what, classes in _parts(target)
            for step in (0, last)
            if (what, step) != ("new", 0)
        ]
        pairs = [(GRAPHFIX, LOAD_ALL), (FROZEN, GRAPHFIX)]
        pairs += [(arm, GRAPHFIX) for arm in arms if arm not in MAIN]
        for ours, theirs in pairs:
            for measure, step, classes in measures:
                if step == 0 and ours == FROZEN:
                    continue  # freezing does nothing before the first step
                values = [at(arms[arm], step, classes) for arm in (ours, theirs)]
                yield (
                    target.title,
                    measure,
                    ours,
                    spread(values[0]),
                    theirs,
                    spread(values[1]),
                    verdict(*values),
                )
            # A seed that never gets there takes longer than any that does.
            for level in LEVELS:
                values = [
                    [
                        last + 1 if steps is None else steps
                        for steps in (steps_to(run, level) for run in arms[arm])
                    ]
                    for arm in (ours, theirs)
                ]
                yield (
                    target.title,
                    f"steps to mAP {level:g}",
                    ours,
                    told_steps(arms[ours], level),
                    theirs,
                    told_steps(arms[theirs], level),
                    verdict(*values, True),
                )


def lines(figures, command, about):
    yield "# Classes carried over: what that is worth"
    yield ""
    yield (
        "<!-- Written by `python benchmarks/transfer --write`: the text is in it, the figures are "
        "measured. -->"
    )
    yield ""
    yield about[about.index("The detector") : about.index("Needs a Python")].strip()
    yield ""
    yield (
        f"Measured {time.strftime('%Y-%m-%d')} with `python benchmarks/transfer {command}`. The "
        "learning rate is the config's own, "
        "warmed up over a tenth of the steps and then falling to 0 by its cosine schedule; it was "
        "tuned for no start. A figure is the mean of the seeds, and in brackets the least and the "
        "most of them. Seeds vary the trainer's random numbers (new heads, the order of pictures) "
        "and the noise of new rows."
    )
    yield ""
    yield "![mAP by steps](transfer.png)"
    yield ""
    yield "Raw figures, with the AP of each class, are in `transfer.json`."
    yield ""
    for name, arms in figures.items():
        yield from target_lines(TARGETS[name], arms)
    found = list(comparisons(figures))
    yield "## Where graphfix does not help"
    yield ""
    yield (
        f"Of all comparisons of `{GRAPHFIX}` with `{LOAD_ALL}`, those where it is not better in "
        'every seed. "No '
        "difference\" means that the seeds' ranges overlap:"
    )
    yield ""
    yield from _comparison_table(row for row in found if row[2] == GRAPHFIX and row[-1] != "better")
    yield "What this says nothing of:"
    yield ""
    yield from LIMITS
    yield ""
    yield "## What `--freeze backbone` and `--new_rows` change"
    yield ""
    yield (
        f"Compared with `{GRAPHFIX}` (nothing frozen, new rows `prior`), where the ranges of the "
        "seeds do "
        "not overlap. Whatever is not listed showed no difference."
    )
    yield ""
    yield from _comparison_table(
        row for row in found if row[2] != GRAPHFIX and row[-1] != "no difference"
    )


def _comparison_table(rows):
    rows = list(rows)
    if not rows:
        return iter(("None.", ""))
    return _table(
        ("data set", "measure", "start", "figures", "compared with", "figures", "it is"), rows
    )


def text(figures, command, about):
    return "\n".join(lines(figures, command, about)).rstrip() + "\n"


def panels(figures):
    """What arms/plot_curves.py draws: the four starts on each target, then the new rows."""
    drawn = [
        {
            "title": TARGETS[name].title,
            "ylabel": "mAP at IoU 0.5",
            "curves": {arm: curve(arms[arm]) for arm in MAIN},
        }
        for name, arms in figures.items()
    ]
    for name, arms in figures.items():
        rows = [arm for arm in arms if arm not in MAIN]
        if rows:
            drawn.append(
                {
                    "title": TARGETS[name].title + ": new classes, by how they start",
                    "ylabel": "mAP of new classes at IoU 0.5",
                    "curves": {
                        arm: curve(arms[arm], dict(_parts(TARGETS[name]))["new"])
                        for arm in [LOAD_ALL, GRAPHFIX] + rows
                    },
                }
            )
    return drawn
