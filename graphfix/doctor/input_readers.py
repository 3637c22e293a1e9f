"""Checks of the input readers' settings: numbers that TensorFlow's pipelines refuse, and what the
records have not.

Measured by giving fields of the readers their bounds (tests/stock/config_mutations.py).
"""

from typing import Any, Callable, Iterator, NamedTuple, Tuple

from graphfix.datasets.tf_example import SCORES
from graphfix.detectors.families import FASTER_RCNN
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.record_notes import TRAIN, scans
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, count
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.restore import trainers

_RECORDS = "tf_record_input_reader"
_MESSAGE = "InputReader"
# The last revision known to stop at scores that are loaded and not used, or used and not there;
# that of 2019-07 does not.
_NEEDS_SCORES = "2019-03"
_EXAMPLE, _SEQUENCE = "TF_EXAMPLE", "TF_SEQUENCE_EXAMPLE"
# The list that masks are in, by mask_type.
_MASKS = {"DEFAULT": "float_list", "NUMERICAL_MASKS": "float_list", "PNG_MASKS": "bytes_list"}


class _Rule(NamedTuple):
    """The least that a number may be, and of which readers."""

    field: str
    least: int
    applies: Callable[[Any], bool] = lambda reader: True


def _shuffles(reader: Any) -> bool:
    return bool(reader.shuffle)


_RULES = (
    _Rule("num_readers", 1),
    _Rule("read_block_length", 1),
    _Rule("filenames_shuffle_buffer_size", 1, _shuffles),
    _Rule("shuffle_buffer_size", 1, _shuffles),
    _Rule("num_parallel_batches", 1),
    _Rule("num_prefetch_batches", -1),
    _Rule("max_number_of_boxes", 0),
)


def _numbers(setup: Setup) -> Iterator[Symptom]:
    if trainers.MODEL_MAIN not in setup.options.trainers:
        return
    for name, reader in setup.readers():
        for rule in _RULES:
            value = getattr(reader, rule.field)
            if value < rule.least and rule.applies(reader):
                path = (name, rule.field)
                usual = str(reader.DESCRIPTOR.fields_by_name[rule.field].default_value)
                yield Symptom(
                    setup.where(*path),
                    f"{rule.field} of {name} is {value}",
                    f"write {rule.field}: {usual}, or another number of at least {rule.least}",
                    (ConfigEdit(path, usual, "the API's default"),),
                )
        weights = list(reader.sample_from_datasets_weights)
        paths = len(reader.tf_record_input_reader.input_path)
        if weights and paths and (len(weights) != paths or not sum(weights)):
            path = (name, "sample_from_datasets_weights")
            what = (
                f"{count(len(weights), 'weight')} for {count(paths, 'input path')}"
                if len(weights) != paths
                else "weights that are all 0"
            )
            yield Symptom(
                setup.where(*path),
                f"sample_from_datasets_weights of {name} has {what}",
                "write one weight for each input path, or none",
                (ConfigEdit(path, None, "all records alike"),),
            )


def _kinds(setup: Setup) -> Iterator[Symptom]:
    for name, reader in setup.readers():
        kind = reader.WhichOneof("input_reader")
        if kind not in (None, _RECORDS):
            yield Symptom(
                setup.where(name, kind),
                f"{name} has a {kind}, which is for programs of one's own",
                f"write {_RECORDS} {{ input_path: ... }}",
            )
        if not setup.options.schema.field(_MESSAGE, "input_type"):
            continue
        chosen = _name(reader, "input_type")
        # Of sequences there is nothing to measure: their images are elsewhere.
        seen = bool(reader.tf_record_input_reader.input_path) and setup.scan(name).measured
        if chosen not in (_EXAMPLE, _SEQUENCE) or (chosen == _SEQUENCE and seen):
            path = (name, "input_type")
            yield Symptom(
                setup.where(*path),
                f"input_type of {name} is {chosen}"
                + (", and the records are single images" if chosen == _SEQUENCE else ""),
                f"write input_type: {_EXAMPLE}",
                (ConfigEdit(path, _EXAMPLE, "what the records are"),),
            )


def _remainder(setup: Setup) -> Iterator[Symptom]:
    field = "drop_remainder"
    if trainers.MODEL_MAIN not in setup.options.trainers:
        return
    if not setup.options.schema.field(_MESSAGE, field):
        return
    for name, reader in setup.readers():
        if not reader.drop_remainder:
            edits = (ConfigEdit((name, field), None, "true is the default"),)
            yield Symptom(
                setup.where(name, field), f"{field} of {name} is false", "remove it", edits
            )


def _name(reader: Any, field: str) -> str:
    """The name of an enum's value."""
    spec = reader.DESCRIPTOR.fields_by_name[field]
    return str(spec.enum_type.values_by_number[getattr(reader, field)].name)


