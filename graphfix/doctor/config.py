"""Checks of what the config's parser and the model's builder would stop at."""

import difflib
import re
from typing import Iterator, List, Optional, Tuple

from graphfix.detectors import availability, families
from graphfix.detectors.extractors.loader import KERAS, extractors, find_extractor
from graphfix.detectors.layer_variables import KERAS_ONLY
from graphfix.doctor import field_location
from graphfix.doctor.checks import Check, Evidence
from graphfix.doctor.setup import READERS, Setup
from graphfix.findings import ERROR, WARNING
from graphfix.formats.textproto import (
    DUPLICATE,
    ONEOF_CONFLICT,
    OUT_OF_RANGE,
    STRING,
    UNKNOWN_FIELD,
    UNKNOWN_VALUE,
    WRONG_TYPE,
    Block,
    Scalar,
    quote,
)
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.migration import translate
from graphfix.pipeline_config.schema_history import PIPELINE, everything, field_history
from graphfix.pipeline_config.schema_violations import REPEATED, violations

_BACKSLASHES = re.compile(r"(?P<quote>[\"'])(?P<body>[^\"'\n\\]*\\[^\"'\n]*)(?P=quote)")
_QUOTES = re.compile("[\u201c\u201d\u201e\u00ab\u00bb]|[\u2018\u2019]")
# How alike a misspelled type and the right one are.
_TYPO = 0.93
_KINDS = (UNKNOWN_FIELD, WRONG_TYPE, UNKNOWN_VALUE, OUT_OF_RANGE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


# What cannot be parsed


def _line_of(setup: Setup) -> str:
    """The line at which the parser stopped."""
    place = re.search(r":(\d+):\d+\Z", setup.syntax.problems[0].subject)
    lines = setup.data.decode("utf-8", "replace").split("\n")
    number = int(place.group(1)) if place else 1
    return lines[number - 1] if number <= len(lines) else ""


def _stopped_by(setup: Setup) -> str:
    if setup.syntax is None:
        return ""
    line = _line_of(setup)
    if _QUOTES.search(line):
        return "quotes"
    return "backslash" if _BACKSLASHES.search(line) else "other"


def _forward(match) -> str:
    return match.group("quote") + re.sub(r"\\+", "/", match.group("body")) + match.group("quote")


def _backslash(setup: Setup) -> Iterator[Evidence]:
    text = setup.data.decode("utf-8", "replace")
    if _stopped_by(setup) == "backslash":
        problem = setup.syntax.problems[0]
        line = _line_of(setup).strip()
        yield Evidence(
            problem.subject,
            f"a path has backslashes, which begin escapes: {line}",
            f"write {_BACKSLASHES.sub(_forward, line)}",
            text=_BACKSLASHES.sub(_forward, text),
        )
    if setup.document is None:
        return
    for path, field in setup.document.walk():
        for value in field.values:
            if (
                isinstance(value, Scalar)
                and value.kind == STRING
                and (not isinstance(value.value, str) or _CONTROL.search(value.value))
            ):
                literal = (
                    _forward(_BACKSLASHES.match(value.raw))
                    if _BACKSLASHES.match(value.raw)
                    else None
                )
                place = field_location.at(setup.document, field.line, field.column)
                yield Evidence(
                    value.where,
                    f"{value.raw} means {ascii(value.value)}: its backslashes begin escapes",
                    f"write {path[-1]}: {literal}" if literal else "",
                    (ConfigEdit(place[0], literal, "forward slashes"),)
                    if literal and len(field.values) == 1
                    else (),
                )


def _smart_quotes(setup: Setup) -> Iterator[Evidence]:
    if _stopped_by(setup) != "quotes":
        return
    problem = setup.syntax.problems[0]
    line = _line_of(setup).strip()
    yield Evidence(
        problem.subject,
        f"a text editor's typographic quotes: {line}",
        "write %s" % _QUOTES.sub('"', line),
        text=_QUOTES.sub('"', setup.data.decode("utf-8", "replace")),
    )


def _syntax(setup: Setup) -> Iterator[Evidence]:
    if _stopped_by(setup) == "other":
        for problem in setup.syntax.problems:
            yield Evidence(problem.subject, problem.message, problem.remedy)


def _no_model(setup: Setup) -> Iterator[Evidence]:
    if setup.document is not None and not setup.meta and not list(_problems(setup, *_KINDS)):
        yield Evidence(setup.path, "has no model block with ssd or faster_rcnn in it")


# What is parsed, but not of the schema


def _problems(setup: Setup, *kinds: str):
    if setup.document is None:
        return
    for problem in setup.problems:
        if problem.kind in kinds:
            yield problem, field_location.at(setup.document, problem.line, problem.column)


def _home(setup: Setup, name: str, block: Block) -> Optional[Tuple[str, ...]]:
    """The path of the only block in the document, but this one, whose message has a field `name`;
    () for the outermost."""
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


def _misplaced(setup: Setup) -> Iterator[Evidence]:
    for problem, place in _problems(setup, UNKNOWN_FIELD):
        home = _home(setup, place[2].name, place[1])
        if home is None or _near(problem) and len(home) > 1:
            continue
        yield _moved(problem, place, home)


def _moved(problem, place, home: Tuple[str, ...]) -> Evidence:
    path, _, field = place
    where = ".".join(home) or "the outermost level"
    edits: Tuple[ConfigEdit, ...] = ()
    if len(field.values) == 1 and not isinstance(field.values[0], Block):
        edits = (
            ConfigEdit(path, None, "it belongs to " + where),
            ConfigEdit(home + (field.name,), field.values[0].raw, "it belongs here"),
        )
    return Evidence(
        problem.problem.subject,
        f"'{field.name}' stands in {'.'.join(path[:-1]) or 'the outermost level'}, and belongs to "
        f"{where}",
        "move it there" if home else "close the block before it: a } is missing",
        edits,
    )


def _near(problem) -> Optional[str]:
    match = re.match(r"did you mean '(\w+)'", problem.problem.remedy)
    return match.group(1) if match else None


def _unknown(setup: Setup) -> Iterator[Evidence]:
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
        yield Evidence(
            problem.problem.subject,
            problem.problem.message + ", in no revision of the API",
            remedy,
            tuple(edits),
        )


def _value_for_block(setup: Setup) -> Iterator[Evidence]:
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
                    "a rate that stays",
                ),
            )
            remedy = f"write learning_rate {{ constant_learning_rate {{ learning_rate: {field.values[0].raw} }} }}"
        yield Evidence(problem.problem.subject, problem.problem.message, remedy, edits)


