"""What to run next: the command lines of the stock trainers that start from what was written.

Modules, not files, are named, because `python -m` works from an installed API as well as from
upstream's research/ directory.
"""

import posixpath
from typing import NamedTuple, Optional, Tuple

from graphfix.formats.textproto.literals import BadLiteral, parse_string
from graphfix.modeldir.names import CONFIG
from graphfix.process.console import quoted
from graphfix.report.report import Report
from graphfix.restore import trainers

# Trainer, first month, module, the flag that names its directory.  From the history of
# upstream's files: the old trainer moved to legacy/ on 2018-07-12, model_main came in 2018-04.
_MODULES = (
    (trainers.LEGACY, "2017-06", "object_detection.train", "train_dir"),
    (trainers.LEGACY, "2018-07", "object_detection.legacy.train", "train_dir"),
    (trainers.MODEL_MAIN, "2018-04", "object_detection.model_main", "model_dir"),
)


class Step(NamedTuple):
    """A command for a shell and what to know about it; no command where there is none to give.
    `directory` is the one that the trainer writes to."""

    trainer: str
    command: Optional[str]
    remark: str
    directory: str = ""


def next_steps(report: Report) -> Tuple[Step, ...]:
    """How to train from the result, for each trainer the plan is for."""
    plan = report.plan
    config = config_path(report)
    if config is None:
        return ()
    return training_steps(plan.target_api, plan.trainer, config, report.model_dir)


def training_steps(
    target_api: str, trainer: str, config: str, model_dir: Optional[str] = None
) -> Tuple[Step, ...]:
    """How to train from a config, for each trainer that a `--trainer` stands for; `model_dir` has a
    complete checkpoint to resume from."""
    steps = []
    for name, what in trainers.restored(target_api, trainer):
        modules = [
            (module, flag)
            for owner, since, module, flag in _MODULES
            if owner == name and since <= target_api
        ]
        if not modules:
            steps.append(Step(name, None, f"The API of {target_api} has no {name}."))
        elif what == trainers.EVERYTHING or model_dir:
            module, flag = modules[-1]
            # A directory for each: a trainer resumes from whatever it finds in its own.
            directory = model_dir or f"{posixpath.dirname(config)}_{name}"
            command = (
                f"python -m {module} --alsologtostderr \\\n    "
                f"--pipeline_config_path={quoted(config)} \\\n    "
                f"--{flag}={quoted(directory)}"
            )
            steps.append(
                Step(
                    name,
                    command,
                    (f"Resumes from the complete checkpoint in {model_dir}.")
                    if model_dir
                    else "Restores the checkpoint and trains in a new directory.",
                    directory,
                )
            )
        else:
            steps.append(
                Step(
                    name,
                    None,
                    (
                        f"{name} of {target_api} would not restore all of the checkpoint; "
                        "see the findings."
                    ),
                )
            )
    return tuple(steps)


def verify_command(config: str) -> str:
    """The command that has the stock API start from a converted directory, by its config."""
    return f"graphfix verify {quoted(posixpath.dirname(config))} --stock --steps 5"


def tf2_command(config: str) -> str:
    """The command that trains with TensorFlow 2 from an exported config."""
    directory = f"{posixpath.dirname(config)}_training"
    return (
        "python -m object_detection.model_main_tf2 --alsologtostderr \\\n    "
        f"--pipeline_config_path={quoted(config)} \\\n    "
        f"--model_dir={quoted(directory)}"
    )


def config_path(report: Report) -> Optional[str]:
    """The path of the emitted config as the trainer will see it: beside the checkpoint."""
    for edit in report.plan.config_edits:
        if edit.path == ("train_config", "fine_tune_checkpoint") and edit.literal:
            try:
                checkpoint = parse_string(edit.literal).decode("utf-8", "replace")
            except BadLiteral:
                return None
            return posixpath.join(posixpath.dirname(checkpoint), CONFIG)
    return None
