"""Configs with a change or two that a person might make, at random but by a seed, or one by one.

A change removes a field that is there, sets a number to one of its bounds, an enum or a bool to
another value, takes another alternative of a oneof, or adds a block or a value that was not there.
"""

import contextlib
import glob
import itertools
import os
import random
import re

import cells
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor

from graphfix.detectors.extractors.loader import find_extractor
from graphfix.formats.schema import message_class
from graphfix.formats.textproto import Document, bind
from graphfix.pipeline_config import schema_history
from graphfix.pipeline_config.migration_tables import (
    LEGACY_METRICS,
    METRICS,
    OLD_METRICS,
    OTHER_METRICS,
)

# Paths, and what needs other records, or other programs, than there are.
LEFT_ALONE = re.compile(
    r"(input_path|fine_tune_checkpoint$|export|keypoint|mask_head_config|context_config|tpu)"
    r"|external_input|feature_extractor\.type|eval_master|dense_pose|track_id|context_"
)
# How many changes, of a hundred, are made where.
PARTS = {
    "model": 60,
    "train_config": 20,
    "train_input_reader": 8,
    "eval_input_reader": 5,
    "eval_config": 5,
    "graph_rewriter": 2,
}
# What has no say in the gradients, though its name may be among those that have.
_IS_INPUT = re.compile(
    "input_reader|eval_config|data_augmentation|image_resizer|num_classes|batch_size"
)
_IS_TRAINING = re.compile("train_config|loss|graph_rewriter|batchnorm|sampler|miner")
MONTHS = {"2019-04": "2019-03", "2019-07": "2019-07", "2021": "2021-06"}
# What no change mends: this revision does not build it under Python 3.
PYTHON_2 = {"2019-07": re.compile("_ppn"), "2019-03": re.compile("_ppn")}
NUMBERS = {"int": (0, 1, 2, 3, 5, 33, -1), "float": (0.0, 0.3, 1.0, 1.5, -0.5)}
STRINGS = {
    "fine_tune_checkpoint_type": ("detection", "classification", "fine_tune", ""),
    "freeze_variables": (".*", "FeatureExtractor", "nothing", "(", "BoxPredictor"),
    "update_trainable_variables": (".*", "BoxPredictor", "nothing", "("),
    "metrics_set": (*METRICS, *OTHER_METRICS, *LEGACY_METRICS, *OLD_METRICS, "coco"),
    "groundtruth_box_visualization_color": ("red", "no colour"),
    "name": ("train", ""),
    "policy_name": ("v0", "v9"),
}
# More than this only takes longer.
LARGEST = {"batch_size": 5}
FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)
OPTIMIZER = (
    "momentum_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.001 } } "
    "momentum_optimizer_value: 0.9 }"
)