def _wrong_value(setup: Setup) -> Iterator[Evidence]:
    for problem, place in _problems(setup, WRONG_TYPE, UNKNOWN_VALUE, OUT_OF_RANGE):
        if " is a block, not " in problem.problem.message:
            continue
        path, _, field = place
        literal = (
            _corrected(field.values[0], problem.problem.remedy) if len(field.values) == 1 else None
        )
        yield Evidence(
            problem.problem.subject,
            problem.problem.message,
            (f"write {field.name}: {literal}") if literal else problem.problem.remedy,
            (ConfigEdit(path, literal, problem.problem.remedy),) if literal else (),
        )


def _corrected(value, wanted: str) -> Optional[str]:
    """The literal that a wrong one was meant to be, where that is plain."""
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


def _twice(setup: Setup) -> Iterator[Evidence]:
    for problem, place in _problems(setup, DUPLICATE, ONEOF_CONFLICT):
        path, _, field = place
        same = (
            problem.kind == DUPLICATE
            and len(field.values) == 1
            and not isinstance(field.values[0], Block)
        )
        yield Evidence(
            problem.problem.subject,
            problem.problem.message + "; the last one counts",
            problem.problem.remedy,
            (ConfigEdit(path, field.values[0].raw, "the last"),) if same else (),
        )


# What another revision's is


def _era(setup: Setup) -> Iterator[Evidence]:
    if setup.document is None or setup.problems:
        return  # what is given twice has to be settled first: nobody looked at the first one's type
    schema = setup.options.schema
    # What no API takes twice, FIELD_TWICE is about.
    found = [
        violation
        for violation in violations(setup.document, schema, everything())
        if not (
            violation.kind == REPEATED
            and not everything().field(violation.message, violation.field.name).repeated
        )
    ]
    if not found:
        return
    translated = translate(setup.document, setup.options.revision, schema)
    for number, violation in enumerate(found):
        known = field_history(violation.message, violation.field.name)
        dates = (
            " (known from %s%s)"
            % (known.first, f" to before {known.gone}" if known.gone else " on")
            if known and violation.spec is None
            else ""
        )
        own = [
            edit
            for edit in translated.edits
            if edit.path == violation.path and edit.literal is None
        ]
        yield Evidence(
            violation.field.where,
            f"{'.'.join(violation.path)}: {violation.kind} to {schema.name}{dates}",
            "remove it" if own else "write what that API takes",
            # All together: some of them belong to several fields.
            translated.edits if number == 0 else (),
        )
    for problem in translated.problems:
        yield Evidence(problem.subject, problem.message, problem.remedy)


