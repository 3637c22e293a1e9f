"""From a converted directory to a device: commands that train, watch, evaluate, export and deploy.

What the stock scripts take was looked up in the API of 2019-01, 2019-04, 2019-07 and 2021.
"""

import os
import posixpath
from typing import Iterator, List, NamedTuple, Optional, Tuple

from graphfix.findings import LEFT_OUT
from graphfix.modeldir.names import CONFIG, FROZEN, REPORT_HTML
from graphfix.pipeline_config.paths import INPUT_PATH
from graphfix.process.console import quoted
from graphfix.report import tensorrt
from graphfix.report.exports import Export
from graphfix.report.next_steps import Step, config_path, next_steps
from graphfix.report.report import Report
from graphfix.restore import trainers

# The first that is known to evaluate once, and by itself.
_EVALUATES_ONCE = "2019-01"
_MOVED = "2018-07"  # the old trainer and its evaluation, to legacy/


class Stage(NamedTuple):
    """What to do, what there is to know about it, and its command, if there is one to give."""

    title: str
    remark: str
    command: Optional[str] = None


class Way(NamedTuple):
    """A target of `graphfix export`, and its command or what is in the way."""

    export: Export
    command: Optional[str]


def stages(report: Report) -> Tuple[Tuple[str, Tuple[Stage, ...]], ...]:
    """(trainer, what to do with it, from training to the exported graph), for each trainer the plan
    is for; those that train come first."""
    config = config_path(report)
    if config is None:
        return ()
    api = report.plan.target_api
    steps = sorted(next_steps(report), key=lambda one: one.command is None)
    return tuple((one.trainer, tuple(_stages(one, config, api))) for one in steps)


def exported(config: str) -> str:
    """The directory that the stock exporter is to write."""
    return f"{posixpath.dirname(config)}_exported"


def _stages(step: Step, config: str, api: str) -> List[Stage]:
    train = Stage("Train", step.remark, step.command)
    if step.command is None:
        return [train]
    return [
        train,
        Stage(
            "Watch",
            "TensorBoard shows losses, and what evaluation finds.",
            f"tensorboard --logdir={quoted(step.directory)}",
        ),
        _evaluation(step, config, api),
        Stage(
            "Export",
            "Makes a frozen graph, and a SavedModel for TensorFlow Serving, of the latest "
            "checkpoint, in a new directory.",
            export_command(step, config),
        ),
    ]


def _evaluation(step: Step, config: str, api: str) -> Stage:
    directory = quoted(step.directory)
    path = f"--pipeline_config_path={quoted(config)}"
    once = api >= _EVALUATES_ONCE
    if step.trainer == trainers.MODEL_MAIN:
        during = "model_main evaluates while it trains, too"
        if not once:
            return Stage("Evaluate", f"{during}.")
        words = ["object_detection.model_main", path, f"--model_dir={directory}"]
    else:
        legacy = "legacy." if api >= _MOVED else ""
        during = "To run beside the training, or after it"
        words = [f"object_detection.{legacy}eval", path]
        words.append(f"--eval_dir={quoted(posixpath.join(step.directory, 'eval'))}")
    words.append(f"--checkpoint_dir={directory}")
    remark = f"{during}; this evaluates the latest checkpoint once."
    if once:
        words.append("--run_once")
    else:
        remark = f"{during}; it goes on until it is stopped."
    return Stage("Evaluate", remark, _command(words))


def export_command(step: Step, config: str) -> str:
    """The stock exporter's, for the latest checkpoint of a trainer."""
    # The shell finds it: nobody knows yet how long training will go on.
    latest = f"ls {quoted(step.directory)}/model.ckpt-*.index | sort -V | tail -n 1"
    return _command(
        [
            "object_detection.export_inference_graph",
            "--input_type=image_tensor",
            f"--pipeline_config_path={quoted(config)}",
            f"--trained_checkpoint_prefix=\"$({latest} | sed 's/.index$//')\"",
            f"--output_directory={quoted(exported(config))}",
        ]
    )