def base_configs():
    """{family: config message}, each trainable by one API at least, with few classes."""
    with open(os.path.join(cells.HERE, "families", "training.txt"), encoding="utf-8") as file:
        training = file.read() % {"optimizer": OPTIMIZER, "averages": "false"}
    found = {}
    for path in sorted(glob.glob(os.path.join(cells.HERE, "families", "*.config"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if "train_config" not in text:
            loaded = "load_instance_masks: true"
            if "context_config" in text:
                loaded += " load_context_features: true"
            text += re.sub(r"((?:train|eval)_input_reader \{)", rf"\1 {loaded}", training)
        kind = message_class("graphfix.pipeline.TrainEvalPipelineConfig")
        message, problems = bind(Document.parse(text.encode(), subject=path), kind)
        assert not problems, problems
        body = getattr(message.model, message.model.WhichOneof("model"))
        body.num_classes = 3
        message.train_config.fine_tune_checkpoint = ""
        found[os.path.basename(path)[: -len(".config")]] = message
    return found


def trains(changes):
    """Whether one of the changes has a say in the gradients."""
    return any(
        _IS_TRAINING.search(one) and not _IS_INPUT.search(one) for one in changes.split("; ")
    )


def families_of(month, without=None):
    """[(family, config message)] that an API builds, but those that the pattern names."""
    only_2 = PYTHON_2.get(month)
    return [
        (name, message)
        for name, message in base_configs().items()
        if is_of(message, month)
        and not (only_2 and only_2.search(name))
        and not (without and re.search(without, name))
    ]


def mutants(seed, count, month, changes=(1, 1, 1, 2), without=None):
    """`count` of (name, config text, what was changed), no text twice, for the API of a month.
    `without` is a pattern of families to leave out."""
    chance = random.Random(f"{seed} {month}")
    schema = schema_history.schema(month)
    families = families_of(month, without)
    seen = set()
    for number in itertools.count():
        if len(seen) == count:
            return
        family, base = families[number % len(families)]
        message = base.__class__()
        message.CopyFrom(base)
        done = []
        for _ in range(chance.choice(changes)):
            before, said = message.SerializeToString(), ""
            while message.SerializeToString() == before:
                said = change(message, chance, schema)
            done.append(said)
        text = text_format.MessageToString(message)
        if text not in seen:
            seen.add(text)
            yield f"{number:04}_{family}", text, "; ".join(done)


def settings(month, part, family="ssd_mobilenet_v1"):
    """The same of every field of a part of the config: without it, and at each bound."""
    schema = schema_history.schema(month)
    base = base_configs()[family]
    kind = base.DESCRIPTOR.fields_by_name[part]
    for number, (path, value) in enumerate(bounds(kind.message_type, schema)):
        if LEFT_ALONE.search(f"{part}.{path}") or "." in path:
            continue
        message = base.__class__()
        message.CopyFrom(base)
        block = getattr(message, part)
        block = block[0] if repeated(kind) else block
        try:
            if isinstance(value, list):
                getattr(block, path).extend(value)
            else:
                setattr(block, path, value)
        except ValueError:  # -1 for an unsigned number
            continue
        text = text_format.MessageToString(message)
        yield f"{part}_{number:03}", text, f"{part} {path} {value}"


def alternatives(month, family):
    """The same of every choice in a family's model: a block in another's place, each value of an
    enum, and each bool."""
    schema = schema_history.schema(month)
    base = base_configs()[family]
    for number, (_, field, path) in enumerate(list(places(base, schema))):
        if not path.startswith("model") or repeated(field):
            continue
        for said, choose in choices(base, number, field, schema):
            message = base.__class__()
            message.CopyFrom(base)
            choose(list(places(message, schema))[number][0])
            if message != base:
                text = text_format.MessageToString(message)
                yield f"{number:03}_{family}", text, f"{family} {path} -> {said}"


def choices(base, number, field, schema):
    """(what it is, a function that makes it of a field's owner) of each choice of a field."""
    if field.message_type is not None:
        # A block that is there gives its place to each that may stand there.
        if field.containing_oneof is not None and is_there(*list(places(base, schema))[number][:2]):
            for one in field.containing_oneof.fields:
                known = schema.field(field.containing_type.name, one.name)
                if known and one.message_type is not None and one is not field:
                    yield one.name, lambda owner, one=one: getattr(owner, one.name).SetInParent()
    else:
        values = [one.number for one in field.enum_type.values] if field.enum_type else ()
        if field.cpp_type == field.CPPTYPE_BOOL:
            values = (False, True)
        owner = list(places(base, schema))[number][0]
        for value in set(values) - {getattr(owner, field.name)}:
            yield value, lambda owner, value=value: setattr(owner, field.name, value)


def augmentations(month, family="ssd_mobilenet_v1"):
    """The same of every augmentation that an API has, as it is by default and with each of its
    numbers at each bound."""
    schema = schema_history.schema(month)
    base = base_configs()[family]
    steps = base.train_config.data_augmentation_options.add().DESCRIPTOR
    for step in steps.fields:
        if not schema.field(steps.name, step.name):
            continue
        for number, (path, value) in enumerate([("", None), *bounds(step.message_type, schema)]):
            message = base.__class__()
            message.CopyFrom(base)
            del message.train_config.data_augmentation_options[:]
            block = getattr(message.train_config.data_augmentation_options.add(), step.name)
            block.SetInParent()
            if path:
                *above, last = path.split(".")
                for one in above:
                    block = getattr(block, one).add()
                try:
                    if isinstance(value, list):
                        getattr(block, last).extend(value)
                    else:
                        setattr(block, last, value)
                except ValueError:  # -1 for an unsigned number
                    continue
            text = text_format.MessageToString(message)
            yield f"{step.name}_{number:02}", text, f"{step.name} {path} {value}"


def bounds(kind, schema):
    """(path of a field, a bound of it) of a message and its blocks."""
    for field in kind.fields:
        if not schema.field(kind.name, field.name):
            continue
        if field.message_type is not None:
            for path, value in bounds(field.message_type, schema):
                yield f"{field.name}.{path}", value
        elif field.enum_type is not None:
            for one in field.enum_type.values:
                yield field.name, one.number
        else:
            if field.cpp_type == field.CPPTYPE_STRING:
                values = STRINGS.get(field.name, ())
            elif field.cpp_type == field.CPPTYPE_BOOL:
                values = (False, True)
            else:
                values = NUMBERS["float"] if field.cpp_type in FLOATS else integers(field)
            for value in values:
                yield field.name, [value] if repeated(field) else value


def is_of(message, month):
    """Whether the API of a month has the config's feature extractor."""
    body = getattr(message.model, message.model.WhichOneof("model"))
    known = find_extractor(body.feature_extractor.type)
    return known.since <= month and (known.gone is None or month < known.gone)


def places(message, schema, path=""):
    """All (message, field, path) of a message and those in it, of fields that the API has."""
    for field in message.DESCRIPTOR.fields:
        here = f"{path}.{field.name}".lstrip(".")
        if LEFT_ALONE.search(here) or not schema.field(message.DESCRIPTOR.name, field.name):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        yield message, field, here
        if field.message_type is not None:
            inner = getattr(message, field.name)
            if repeated(field):
                for number, one in enumerate(inner):
                    yield from places(one, schema, f"{here}[{number}]")
            elif message.HasField(field.name):
                yield from places(inner, schema, here)


def repeated(field):
    return field.label == field.LABEL_REPEATED


def is_there(message, field):
    return bool(getattr(message, field.name)) if repeated(field) else message.HasField(field.name)


def change(message, chance, schema):
    """Changes a message in one place, and says how."""
    part = chance.choices(list(PARTS), list(PARTS.values()))[0]
    found = [one for one in places(message, schema) if one[2].startswith(part)]
    there = [one for one in found if is_there(*one[:2])]
    # Most fields are absent, and most of those that are there matter more.
    owner, field, path = chance.choice(there if there and chance.random() < 0.75 else found)
    removable = field.name not in LARGEST  # whose defaults are larger than any of our values
    if is_there(owner, field) and (
        field.message_type is not None or (removable and chance.random() < 0.3)
    ):
        oneof = field.containing_oneof
        others = [
            one
            for one in (oneof.fields if oneof else ())
            if one is not field and schema.field(owner.DESCRIPTOR.name, one.name)
        ]
        if others and chance.random() < 0.5:
            other = chance.choice(others)
            if other.message_type is not None:
                getattr(owner, other.name).SetInParent()
                return f"{path} -> {other.name}"
        owner.ClearField(field.name)
        return f"no {path}"
    if field.message_type is not None:
        if repeated(field):
            getattr(owner, field.name).add()
        else:
            getattr(owner, field.name).SetInParent()
        return f"empty {path}"
    value = value_of(field, chance)
    # There is no value for a string that anything may be, and no -1 for an unsigned number.
    with contextlib.suppress(ValueError, TypeError):
        if repeated(field):
            getattr(owner, field.name).append(value)
        else:
            setattr(owner, field.name, value)
    return f"{path}: {value}"


def value_of(field, chance):
    if field.enum_type is not None:
        return chance.choice([one.number for one in field.enum_type.values])
    if field.cpp_type == field.CPPTYPE_BOOL:
        return chance.random() < 0.5
    if field.cpp_type in FLOATS:
        return chance.choice(NUMBERS["float"])
    if field.cpp_type == field.CPPTYPE_STRING:
        return chance.choice(STRINGS[field.name]) if field.name in STRINGS else None
    return chance.choice(integers(field))


def integers(field):
    return [one for one in NUMBERS["int"] if one <= LARGEST.get(field.name, one)]
