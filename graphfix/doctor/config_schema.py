"""Checks of config text that can be parsed, but has not the blocks, fields and values it needs."""

import difflib
import re
from typing import Iterator, List, Optional, Tuple

from graphfix.detectors.families import FASTER_RCNN, SSD
from graphfix.detectors.tensorflow_2 import find_sign
from graphfix.doctor import field_location
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, WARNING
from graphfix.formats.textproto import (
    DUPLICATE,
    ONEOF_CONFLICT,
    OUT_OF_RANGE,
    UNKNOWN_FIELD,
    UNKNOWN_VALUE,
    WRONG_TYPE,
    Block,
    Scalar,
    quote,
)
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.paths import INPUT_READERS
from graphfix.pipeline_config.schema_history import PIPELINE, everything
from graphfix.restore import trainers

_KINDS = (UNKNOWN_FIELD, WRONG_TYPE, UNKNOWN_VALUE, OUT_OF_RANGE)


def _problems(setup: Setup, *kinds: str):
    if setup.document is None:
        return
    for problem in setup.problems:
        if problem.kind in kinds:
            yield problem, field_location.locate(setup.document, problem.line, problem.column)


def _home(setup: Setup, name: str, block: Block) -> Optional[Tuple[str, ...]]:
    """The path of the only other block in the document whose message has a field `name`, () for the
    outermost; None where there is no such block, or more than one."""
    found: List[Tuple[str, ...]] = []

    def look(inner: Block, message: str, path: Tuple[str, ...]) -> None:
        if inner is not block and everything().field(message, name):
            found.append(path)
        for field in inner.fields:
            spec = everything().field(message, field.name)
            for value in field.values:
                if spec is not None and isinstance(value, Block):
                    look(value, spec.type, path + (field.name,))

    look(setup.document.root, PIPELINE, ())
    return found[0] if len(found) == 1 else None


def _misplaced(setup: Setup) -> Iterator[Symptom]:
    for problem, place in _problems(setup, UNKNOWN_FIELD):
        home = _home(setup, place[2].name, place[1])
        if home is None or (_near(problem) and len(home) > 1):
            continue
        yield _moved(problem, place, home)


def _moved(problem, place, home: Tuple[str, ...]) -> Symptom:
    path, _, field = place
    where = ".".join(home) or "the outermost level"
    edits: Tuple[ConfigEdit, ...] = ()
    if len(field.values) == 1 and not isinstance(field.values[0], Block):
        edits = (
            ConfigEdit(path, None, "it belongs to " + where),
            ConfigEdit(home + (field.name,), field.values[0].raw, "it belongs here"),
        )
    return Symptom(
        problem.problem.subject,
        f"'{field.name}' is in {'.'.join(path[:-1]) or 'the outermost level'}, but belongs to "
        f"{where}",
        "move it there" if home else "close the block before it: a } is missing",
        edits,
    )


def _near(problem) -> Optional[str]:
    match = re.match(r"did you mean '(\w+)'", problem.problem.remedy)
    return match.group(1) if match else None


def _unknown(setup: Setup) -> Iterator[Symptom]:
    for problem, place in _problems(setup, UNKNOWN_FIELD):
        path, block, field = place
        near, home = _near(problem), _home(setup, field.name, block)
        if home is not None and not (near and len(home) > 1):
            continue
        edits = [ConfigEdit(path, None, "no revision of the API knows it")]
        remedy = "remove it"
        value = field.values[0] if len(field.values) == 1 else None
        if near and isinstance(value, Scalar) and not block.named(near):
            edits.append(ConfigEdit(path[:-1] + (near,), value.raw, "what is meant"))
            remedy = f"write {near}: {value.raw}"
        elif near:
            remedy = f"remove it, or write '{near}' if that is meant"
        yield Symptom(
            problem.problem.subject,
            problem.problem.message + ", in no revision of the API",
            remedy,
            tuple(edits),
        )


def _value_for_block(setup: Setup) -> Iterator[Symptom]:
    for problem, place in _problems(setup, WRONG_TYPE):
        path, _, field = place
        if " is a block, not " not in problem.problem.message:
            continue
        edits: Tuple[ConfigEdit, ...] = ()
        remedy = problem.problem.remedy
        if field.name == "learning_rate":
            edits = (
                ConfigEdit(path, None, "it takes a block"),
                ConfigEdit(
                    path + ("constant_learning_rate", "learning_rate"),
                    field.values[0].raw,
                    "a constant rate",
                ),
            )
            remedy = (
                "write learning_rate { constant_learning_rate { "
                f"learning_rate: {field.values[0].raw} }} }}"
            )
        yield Symptom(problem.problem.subject, problem.problem.message, remedy, edits)