def _era_model(setup: Setup) -> Iterator[Evidence]:
    if setup.meta not in ("ssd", "faster_rcnn"):
        return
    kind = setup.body.feature_extractor.type
    if kind not in extractors():
        return
    for problem in availability.problems(
        setup.message, setup.meta, setup.options.revision, setup.options.schema, setup.path
    ):
        yield Evidence(
            setup.where("model", setup.meta, "feature_extractor", "type"),
            problem.message,
            problem.remedy,
        )


def _extractor(setup: Setup) -> Iterator[Evidence]:
    if setup.meta not in ("ssd", "faster_rcnn"):
        return
    kind = setup.body.feature_extractor.type
    if kind in extractors() or kind in (setup.options.schema.extractors or ()):
        return
    near = difflib.get_close_matches(kind, extractors(), 3)
    # A letter or two; and "ssd_mobilenet_v3" is the beginning of two.
    sure = len(difflib.get_close_matches(kind, extractors(), 3, _TYPO)) == 1 and not any(
        one.startswith(kind) for one in extractors()
    )
    path = ("model", setup.meta, "feature_extractor", "type")
    yield Evidence(
        setup.where(*path),
        (f"there is no feature extractor '{kind}' with TensorFlow 1"),
        f"write type: {quote(near[0])}"
        if sure
        else ("it may be one of " + ", ".join(near) if near else ""),
        (ConfigEdit(path, quote(near[0]), "the type that is like it"),) if sure else (),
    )


def _needs(setup: Setup, code: str) -> Iterator[Evidence]:
    if setup.meta not in ("ssd", "faster_rcnn"):
        return
    edits, findings = availability.needs(
        setup.message, setup.meta, setup.options.revision, setup.options.schema
    )
    for finding in findings:
        if finding.code == code:
            own = tuple(
                edit
                for edit in edits
                if (edit.path[-1] == availability.OVERRIDE) == (code == "FIELD_ADDED")
            )
            yield Evidence(
                setup.where(*own[0].path),
                own[0].reason,
                f"write {own[0].path[-1]}: {own[0].literal}"
                if own[0].literal
                else "remove that step",
                own,
            )


def _override(setup: Setup) -> Iterator[Evidence]:
    return _needs(setup, "FIELD_ADDED")


def _first_step(setup: Setup) -> Iterator[Evidence]:
    return _needs(setup, "FIRST_STEP")


def _is_keras(setup: Setup) -> bool:
    extractor = find_extractor(setup.body.feature_extractor.type)
    return extractor is not None and extractor.naming == KERAS


def _keras_hyperparams(setup: Setup) -> Iterator[Evidence]:
    if (
        setup.document is None
        or setup.problems
        or setup.meta not in ("ssd", "faster_rcnn")
        or _is_keras(setup)
    ):
        return
    for path, field in setup.document.walk():
        if path[-1] in KERAS_ONLY and len(path) > 1 and path[-2].endswith("hyperparams"):
            value = field.values[0]
            if not isinstance(value, Block) and value.raw != "true":
                continue
            # The same block under the name that slim's builder knows.
            edits = (
                ()
                if isinstance(value, Block)
                else (ConfigEdit(path, None, "slim's builder refuses it"),)
            )
            yield Evidence(
                field.where,
                f"{'.'.join(path)} is for Keras models only",
                "rename it batch_norm" if isinstance(value, Block) else "remove it",
                edits,
            )


