"""The command line: graphfix VERB SOURCE [flags].

stdout is for results, stderr for messages.  endings.py says how a run ends.
"""

import argparse
import json
import sys
from typing import List, Optional

from graphfix.cli import anchors
from graphfix.errors import VerificationError
from graphfix.process import console, signals
from graphfix.process.console import print_json, print_result, say, ticking
from graphfix.process.endings import exit_code

_TRAINERS = ("any", "model_main", "legacy")


class _Parser(argparse.ArgumentParser):
    """One that says what is wrong with words as the words are to be shown."""

    def error(self, message: str):
        super().error(console.escaped(message))


def parser() -> argparse.ArgumentParser:
    top = _Parser(
        prog="graphfix",
        description="Carry a TensorFlow 1 Object Detection API detector over to new "
        "classes, with its trained weights.",
    )
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    verbs.required = True

    def verb(name: str, run, text: str):
        one = verbs.add_parser(name, help=text, description=text)
        one.set_defaults(run=run, parser=one)
        return one

    one = verb("inspect", _inspect, "say what a model is")
    _source_flags(one)
    one.add_argument("--json", action="store_true", help="print JSON")
    one = verb("plan", _plan, "say what convert would do; writes nothing")
    _source_flags(one)
    _target_flags(one)
    one.add_argument("--output_directory", default="OUT", help="where convert would write")
    one.add_argument("--json", action="store_true", help="print the plan as JSON, for --plan")
    one = verb("convert", _convert, "write a checkpoint and config for new classes")
    _source_flags(one)
    _target_flags(one)
    one.add_argument("--output_directory", required=True, help="the directory to write")
    one.add_argument("--overwrite", action="store_true", help="replace what is there")
    one.add_argument("--plan", help="replay a plan (JSON) instead of making one")
    one.add_argument("--json", action="store_true", help="print the report as JSON")
    one = verb("thaw", _thaw, "turn a frozen graph back into a checkpoint that trains")
    one.add_argument(
        "source", metavar="FROZEN", help="a frozen_inference_graph.pb or a SavedModel directory"
    )
    one.add_argument("--pipeline_config_path", help="its config, if not beside it")
    one.add_argument("--output_directory", required=True, help="the directory to write")
    one.add_argument("--overwrite", action="store_true", help="replace what is there")
    one.add_argument(
        "--partial",
        action="store_true",
        help="take what is left, where variables were folded or stripped away",
    )
    one = verb("verify", _verify, "check a converted directory again")
    one.add_argument("directory", metavar="OUT", help="a directory that convert wrote")
    one.add_argument(
        "--stock",
        action="store_true",
        help="have the stock API's own trainers start "
        "from it, and show in its report what came of that",
    )
    stock = one.add_argument_group("with --stock")
    stock.add_argument(
        "--stock_python",
        metavar="PYTHON",
        help="the Python that has TensorFlow 1.15 and the API (default: this one)",
    )
    stock.add_argument(
        "--trainer", choices=_TRAINERS, help="which to start (default: those the plan is for)"
    )
    stock.add_argument("--steps", type=_count, metavar="N", help="training steps to take")
    stock.add_argument(
        "--train_record",
        metavar="FILE",
        help="the records to take them on (default: synthetic ones)",
    )
    stock.add_argument(
        "--model_dir", metavar="DIR", help="resume from what convert --model_dir wrote"
    )
    stock.add_argument(
        "--images",
        nargs="+",
        metavar="JPEG",
        help="pictures to show detections in, the source's and the result's",
    )
    stock.add_argument("--source", metavar="SOURCE", help="with --images: what OUT was made from")
    stock.add_argument("--pipeline_config_path", help="its config, if not beside the checkpoint")
    stock.add_argument(
        "--allow_effects",
        action="store_true",
        help="with --images: run OUT's "
        "frozen graph even if it would touch files, the network or programs",
    )
    stock.add_argument("--json", action="store_true", help="print the stock API's answers as JSON")
    one = verb("batch", _batch, "convert many models by one recipe")
    one.add_argument(
        "recipe",
        metavar="RECIPE",
        help="which models, and into what: a text file, as docs/batch.md says",
    )
    one.add_argument(
        "--output_directory", required=True, help="the directory to write: one in it for each model"
    )
    one.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="models to convert at once")
    one.add_argument("--json", action="store_true", help="print the outcomes as JSON")
    one = verb("doctor", _doctor, "say why a config can't be trained, or what it starts from")
    one.add_argument("config", metavar="PIPELINE_CONFIG", nargs="?", help="a pipeline.config")
    one.add_argument("--model_dir", help="the directory the trainer will write to, and resume from")
    one.add_argument(
        "--target_api",
        default="auto",
        metavar="YYYY-MM",
        help="revision date of the API that will train",
    )
    one.add_argument("--trainer", choices=_TRAINERS, default="any", help="which will train")
    one.add_argument(
        "--fix", metavar="OUT.config", help="write the config with every remedy that it can take"
    )
    one.add_argument(
        "--overwrite", action="store_true", help="with --fix: replace a file that is there"
    )
    one.add_argument(
        "--sample",
        type=_count,
        metavar="N",
        help="look at N records of each data set instead of all",
    )
    one.add_argument("--json", action="store_true", help="print the findings as JSON")
    one.add_argument(
        "--explain",
        metavar="TEXT",
        help="say what a trainer's error message means, instead; no config is needed",
    )
    one = verb("diff", _diff, "say where two models, or two files of models, differ")
    one.add_argument(
        "one",
        metavar="A",
        help="a checkpoint, frozen graph, config, label map, or a model's directory or archive",
    )
    one.add_argument("two", metavar="B", help="what to hold against it")
    one.add_argument("--json", action="store_true", help="print all differences as JSON")
    one = verb(
        "check", _check, "hold an output against the golden file that says what it should be"
    )
    one.add_argument("directory", metavar="OUT", help="a directory that convert wrote")
    one.add_argument("--golden", required=True, metavar="FILE", help="the golden file")
    one.add_argument("--update", action="store_true", help="make the golden file what OUT is now")
    one.add_argument("--junit", metavar="FILE", help="write the result as JUnit XML, too")
    one.add_argument(
        "--overwrite",
        action="store_true",
        help="with --update or --junit: also replace a file that check did not write",
    )
    one.add_argument("--json", action="store_true", help="print all differences as JSON")
    anchors.add_verbs(
        verb("anchors", _anchors, "fit anchors to a data set, show them, or put them into a config")
    )
    return top