def _command(words: List[str]) -> str:
    return " \\\n    ".join([f"python -m {words[0]} --alsologtostderr", *words[1:]])


def ways(report: Report) -> Tuple[Way, ...]:
    """What the exported model can become, or why not."""
    config = config_path(report)
    if config is None:
        return ()
    return tuple(Way(one, _way(one, config)) for one in report.exports)


def _way(one: Export, config: str) -> Optional[str]:
    if one.problems:
        return None
    command = _export_command(one.target, config)
    if one.drop_quantization:
        command += " --drop_quantization"
    return command + (" --runtime_python PYTHON" if one.python else "")


def _export_command(target: str, config: str) -> str:
    out = f"{posixpath.dirname(config)}_{target}"
    return f"graphfix export {target} {quoted(exported(config))} -o {quoted(out)}"


def to_tensorrt(report: Report) -> Optional[str]:
    """What makes a TensorRT engine of the exported model, where its plugin suppresses as the model
    does."""
    config = config_path(report)
    known = [one.suppression for one in report.exports if one.suppression and not one.problems]
    if config is None or not known or report.plan.target_api < tensorrt.FIRST:
        return None
    graph = posixpath.join(exported(config), FROZEN)
    return tensorrt.commands(known[0], graph, f"{posixpath.dirname(config)}_tensorrt")


def what_next(report: Report, directory: str) -> Tuple[str, ...]:
    """Lines for who converted into a directory: where it is, and the next command to paste."""
    page = os.path.join(directory, REPORT_HTML)
    written = f"{directory} written; {page} has the details"
    return (written, *_next(report, directory, page), *_left_out(report))


def _next(report: Report, directory: str, page: str) -> Iterator[str]:
    config = os.path.join(directory, CONFIG)
    first = _before_training(report, config)
    if first:
        yield f"next, {first}, and see whether it will train:"
        yield f"graphfix doctor {quoted(config)}"
        yield f"then train, and export what you have trained: {page} has the commands"
        return
    found = next_steps(report)
    for one in found:
        if one.command:
            yield "next, train:"
            yield from one.command.split("\n")
            yield from _after(report, one)
            return
    yield from (f"next: {one.remark}" for one in found[:1])


def _left_out(report: Report) -> Iterator[str]:
    """The last line, where it is not overlooked."""
    found = [one for one in report.findings if one.code == LEFT_OUT]
    if found:
        names = " and ".join(one.subject for one in found)
        reasons = "; ".join(dict.fromkeys(one.message for one in found))
        yield f"{names} left out ({LEFT_OUT}): {reasons}"


def _before_training(report: Report, config: str) -> Optional[str]:
    """What is to be done before a trainer can read what the config names, if anything."""
    codes = {one.code for one in report.findings}
    if "PLACEHOLDER" in codes:
        return f"write the paths that are still placeholders into {config}"
    plan = report.plan
    given = {edit.path[0] for edit in plan.config_edits if edit.path[1:] == INPUT_PATH}
    same = plan.source_names == tuple(one.display_name for one in plan.classes)
    if "train_input_reader" not in given and not same:
        return (
            f"set your records in {config} (they are the source's; --train_record sets them, too)"
        )
    return "write the records" if "RECORD_MISSING" in codes else None


def _after(report: Report, step: Step) -> Iterator[str]:
    """Lines for who has trained."""
    config = config_path(report)
    assert config is not None, "there is a command"
    yield "after training, export it this way:"
    yield from export_command(step, config).split("\n")
    ways = [one for one in report.exports if not one.problems]
    if ways:
        names = ", ".join(one.target for one in ways)
        yield f"and then to another runtime, TARGET being one of {names}:"
        yield _export_command("TARGET", config)
        tools = [one.target for one in ways if one.python]
        if tools:
            yield f"({', '.join(tools)}: in a Python with their tools, or --runtime_python PYTHON)"
