"""Every choice a conversion offers, each once: its name, values, default and meaning.

The flags of the command line, a recipe's fields, the checks of a plan file, the Python API and the
reference in docs/options.md are made from `ConvertOptions`.  A new option is one more field of it.

Options validate themselves.  Errors spell an option as a flag (`--freeze`), since most users meet
it as one; `spelled` turns that into what another front writes (`freeze:` in a recipe, `freeze=` in
Python).
"""

import dataclasses
import enum
import functools
import os
import re
from typing import Any, Dict, Iterable, NamedTuple, Optional, Tuple, Type

from graphfix.errors import GraphfixError, Problem, RequestError

# No published detector has more classes, and a model of that many is a few gigabytes already.
MAX_CLASSES = 10000


class Choice(str, enum.Enum):
    """A value of an option; it equals, prints as and is stored as its text."""

    def __str__(self) -> str:
        return str.__str__(self)

    def __format__(self, form: str) -> str:
        return str.__format__(self, form)


class NewRows(Choice):
    """How the weights of new classes start."""

    PRIOR = "prior"
    MEAN = "mean"
    RANDOM = "random"
    ZERO = "zero"


class Weights(Choice):
    """Which values the output takes: the trained ones or their moving averages."""

    AUTO = "auto"
    RAW = "raw"
    EMA = "ema"


class Trainer(Choice):
    """The stock API's training script; ANY prepares for both."""

    ANY = "any"
    MODEL_MAIN = "model_main"
    LEGACY = "legacy"


class AnchorBoxes(Choice):
    """What becomes of the box heads where anchors change."""

    CARRY = "carry"
    RANDOM = "random"


class Freeze(Choice):
    """The layers a trainer keeps as they are."""

    NONE = "none"
    BACKBONE = "backbone"
    ALL_BUT_HEADS = "all_but_heads"
    ALL_BUT_CLASS_HEADS = "all_but_class_heads"


class Kind(enum.Enum):
    """The type of an option's value."""

    PATH = "path"
    TEXT = "text"
    TEXTS = "texts"
    INTEGER = "integer"
    CHOICE = "choice"