def _source_flags(parser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a model directory, its .tar.gz, a checkpoint "
        "prefix, a frozen_inference_graph.pb or a SavedModel directory",
    )
    parser.add_argument("--pipeline_config_path", help="the config, if not beside the checkpoint")


def _target_flags(parser) -> None:
    parser.add_argument("--label_map_path", help="the new classes")
    parser.add_argument("--num_classes", type=int, help="their number, where there are no names")
    parser.add_argument(
        "--source_label_map_path",
        help="the classes the model knows (default: COCO's for 90 classes)",
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="NEW=OLD",
        help="the old class a new one is made of; NEW=A+B averages, NEW= is fresh",
    )
    parser.add_argument(
        "--new_rows",
        choices=("prior", "mean", "random", "zero"),
        default="prior",
        help="how new classes start",
    )
    parser.add_argument(
        "--anchors",
        metavar="FILE",
        help="an anchor generator, as in a config, to carry the trained boxes over to",
    )
    parser.add_argument(
        "--anchor_boxes",
        choices=("carry", "random"),
        default="carry",
        help="with --anchors: recode the box heads, or start them afresh",
    )
    parser.add_argument(
        "--freeze",
        choices=("none", "backbone", "all_but_heads", "all_but_class_heads"),
        help="layers the trainer shall leave as they are (default: as the config says)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the noise new classes start from")
    parser.add_argument(
        "--weights",
        choices=("auto", "raw", "ema"),
        default="auto",
        help="trained values or their moving averages",
    )
    parser.add_argument(
        "--target_api",
        default="auto",
        metavar="YYYY-MM",
        help="revision date of the API that will train",
    )
    parser.add_argument("--trainer", choices=_TRAINERS, default="any", help="which will train")
    parser.add_argument(
        "--fine_tune_checkpoint", help="the checkpoint's path as the trainer will see it"
    )
    parser.add_argument(
        "--model_dir",
        help="also write a complete training checkpoint there, for the trainer to resume from",
    )
    parser.add_argument("--train_record", help="the training records to write into the config")
    parser.add_argument("--eval_record", help="the evaluation records to write into the config")