def _lacking(setup: Setup) -> Iterator[Symptom]:
    messages = dict(setup.readers())
    for name, scan in scans(setup):
        reader = messages[name]
        if reader.num_additional_channels > 0 and scan.channels < scan.records:
            path = (name, "num_additional_channels")
            yield Symptom(
                setup.where(*path),
                f"num_additional_channels of {name} is {reader.num_additional_channels}, but of "
                f"{count(scan.records, 'record')} {scan.records - scan.channels} have no "
                "image/additional_channels/encoded",
                "remove it, or write the channels into the records",
                (ConfigEdit(path, None, "the records have none"),) if not scan.channels else (),
            )
        kinds = scan.mask_kinds - {""}
        wanted = _MASKS.get(_name(reader, "mask_type"))
        if reader.load_instance_masks and wanted and kinds - {wanted}:
            yield _other_masks(setup, name, kinds)
    yield from _scores(setup)
    body = setup.body
    context: Tuple[str, ...] = ("load_context_features",)
    for name, reader in setup.readers():
        path = (name, *context)
        if not setup.options.schema.field(_MESSAGE, context[0]):
            continue
        used = setup.meta == FASTER_RCNN and body.HasField("context_config")
        if used and not reader.load_context_features:
            yield Symptom(
                setup.where(*path),
                f"the model has a context_config, and {name} loads no context features",
                "write load_context_features: true",
                (ConfigEdit(path, "true", "the model takes them"),),
            )
        if reader.load_context_features and not (
            used and body.context_config.max_num_context_features
        ):
            yield Symptom(
                setup.where(*path),
                f"{name} loads context features, and the model has no context_config with "
                "max_num_context_features",
                "remove load_context_features",
                (ConfigEdit(path, None, "the model takes none"),),
            )


def _scores(setup: Setup) -> Iterator[Symptom]:
    field, use = "load_multiclass_scores", "use_multiclass_scores"
    of_records = dict(scans(setup))
    old = setup.options.revision <= _NEEDS_SCORES and trainers.MODEL_MAIN in setup.options.trainers
    for name, reader in setup.readers():
        uses = name == TRAIN and getattr(setup.train, use)
        loads = getattr(reader, field)
        scan = of_records.get(name)
        if uses and not loads:
            edits = (ConfigEdit((name, field), "true", "train_config uses them"),)
            yield Symptom(
                setup.where("train_config", use),
                f"{use} is set, and {name} loads none",
                f"write {field}: true in {name}",
                edits,
            )
        if not loads or not old:
            continue
        if not uses:
            yield Symptom(
                setup.where(name, field),
                f"{name} loads multiclass scores, and nothing uses them",
                f"remove {field}",
                (ConfigEdit((name, field), None, "nothing uses them"),),
            )
        elif uses and scan and scan.scores < scan.records:
            yield Symptom(
                setup.where("train_config", use),
                f"{use} is set, but of {count(scan.records, 'record')} of {name} "
                f"{scan.records - scan.scores} have no {SCORES.decode()}",
                "remove it, or write the scores into the records",
                (ConfigEdit(("train_config", use), None, "the records have none"),)
                if not scan.scores
                else (),
            )


def _other_masks(setup: Setup, name: str, kinds: Any) -> Symptom:
    path = (name, "mask_type")
    has = "PNG images" if "bytes_list" in kinds else "lists of numbers"
    literal = next(mask for mask, kind in reversed(tuple(_MASKS.items())) if kind in kinds)
    return Symptom(
        setup.where(*path),
        f"the masks of {name} are {has}, which its mask_type does not say",
        f"write mask_type: {literal}",
        (ConfigEdit(path, literal, "what the records have"),) if len(kinds) == 1 else (),
    )


CHECKS = (
    Check(
        "READER_UNSUPPORTED",
        ERROR,
        "The API reads records of tf.Examples, and a revision of 2020 or later also of sequences "
        '("Unsupported input_reader_config.", "Unsupported input_type in config.").',
        f"write a {_RECORDS}",
        _kinds,
    ),
    Check(
        "READER_NUMBER",
        ERROR,
        'TensorFlow\'s input pipelines refuse the number ("`cycle_length` must be > 0", '
        '"`block_length` must be > 0", "buffer_size must be greater than zero.", '
        '"num_parallel_calls must be greater than zero.", "Dimension -1 must be >= 0").',
        "write a larger number",
        _numbers,
    ),
    Check(
        "READER_LACKS",
        ERROR,
        "The input reader is to load what the records or the model have not, or does not load what "
        'is used ("is required but could not be found.", "Data types don\'t match.", '
        '"max_num_context_features must be specified in the model config", "Please make sure '
        'context_features and valid_context_size are in the features", "KeyError: '
        '\'multiclass_scores\'", "Input to reshape is a tensor with 0 values").',
        "write what the records have",
        _lacking,
    ),
    Check(
        "READER_REMAINDER",
        ERROR,
        "A reader that keeps a last, smaller batch leaves open how many images a batch has, which "
        'model_main must know ("Cannot infer num from shape").',
        "write drop_remainder: true",
        _remainder,
    ),
)
