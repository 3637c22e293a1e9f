"""Every choice a conversion offers, each once: its name, values, default and meaning.

The flags of the command line, a recipe's fields, the checks of a plan file, the Python API and the
reference in docs/options.md are made from `ConvertOptions`.  A new option is one more field of it.

Options validate themselves.  Errors name an option as a flag, as all messages do (see `fronts`).
"""

import dataclasses
import enum
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Type

from graphfix import values
from graphfix.choices import AnchorBoxes, Choice, Freeze, NewRows, Trainer, Weights
from graphfix.errors import Problem, RequestError

# No published detector has more classes, and a model of that many is a few gigabytes already.
MAX_CLASSES = 10000
# Each is a process of some hundred megabytes.
MAX_JOBS = 256


# What the options are about: the headings of a help.
_SOURCE, _CLASSES, _ANCHORS = "source", "new classes", "anchors"
_TRAINING, _OUTPUT = "training", "output"


class Kind(enum.Enum):
    """The type of an option's value."""

    PATH = "path"
    TEXT = "text"
    TEXTS = "texts"
    INTEGER = "integer"
    CHOICE = "choice"
    SWITCH = "true or false"


class Option(NamedTuple):
    """What is known of one option.

    `choices` is the Choice class of a CHOICE; `least` and `most` bound an INTEGER; `read` says that
    a PATH is a file that graphfix reads (a recipe takes it relative to itself), unless it is the
    word `builtin`; `commas` that TEXTS may be given as one text, with commas between them.  `group`
    is the heading that a help lists it under.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    group: str
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


def _option(group: str, kind: Kind, help: str, default: Any = None, **more: Any) -> Any:
    option = dict(more, group=group, kind=kind, help=help, default=default)
    return dataclasses.field(default=default, metadata={"option": option})


def _choice(
    group: str, default: Optional[Choice], help: str, choices: Optional[Type[Choice]] = None
) -> Any:
    return _option(group, Kind.CHOICE, help, default, choices=choices or type(default))


def _switch(group: str, help: str) -> Any:
    return _option(group, Kind.SWITCH, help, False)


def _file(group: str, help: str, **more: Any) -> Any:
    return _option(group, Kind.PATH, help, read=True, **more)


@dataclasses.dataclass(frozen=True, repr=False)
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
        _CLASSES,
        "label map of the new classes, or a list of their names: a .txt or .names with a name a "
        "line, or YOLO's data.yaml",
    )
    classes: Tuple[str, ...] = _option(
        _CLASSES,
        Kind.TEXTS,
        "names of the new classes in the order of their ids, instead of a label map",
        (),
        metavar="NAME,NAME",
        commas=True,
    )
    num_classes: Optional[int] = _option(
        _CLASSES, Kind.INTEGER, "number of new classes (without names)", least=1, most=MAX_CLASSES
    )
    source_label_map_path: Optional[str] = _file(
        _SOURCE,
        "label map or list of the source's classes, or the word coco (default: what the config or "
        "a file next to the source says)",
        builtin="coco",
    )
    map: Tuple[str, ...] = _option(
        _CLASSES,
        Kind.TEXTS,
        "source class that a new class starts from; NEW=A+B averages several, NEW= starts it new",
        (),
        metavar="NEW=OLD",
    )
    new_rows: NewRows = _choice(_CLASSES, NewRows.PRIOR, "how new classes start")
    anchors: Optional[str] = _file(
        _ANCHORS,
        "anchors file: the anchor generator to carry the trained boxes over to",
        metavar="FILE",
    )
    anchor_boxes: AnchorBoxes = _choice(
        _ANCHORS,
        AnchorBoxes.CARRY,
        "with --anchors: carry the box heads over, or start them at random",
    )
    freeze: Optional[Freeze] = _choice(
        _TRAINING, None, "layers to freeze (default: those the config freezes)", Freeze
    )
    seed: int = _option(_CLASSES, Kind.INTEGER, "random seed for new classes", 0)
    weights: Weights = _choice(
        _SOURCE,
        Weights.AUTO,
        "raw weights or moving averages; auto: whichever the config evaluates with",
    )
    source_api: Optional[str] = _option(
        _SOURCE,
        Kind.TEXT,
        "month of the API that trained the source, where no graph beside it shows the order of its "
        "anchors; before 2017-11 SSDs had another",
        metavar="YYYY-MM",
    )
    target_api: str = _option(
        _TRAINING, Kind.TEXT, "revision of the API that will train", "auto", metavar="YYYY-MM"
    )
    trainer: Trainer = _choice(_TRAINING, Trainer.ANY, "the trainer you will use")
    fine_tune_checkpoint: Optional[str] = _option(
        _TRAINING, Kind.PATH, "path of the checkpoint as the trainer will see it", metavar="PREFIX"
    )
    train_record: Optional[str] = _option(
        _TRAINING, Kind.PATH, "training records to write into the config", metavar="FILE"
    )
    eval_record: Optional[str] = _option(
        _TRAINING, Kind.PATH, "evaluation records to write into the config", metavar="FILE"
    )
    pipeline_config_path: Optional[str] = _file(
        _SOURCE, "the source's config, if not next to the checkpoint"
    )
    require_graph: bool = _switch(
        _OUTPUT,
        "write nothing, exit code 3, if a graph of the source cannot be rewritten or there is none",
    )

    def __post_init__(self) -> None:
        problems: List[Problem] = []
        for option in OPTIONS.values():
            value = getattr(self, option.name)
            if value is None and option.default is None:
                continue
            try:
                object.__setattr__(self, option.name, _value(option, value))
            except RequestError as error:
                problems += error.problems
        if not problems and self.classes and self.label_map_path is not None:
            problems.append(
                Problem("--classes", "is given beside --label_map_path", "give one of them")
            )
        if problems:
            raise RequestError.collected(problems)

    def __repr__(self) -> str:
        given = (
            f"{name}={(value.value if isinstance(value, Choice) else value)!r}"
            for name, value in self.given().items()
        )
        return f"ConvertOptions({', '.join(given)})"

    def given(self) -> Dict[str, Any]:
        """The options that differ from their defaults, by name."""
        return {
            name: getattr(self, name)
            for name, option in OPTIONS.items()
            if getattr(self, name) != option.default
        }

    def fixed_by_a_plan(self) -> Tuple[str, ...]:
        """Those given that a plan has decided already, spelled as flags."""
        kept = ("pipeline_config_path", "require_graph")
        return tuple(f"--{name}" for name in self.given() if name not in kept)

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


def _value(option: Option, value: Any) -> Any:
    """The value of an option in its own type.

    Raises:
      RequestError: it has none.
    """
    if option.choices is not None:
        return values.choice_of(option.name, value, option.choices)
    if option.kind is Kind.INTEGER:
        return values.number_of(option.name, value, option.least, option.most)
    if option.kind is Kind.SWITCH:
        return values.flag_of(option.name, value)
    if option.commas:
        return values.names_of(option.name, value, MAX_CLASSES)
    if option.kind is Kind.TEXTS:
        return values.texts_of(option.name, value, option.metavar or "")
    if option.kind is Kind.PATH:
        return values.path_of(option.name, value)
    return values.text_of(option.name, value)


def parsed(given: Dict[str, Any]) -> "ConvertOptions":
    """The options of a mapping by name, such as parsed flags; what is not an option is ignored."""
    return ConvertOptions(**{name: given[name] for name in OPTIONS if name in given})