def _target(args):
    from graphfix.conversion.convert import Target

    return Target(
        **{
            name: getattr(args, name)
            for name in (
                "label_map_path",
                "num_classes",
                "source_label_map_path",
                "map",
                "new_rows",
                "seed",
                "weights",
                "target_api",
                "trainer",
                "fine_tune_checkpoint",
                "train_record",
                "eval_record",
                "anchors",
                "anchor_boxes",
                "freeze",
            )
        }
    )


def _inspect(args) -> int:
    from graphfix.conversion.inspect import inspect

    answer = inspect(args.source, config_path=args.pipeline_config_path)
    if args.json:
        print_json(answer.to_json())
    else:
        print_result(answer.to_lines())
    return 0


def _plan(args) -> int:
    from graphfix.conversion.convert import format_plan, make_plan
    from graphfix.modeldir.openers import open_source
    from graphfix.planning.plan_json import to_json

    source = open_source(args.source, config_path=args.pipeline_config_path)
    plan = make_plan(
        source,
        _target(args),
        output_directory=args.output_directory,
        resumable=bool(args.model_dir),
    )
    if args.json:
        print_json(to_json(plan))
        say(plan.findings)
    else:
        print_result(format_plan(plan))
    return 0


def _convert(args) -> int:
    from graphfix.conversion.convert import Target, convert

    target = _target(args)
    if args.plan and target != Target(map=[]):
        args.parser.error("--plan says what the result is: leave the flags out that say it too")
    report = convert(
        args.source,
        target,
        output_directory=args.output_directory,
        overwrite=args.overwrite,
        plan_path=args.plan,
        config_path=args.pipeline_config_path,
        model_dir=args.model_dir,
    )
    say(report.findings)
    if args.json:
        print_json(report.to_json())
    else:
        print_result([report.summary])
    return report.exit_code


def _thaw(args) -> int:
    from graphfix.conversion.thaw import thaw

    done, findings = thaw(
        args.source,
        output_directory=args.output_directory,
        overwrite=args.overwrite,
        config_path=args.pipeline_config_path,
        partial=args.partial,
    )
    say(findings)
    print_result([done])
    return 0


def _verify(args) -> int:
    from graphfix.verification import verify as verb

    asked = {
        name: getattr(args, name)
        for name in (
            "stock_python",
            "trainer",
            "steps",
            "train_record",
            "model_dir",
            "images",
            "source",
            "pipeline_config_path",
            "allow_effects",
            "json",
        )
    }
    if not args.stock:
        for name, value in asked.items():
            if value:
                args.parser.error(f"--{name} needs --stock")
        words, remarks = verb.verify(args.directory)
        say(remarks)
        print_result([words])
        return 0
    if bool(args.images) != bool(args.source):
        args.parser.error("--images and --source go together")
    words, remarks = verb.verify(args.directory)
    say(remarks + (words,))
    trial = verb.Trial(
        args.trainer or verb.ANY,
        args.steps or 0,
        args.model_dir,
        args.train_record,
        args.source,
        args.pipeline_config_path,
        args.images or (),
        args.allow_effects,
    )
    with ticking("asking the stock API"):
        answer = verb.verify_stock(args.directory, trial, python=args.stock_python)
    say(answer.remarks)
    if args.json:
        print_json(json.dumps(answer.details, indent=2, sort_keys=True))
    else:
        print_result(one.summary for one in answer.verifications)
    for one in answer.verifications:
        if not one.complete:
            say(
                [
                    f"graphfix: {args.directory}: {one.trainer} did not start from all of it, or "
                    "not well"
                ]
                + ["  " + name for name in one.unrestored]
            )
    return 0 if answer.complete else VerificationError.exit_code