def _missing_blocks(setup: Setup) -> Iterator[Evidence]:
    if setup.document is None or setup.problems:
        return
    if not setup.message.HasField("train_config"):
        yield Evidence(setup.path, "has no train_config block")
    elif not setup.optimizer[0]:
        yield Evidence(setup.where("train_config"), "train_config has no optimizer")
    if not setup.message.HasField(READERS[0]):
        yield Evidence(setup.path, f"has no {READERS[0]} block: there is nothing to read")
    if not len(setup.message.eval_input_reader) and "model_main" in setup.options.trainers:
        yield Evidence(setup.path, f"has no {READERS[1]} block, which model_main evaluates with")


def _anchors(setup: Setup) -> Iterator[Evidence]:
    if setup.meta in ("ssd", "faster_rcnn"):
        error = setup.anchors()[1]
        for problem in error.problems if error else ():
            yield Evidence(
                setup.where("model", setup.meta, families.ANCHOR_FIELD[setup.meta]),
                problem.message,
                problem.remedy,
            )


PARSING = (
    Check(
        "WINDOWS_PATH",
        ERROR,
        "A backslash begins an escape in protobuf text: \\t is a tab, \\U eight hexadecimal "
        "digits. So a Windows path can't be parsed, or is another path.",
        "write forward slashes, which Windows takes as well",
        _backslash,
    ),
    Check(
        "QUOTES",
        ERROR,
        "A text editor put typographic quotes where plain ones belong.",
        "write plain quotes",
        _smart_quotes,
    ),
    Check("CONFIG_SYNTAX", ERROR, "The config is not protobuf text.", "correct that line", _syntax),
    Check(
        "FIELD_MISPLACED",
        ERROR,
        "A field stands in a block that has no such field, and another block has it; often a } "
        'is missing, or one too many ("has no field named").',
        "move it there",
        _misplaced,
    ),
    Check(
        "FIELD_UNKNOWN",
        ERROR,
        'No revision of the API knows a field ("has no field named").',
        "correct its name, or remove it",
        _unknown,
    ),
    Check(
        "BLOCK_EXPECTED",
        ERROR,
        "A value stands where a block belongs.",
        "write a block",
        _value_for_block,
    ),
    Check(
        "VALUE_WRONG",
        ERROR,
        "A field is given a value that it can't hold.",
        "give it a value of its type",
        _wrong_value,
    ),
    Check(
        "MODEL_MISSING",
        ERROR,
        "The file describes no model: it is no pipeline.config.",
        "name a pipeline.config",
        _no_model,
    ),
)

CHECKS = (
    Check(
        "FIELD_TWICE",
        WARNING,
        "A field that takes one value is given several.",
        "keep the one that counts",
        _twice,
    ),
    Check(
        "BLOCK_MISSING",
        ERROR,
        "A block is missing that training needs.",
        "take it from the sample config of the model",
        _missing_blocks,
    ),
    Check(
        "FIELD_OF_OTHER_API",
        ERROR,
        'A field, or a value, is of another revision than the API that will train ("has no '
        'field named").',
        "name another --target_api, or remove it",
        _era,
    ),
    Check(
        "EXTRACTOR_UNKNOWN",
        ERROR,
        'The feature extractor is none of TensorFlow 1\'s ("Unknown ssd feature_extractor").',
        "take one that there is, or train with TensorFlow 2",
        _extractor,
    ),
    Check(
        "EXTRACTOR_OF_OTHER_API",
        ERROR,
        "The API that will train can't build this model.",
        "name another --target_api",
        _era_model,
    ),
    Check(
        "OVERRIDE_NEEDED",
        ERROR,
        "SSD with Inception takes its BatchNorm settings from the config alone, and wants that "
        'said ("SSD Inception V2 feature extractor always uses scope returned by '
        'conv_hyperparams_fn").',
        "write override_base_feature_extractor_hyperparams: true",
        _override,
    ),
    Check(
        "KERAS_HYPERPARAMS",
        ERROR,
        "conv_hyperparams have a field that TensorFlow 2's builders alone take (\"Hyperparams "
        'force_use_bias only supported by KerasLayerHyperparams").',
        "remove it",
        _keras_hyperparams,
    ),
    Check(
        "FIRST_STEP",
        ERROR,
        "The learning rate's first step is at 0, which the API refuses (\"First step cannot be "
        'zero").',
        "begin with that rate",
        _first_step,
    ),
    Check(
        "ANCHORS_IMPOSSIBLE",
        ERROR,
        "The anchor generator can't be built.",
        "take the one of the model's sample config",
        _anchors,
    ),
)