def _wrong_value(setup: Setup) -> Iterator[Symptom]:
    for problem, place in _problems(setup, WRONG_TYPE, UNKNOWN_VALUE, OUT_OF_RANGE):
        if " is a block, not " in problem.problem.message:
            continue
        path, _, field = place
        literal = (
            _corrected(field.values[0], problem.problem.remedy) if len(field.values) == 1 else None
        )
        yield Symptom(
            problem.problem.subject,
            problem.problem.message,
            (f"write {field.name}: {literal}") if literal else problem.problem.remedy,
            (ConfigEdit(path, literal, problem.problem.remedy),) if literal else (),
        )


def _corrected(value, wanted: str) -> Optional[str]:
    """The literal that a wrong one was meant to be, None where that is not obvious."""
    if isinstance(value, Block):
        return None
    text = value.value if isinstance(value.value, str) else value.raw
    if "a string in quotes" in wanted:
        return quote(text)
    if "a whole number" in wanted and re.match(r"-?\d+(\.0*)?\Z", text):
        return text.partition(".")[0]
    if "a decimal number" in wanted and re.match(r"-?\d+(\.\d*)?(e-?\d+)?\Z", text):
        return text
    if "true or false" in wanted and text.lower() in ("true", "false", "yes", "no"):
        return "true" if text.lower() in ("true", "yes") else "false"
    match = re.match(r"give it one of (.*)", wanted)
    names = match.group(1).split(", ") if match else []
    near = difflib.get_close_matches(text.upper(), names, 1, 0.7)
    return near[0] if near else None


def _twice(setup: Setup) -> Iterator[Symptom]:
    for problem, place in _problems(setup, DUPLICATE, ONEOF_CONFLICT):
        path, _, field = place
        same = (
            problem.kind == DUPLICATE
            and len(field.values) == 1
            and not isinstance(field.values[0], Block)
        )
        yield Symptom(
            problem.problem.subject,
            problem.problem.message + "; the last one counts",
            problem.problem.remedy,
            (ConfigEdit(path, field.values[0].raw, "the last"),) if same else (),
        )


def _tf2(setup: Setup) -> Iterator[Symptom]:
    sign = find_sign(setup.message) if setup.document is not None else None
    if sign is not None:
        yield Symptom(setup.where(*sign.path), f"the config is for TensorFlow 2: {sign.words}")


def _no_model(setup: Setup) -> Iterator[Symptom]:
    if (
        setup.document is not None
        and setup.meta not in (SSD, FASTER_RCNN)
        and not list(_problems(setup, *_KINDS))
        and find_sign(setup.message) is None
    ):
        other = f", but {setup.meta}" if setup.meta else ""
        yield Symptom(
            setup.where("model"), f"has no model block with ssd or faster_rcnn in it{other}"
        )


def _missing_blocks(setup: Setup) -> Iterator[Symptom]:
    if setup.document is None or setup.problems:
        return
    if not setup.message.HasField("train_config"):
        yield Symptom(setup.path, "has no train_config block")
    elif not setup.optimizer[0]:
        yield Symptom(setup.where("train_config"), "train_config has no optimizer")
    if not setup.message.HasField(INPUT_READERS[0]):
        yield Symptom(setup.path, f"has no {INPUT_READERS[0]} block: there is nothing to train on")
    if not len(setup.message.eval_input_reader) and trainers.MODEL_MAIN in setup.options.trainers:
        yield Symptom(
            setup.path, f"has no {INPUT_READERS[1]} block, which model_main needs to evaluate"
        )


PARSING = (
    Check(
        "CONFIG_TF2",
        ERROR,
        "TensorFlow 2's API reads the same fields, but trains other models by other programs: what "
        "else is unknown to TensorFlow 1 here follows from that.",
        "train it with TensorFlow 2's model_main_tf2.py, or start from a sample config of "
        "TensorFlow 1",
        _tf2,
    ),
    Check(
        "FIELD_MISPLACED",
        ERROR,
        "A field is in a block that has no such field, but another block has one; often a } is "
        'missing, or there is one too many ("has no field named").',
        "move it there",
        _misplaced,
    ),
    Check(
        "FIELD_UNKNOWN",
        ERROR,
        'No revision of the API knows this field ("has no field named").',
        "correct its name, or remove it",
        _unknown,
    ),
    Check(
        "BLOCK_EXPECTED",
        ERROR,
        "There is a value where a block belongs.",
        "write a block",
        _value_for_block,
    ),
    Check(
        "VALUE_WRONG",
        ERROR,
        "The field can't take this value.",
        "write a value of its type",
        _wrong_value,
    ),
    Check(
        "MODEL_MISSING",
        ERROR,
        "The file describes no model: it is not a pipeline.config.",
        "give the path of a pipeline.config",
        _no_model,
    ),
)

CHECKS = (
    Check(
        "FIELD_TWICE",
        WARNING,
        "A field that takes one value is set more than once.",
        "keep the one that counts",
        _twice,
    ),
    Check(
        "BLOCK_MISSING",
        ERROR,
        "A block that training needs is missing.",
        "copy it from the model's sample config",
        _missing_blocks,
    ),
)