class Option(NamedTuple):
    """What is known of one option.

    `choices` is the Choice class of a CHOICE; `least` and `most` bound an INTEGER; `read` says that
    a PATH is a file that graphfix reads (a recipe takes it relative to itself), unless it is the
    word `builtin`; `commas` that TEXTS may be given as one text, with commas between them.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    metavar: Optional[str] = None
    choices: Optional[Type[Choice]] = None
    least: Optional[int] = None
    most: Optional[int] = None
    read: bool = False
    builtin: str = ""
    commas: bool = False

    def is_read(self, path: str) -> bool:
        """Whether the value of one that is `read` is a file, and not the word."""
        return os.path.basename(path) != self.builtin or os.path.isfile(path)


def _option(kind: Kind, help: str, default: Any = None, **more: Any) -> Any:
    return dataclasses.field(
        default=default, metadata={"option": dict(more, kind=kind, help=help, default=default)}
    )


def _choice(default: Optional[Choice], help: str, choices: Optional[Type[Choice]] = None) -> Any:
    return _option(Kind.CHOICE, help, default, choices=choices or type(default))


def _file(help: str, **more: Any) -> Any:
    return _option(Kind.PATH, help, read=True, **more)


@dataclasses.dataclass(frozen=True)
class ConvertOptions:
    """What to make of a model: its new classes and anchors, and for which trainer.

    Every field has a default, and takes what the flag of its name takes: a path as `str` or
    `os.PathLike`, a choice as a member of its enum or as its text, `map` as a sequence of
    `"new=old"` texts.  Docs of the fields: docs/options.md.

    Raises:
      RequestError: naming each option whose value is of a wrong type or out of range.

    Example:
      >>> ConvertOptions(label_map_path="parts.pbtxt", freeze="backbone").freeze
      <Freeze.BACKBONE: 'backbone'>
    """

    label_map_path: Optional[str] = _file(
        "label map of the new classes, or a list of their names: a .txt or .names with a name a "
        "line, or YOLO's data.yaml"
    )
    classes: Tuple[str, ...] = _option(
        Kind.TEXTS,
        "names of the new classes in the order of their ids, instead of a label map",
        (),
        metavar="NAME,NAME",
        commas=True,
    )
    num_classes: Optional[int] = _option(
        Kind.INTEGER, "number of new classes (without names)", least=1, most=MAX_CLASSES
    )
    source_label_map_path: Optional[str] = _file(
        "label map or list of the source's classes, or the word coco (default: what the config or "
        "a file next to the source says)",
        builtin="coco",
    )
    map: Tuple[str, ...] = _option(
        Kind.TEXTS,
        "source class that a new class starts from; NEW=A+B averages several, NEW= starts it new",
        (),
        metavar="NEW=OLD",
    )
    new_rows: NewRows = _choice(NewRows.PRIOR, "how new classes start")
    anchors: Optional[str] = _file(
        "anchors file: the anchor generator to carry the trained boxes over to", metavar="FILE"
    )
    anchor_boxes: AnchorBoxes = _choice(
        AnchorBoxes.CARRY, "with --anchors: carry the box heads over, or start them at random"
    )
    freeze: Optional[Freeze] = _choice(
        None, "layers to freeze (default: those the config freezes)", Freeze
    )
    seed: int = _option(Kind.INTEGER, "random seed for new classes", 0)
    weights: Weights = _choice(
        Weights.AUTO, "raw weights or moving averages; auto: whichever the config evaluates with"
    )
    target_api: str = _option(
        Kind.TEXT, "revision of the API that will train", "auto", metavar="YYYY-MM"
    )
    trainer: Trainer = _choice(Trainer.ANY, "the trainer you will use")
    fine_tune_checkpoint: Optional[str] = _option(
        Kind.PATH, "path of the checkpoint as the trainer will see it"
    )
    train_record: Optional[str] = _option(
        Kind.PATH, "training records to write into the config", metavar="FILE"
    )
    eval_record: Optional[str] = _option(
        Kind.PATH, "evaluation records to write into the config", metavar="FILE"
    )
    pipeline_config_path: Optional[str] = _file(
        "the source's config, if not next to the checkpoint"
    )

    def __post_init__(self) -> None:
        problems = []
        for option in OPTIONS.values():
            value = getattr(self, option.name)
            if value is None and option.default is None:
                continue
            try:
                object.__setattr__(self, option.name, _value(option, value))
            except _Wrong as wrong:
                problems.append(Problem(f"--{option.name}", wrong.message, wrong.remedy))
        if not problems and self.classes and self.label_map_path is not None:
            problems.append(
                Problem("--classes", "is given beside --label_map_path", "give one of them")
            )
        if problems:
            error = RequestError.collected(problems)
            spell(error, Front.PYTHON)
            raise error

    def given(self) -> Dict[str, Any]:
        """The options that differ from their defaults, by name."""
        return {
            name: getattr(self, name)
            for name, option in OPTIONS.items()
            if getattr(self, name) != option.default
        }

    def fixed_by_a_plan(self) -> Tuple[str, ...]:
        """Those given that a plan has decided already, spelled as flags."""
        return tuple(f"--{name}" for name in self.given() if name != "pipeline_config_path")

    def paths(self) -> Tuple[str, ...]:
        """The files that are read, and the records that the config will name."""
        return tuple(
            getattr(self, name)
            for name, option in OPTIONS.items()
            if option.kind is Kind.PATH
            and name != "fine_tune_checkpoint"
            and getattr(self, name) not in (None, option.builtin)
        )


OPTIONS: Dict[str, Option] = {
    field.name: Option(name=field.name, **field.metadata["option"])
    for field in dataclasses.fields(ConvertOptions)
}


class _Wrong(Exception):
    def __init__(self, message: str, remedy: str):
        super().__init__(message)
        self.message, self.remedy = message, remedy


def _value(option: Option, value: Any) -> Any:
    """The value of an option in its own type.  Raises _Wrong."""
    if option.kind is Kind.CHOICE:
        assert option.choices is not None
        try:
            return option.choices(value)
        except ValueError:
            raise _Wrong(
                f"is {value!r}", "give one of " + ", ".join(one.value for one in option.choices)
            ) from None
    if option.kind is Kind.INTEGER:
        if isinstance(value, bool) or not hasattr(type(value), "__index__"):
            raise _Wrong(f"is {value!r}, which is not a whole number", "give a whole number")
        value = value.__index__()
        if (option.least is not None and value < option.least) or (
            option.most is not None and value > option.most
        ):
            raise _Wrong(f"is {value}", f"give a number from {option.least} to {option.most}")
        return value
    if option.kind is Kind.TEXTS:
        if option.commas and isinstance(value, str):
            value = (value,)
        if isinstance(value, (str, bytes)) or not all(isinstance(one, str) for one in value):
            raise _Wrong(f"is {value!r}", "give a list of texts")
        return _names(value) if option.commas else tuple(value)
    if option.kind is Kind.PATH and isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise _Wrong(f"is {value!r}", "give a text")
    return value


def _names(texts: Iterable[str]) -> Tuple[str, ...]:
    """The names that texts have between commas.  Raises _Wrong."""
    names = tuple(name.strip() for text in texts for name in text.split(","))
    if "" in names or len(set(names)) < len(names) or len(names) > MAX_CLASSES:
        raise _Wrong(
            f"is '{','.join(texts):.80}'",
            f"give each class a name of its own, at most {MAX_CLASSES}, with commas between them",
        )
    return names


class Front(enum.Enum):
    """Where options are given; the value is how an option's name is written there."""

    FLAGS = "--{}"
    RECIPE = "{}:"
    PYTHON = "{}="


# Names that are written the same way as those of ConvertOptions.
_OTHERS = ("model_dir", "output_directory", "overwrite", "plan", "golden", "partial", "junit")
# A user's own words in quotes stay as they are, and a command that a message quotes (`graphfix plan
# --json`).
_SPELLED = re.compile(
    r"(?P<kept>(?<!\w)'[^']*'|graphfix [a-z]+(?: [^;,]*)?)"
    r"|--(?P<name>{})(?![\w-])(?P<gap> (?='))?".format(
        "|".join(sorted((*OPTIONS, *_OTHERS), key=len, reverse=True))
    )
)


def spelled(text: str, front: Front) -> str:
    """A message in which options are spelled as flags, with their names as a front writes them.

    Example:
      >>> spelled("--map 'a=b': has no '='; see --freeze", Front.PYTHON)
      "map='a=b': has no '='; see freeze="
    """
    if front is Front.FLAGS:
        return text

    def replaced(match: "re.Match[str]") -> str:
        if match.group("kept"):
            return match.group(0)
        return front.value.format(match.group("name")) + (
            " " if match.group("gap") and front is Front.RECIPE else ""
        )

    return _SPELLED.sub(replaced, text)


def spell(error: GraphfixError, front: Front) -> None:
    """Has an error spell options as a front writes them, when it is shown."""
    error.spelling = functools.partial(spelled, front=front)


def parsed(values: Dict[str, Any]) -> "ConvertOptions":
    """The options of a mapping by name, such as parsed flags; what is not an option is ignored."""
    return ConvertOptions(**{name: values[name] for name in OPTIONS if name in values})
