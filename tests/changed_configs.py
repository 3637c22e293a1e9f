"""What doctor says of the stock tests' small configs, with fields changed."""

import functools
import os
import sys

import repository

from graphfix.doctor import diagnosis
from graphfix.doctor.setup import Options
from graphfix.pipeline_config import schema_history

sys.path.insert(0, os.path.join(repository.TESTS, "stock"))
import config_mutations

REMOVED = object()
_base_configs = functools.lru_cache()(config_mutations.base_configs)


def codes(family, changes, month="2019-07"):
    """The codes of all findings; `changes` is {path below the model's message, or from
    train_config: value}, where a list replaces what a repeated field has, None is an empty block,
    and REMOVED none."""
    base = _base_configs()[family]
    message = base.__class__()
    message.CopyFrom(base)
    for path, value in changes.items():
        *blocks, field = path.split(".")
        block = message
        if blocks[:1] != ["train_config"]:
            block = getattr(message.model, message.model.WhichOneof("model"))
        for step in blocks:
            block = getattr(block, step)
        if value is REMOVED:
            block.ClearField(field)
        elif value is None:
            getattr(block, field).SetInParent()
        elif isinstance(value, list):
            del getattr(block, field)[:]
            getattr(block, field).extend(value)
        else:
            setattr(block, field, value)
    options = Options(month, schema_history.schema(month), ("model_main",), {})
    text = config_mutations.text_format.MessageToString(message)
    found = diagnosis.run_checks(text.encode(), "pipeline.config", options).findings
    return {one.code for one in found}