def _batch(args) -> int:
    import dataclasses
    import shutil

    from graphfix.batch import batch as verb

    with console.one_line() as show:
        outcomes = verb.batch(
            args.recipe,
            output_directory=args.output_directory,
            jobs=args.jobs,
            progress=lambda *state: show(verb.bar(*state, shutil.get_terminal_size().columns)),
        )
    if args.json:
        print_json(
            json.dumps([dataclasses.asdict(one) for one in outcomes], indent=2, sort_keys=True)
        )
    else:
        print_result(verb.format_outcomes(outcomes))
    return 1 if any(one.verdict == verb.FAILED for one in outcomes) else 0


def _doctor(args) -> int:
    from graphfix.doctor import doctor as verb

    if args.explain is not None:
        if args.config or args.model_dir or args.fix or args.sample is not None:
            args.parser.error("--explain needs nothing but the message")
        found = verb.explain(args.explain)
        if args.json:
            print_json(found.to_json())
        else:
            print_result(found.to_lines())
        return 0 if found.messages else 1
    if args.overwrite and not args.fix:
        args.parser.error("--overwrite needs --fix")
    if not args.config:
        args.parser.error("name a PIPELINE_CONFIG, or a message with --explain")
    with ticking("reading") as progress:
        options = verb.make_options(
            target_api=args.target_api,
            trainer=args.trainer,
            model_dir=args.model_dir,
            sample=args.sample,
            progress=progress,
        )
        answer = verb.diagnose(args.config, options, fix=args.fix, overwrite=args.overwrite)
    say(answer.remarks)
    if args.json:
        print_json(answer.to_json())
    else:
        print_result(answer.to_lines())
    return 0 if answer.diagnosis.trains else 1


def _diff(args) -> int:
    from graphfix.comparison import diff as verb

    return _print_comparison(verb.diff(args.one, args.two), args.json)


def _print_comparison(found, as_json: bool) -> int:
    from graphfix.comparison.diff import to_json, to_lines

    if as_json:
        print_json(to_json(found))
    else:
        print_result(to_lines(found))
    return 0 if found.same else 1


def _check(args) -> int:
    from graphfix.comparison.check import check, update

    if args.update:
        if args.junit or args.json:
            args.parser.error("--update compares nothing: leave --junit and --json out")
        say(update(args.directory, args.golden, overwrite=args.overwrite))
        print_result([f"{args.golden} written"])
        return 0
    found = check(args.directory, args.golden, junit=args.junit, overwrite=args.overwrite)
    return _print_comparison(found, args.json)


def _jobs(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 256:
        raise ValueError(text)
    return number


def _anchors(args) -> int:
    answer = args.work(args)
    say(answer.findings)
    if args.json:
        print_json(json.dumps(answer.data, indent=2, sort_keys=True))
    else:
        print_result(answer.lines)
    return 0


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def main(argv: Optional[List[str]] = None) -> int:
    """Runs a command line (this process's, where none is given); the exit code."""
    before = signals.handlers()
    try:
        return exit_code(lambda: _run(argv))
    finally:
        signals.restore(before)


def run() -> int:
    """Runs this process's command line, the last thing it does; the exit code."""
    try:
        return exit_code(lambda: _run(None))
    finally:
        signals.ignore()


def _run(argv: Optional[List[str]]) -> int:
    try:
        args = parser().parse_args(argv)
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()  # the help, which a closed pipe may not take any more
    return args.run(args)
