"""The command line: graphfix VERB SOURCE [flags].

stdout is for results, stderr for messages.  Exit codes: 0 done, 1 a check found a difference,
2 usage, 3 the input was refused, 4 verification failed; as a shell counts signals, 130 interrupted,
141 whoever read stdout left.
"""

import argparse
import os
import sys
from typing import List, Optional

from graphfix.errors import GraphfixError, Problem, RequestError

_TRAINERS = ("any", "model_main", "legacy")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="graphfix", description="Carry a TensorFlow 1 Object Detection API detector over to new "
        "classes, with its trained weights.")
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
    one = verb("verify", _verify, "check a converted directory again")
    one.add_argument("directory", metavar="OUT", help="a directory that convert wrote")
    one.add_argument("--stock", action="store_true",
                     help="build the stock training graph and restore into it")
    one.add_argument("--stock_python", help="the Python that has TensorFlow 1.15 and the API")
    one.add_argument("--trainer", choices=_TRAINERS[1:], default="legacy",
                     help="whose training graph to build")
    one.add_argument("--steps", type=int, default=0, help="training steps to take")
    one.add_argument("--model_dir", help="a directory written by convert --model_dir to resume")
    one.add_argument("--json", action="store_true", help="print the stock API's answer as JSON")
    return top


def _source_flags(parser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a model directory, its .tar.gz, or a checkpoint "
                        "prefix")
    parser.add_argument("--pipeline_config_path", help="the config, if not beside the checkpoint")


def _target_flags(parser) -> None:
    parser.add_argument("--label_map_path", help="the new classes")
    parser.add_argument("--num_classes", type=int, help="their number, where there are no names")
    parser.add_argument("--source_label_map_path", help="the classes the model knows "
                        "(default: COCO's for 90 classes)")
    parser.add_argument("--map", action="append", default=[], metavar="NEW=OLD",
                        help="the old class a new one is made of; NEW=A+B averages, NEW= is fresh")
    parser.add_argument("--new_rows", choices=("prior", "mean", "random", "zero"), default="prior",
                        help="how new classes start")
    parser.add_argument("--anchors", metavar="FILE", help="an anchor generator, as in a config, to "
                        "carry the trained boxes over to")
    parser.add_argument("--seed", type=int, default=0, help="of the noise new classes start from")
    parser.add_argument("--weights", choices=("auto", "raw", "ema"), default="auto",
                        help="trained values or their moving averages")
    parser.add_argument("--target_api", default="auto", metavar="YYYY-MM",
                        help="revision date of the API that will train")
    parser.add_argument("--trainer", choices=_TRAINERS, default="any", help="which will train")
    parser.add_argument("--fine_tune_checkpoint", help="the checkpoint's path as the trainer will "
                        "see it")
    parser.add_argument("--model_dir", help="also write a complete training checkpoint there, for "
                        "the trainer to resume from")
    parser.add_argument("--train_record", help="the training records to write into the config")
    parser.add_argument("--eval_record", help="the evaluation records to write into the config")


def _target(args):
    from graphfix.verbs.convert import Target
    return Target(**{name: getattr(args, name) for name in (
        "label_map_path", "num_classes", "source_label_map_path", "map", "new_rows", "seed",
        "weights", "target_api", "trainer", "fine_tune_checkpoint", "train_record",
        "eval_record", "anchors")})


def _inspect(args) -> int:
    from graphfix.verbs.inspect import inspect
    _print(inspect(args.source, config_path=args.pipeline_config_path, as_json=args.json) + "\n")
    return 0


def _plan(args) -> int:
    from graphfix.source import open_source
    from graphfix.surgery.plan_json import to_json
    from graphfix.verbs.convert import format_plan, make_plan
    source = open_source(args.source, config_path=args.pipeline_config_path)
    plan = make_plan(source, _target(args), output_directory=args.output_directory,
                     resumable=bool(args.model_dir))
    if args.json:
        _print(to_json(plan))
        _say(plan.findings)
    else:
        _print(format_plan(plan) + "\n")
    return 0


def _convert(args) -> int:
    from graphfix.verbs.convert import Target, convert
    target = _target(args)
    if args.plan and target != Target(map=[]):
        args.parser.error("--plan says what the result is: leave the flags out that say it too")
    report = convert(args.source, target, output_directory=args.output_directory,
                     overwrite=args.overwrite, plan_path=args.plan,
                     config_path=args.pipeline_config_path, model_dir=args.model_dir)
    _say(report.findings)
    if args.json:
        _print(report.to_json())
    else:
        _print(report.summary + "\n")
    return report.exit_code


def _verify(args) -> int:
    from graphfix.verbs.verify import verify, verify_stock
    done = verify(args.directory)
    if not args.stock:
        _print(done + "\n")
        return 0
    _say([done, "asking the stock API ..."])
    summary, details = verify_stock(args.directory, python=args.stock_python, trainer=args.trainer,
                                    steps=args.steps, model_dir=args.model_dir)
    _print((details if args.json else summary) + "\n")
    return 0


def _print(text: str) -> None:
    """Writes a result to stdout; what its encoding does not have is escaped."""
    if sys.stdout is None:
        return
    encoding = sys.stdout.encoding or "ascii"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RequestError("standard output", "cannot be written: %s" % error.strerror,
                           "direct it elsewhere") from None


def _say(lines) -> None:
    try:
        for line in lines:
            print(line, file=sys.stderr)
    except OSError:
        pass  # nobody listens


def main(argv: Optional[List[str]] = None) -> int:
    """Runs a command line (this process's, where none is given); the exit code."""
    args = parser().parse_args(argv)
    try:
        return args.run(args)
    except GraphfixError as error:
        _say("graphfix: %s" % problem for problem in error.problems)
        return error.exit_code
    except BrokenPipeError:
        # There is nobody to tell; and what is still buffered must not be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        _say(["graphfix: interrupted"])
        return 130
    except MemoryError:
        _say(["graphfix: %s" % Problem("this machine", "ran out of memory", "give it more")])
        return 3


def run() -> None:
    """The `graphfix` command."""
    sys.exit(main())
