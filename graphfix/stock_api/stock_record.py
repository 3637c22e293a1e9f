"""What is recorded while a stock trainer starts, and where it comes from.

asked for, dropped, missing   the arguments and result of the API's own
                              variables_helper.get_variables_available_in_checkpoint
messages                      the warnings the API logs about them, word for word
values                        every variable of the graph, read in the trainer's own session after
                              it initialised or restored and before its first step, compared
                              bit for bit with the checkpoint's tensor of that name; the
                              optimizer's also with the graph's own initial values
"""

import logging
import re
import unittest.mock
from typing import Any, Dict, List, Set

import numpy as np
import tensorflow.compat.v1 as tf
from object_detection.builders import optimizer_builder
from object_detection.utils import variables_helper

EMA = "/ExponentialMovingAverage"
QUANTIZATION = re.compile(r"(^|/)\w*_quant/|^fake_quantization_step$")
MESSAGE = re.compile(r"incompatible shape|not available in checkpoint")
READ_AT_ONCE = 64 << 20  # bytes


class RestoreRecord:
    """What a stock trainer asked for, was given and started from; `result` is the job's, filled on
    the way."""

    def __init__(self, result):
        self.result = result
        self.asked = {}  # variable name -> name in the checkpoint
        self.given = set()  # names of variables that the stock code restores
        self.model: Set[str] = set()  # names of variables that existed before the optimizer did
        self.messages = []

    def watch(self, stack):
        """Wraps the stock API's own functions until `stack` is closed."""
        available = variables_helper.get_variables_available_in_checkpoint
        build_optimizer = optimizer_builder.build

        def get_variables_available_in_checkpoint(variables, *args, **kwargs):
            found = available(variables, *args, **kwargs)
            self.asked.update(_named(variables))
            self.given.update(_named(found))
            return found

        def build(*args, **kwargs):
            self.model = {variable.op.name for variable in tf.global_variables()}
            return build_optimizer(*args, **kwargs)

        replace(
            stack,
            variables_helper,
            "get_variables_available_in_checkpoint",
            get_variables_available_in_checkpoint,
        )
        replace(stack, optimizer_builder, "build", build)
        # Logging sets itself up at the first message unless it finds a handler; with ours alone,
        # the messages would not reach the job's log.
        logging.basicConfig()
        handler = _Collector(self.messages)
        for logger in (logging.getLogger(), logging.getLogger("tensorflow")):
            logger.addHandler(handler)
            stack.callback(logger.removeHandler, handler)

    def category(self, name):
        """model, quantization, moving_average, optimizer or step."""
        if name == tf.GraphKeys.GLOBAL_STEP:
            return "step"
        if name.endswith(EMA):
            return "moving_average"
        if QUANTIZATION.search(name):
            return "quantization"
        return "model" if name in self.model else "optimizer"

    def compare(self, session, variables, checkpoint, resumed):
        """Reads every variable before the first step and records how it compares with the
        checkpoint's."""
        reader = tf.train.NewCheckpointReader(checkpoint)
        shapes = reader.get_variable_to_shape_map()
        names = {variable.op.name for variable in variables}
        values: Dict[str, Any] = {}
        counts: Dict[str, Any] = {}
        lists: Dict[str, List[Any]] = {
            key: [] for key in ("restored", "dropped", "missing", "not_asked_for")
        }
        averages: Dict[str, Any] = {
            "from_checkpoint": 0,
            "from_variable": 0,
            "from_initialiser": [],
        }
        # Averages last, so that what they average is already at hand.
        ordered = sorted(variables, key=lambda variable: variable.op.name.endswith(EMA))
        for chunk in _chunks(ordered):
            initial = session.run(
                {
                    variable.op.name: variable.initial_value
                    for variable in chunk
                    if self.category(variable.op.name) == "optimizer"
                }
            )
            for variable, value in zip(chunk, session.run(chunk)):
                name, value = variable.op.name, np.asarray(value)
                if name + EMA in names:
                    values[name] = value
                source = self.asked.get(name, name)
                category = self.category(name)
                count = counts.setdefault(category, {"total": 0, "restored": 0})
                count["total"] += 1
                if name in initial:
                    count["initial"] = count.get("initial", 0) + same_bits(value, initial[name])
                row = {
                    "name": name,
                    "category": category,
                    "dtype": str(value.dtype),
                    "shape": list(value.shape),
                }
                equal = shapes.get(source) == list(value.shape) and same_bits(
                    value, reader.get_tensor(source)
                )
                given = resumed or name in self.given
                if given:
                    count["restored"] += equal
                    lists["restored"].append(dict(row, bit_equal=equal))
                elif name not in self.asked:
                    lists["not_asked_for"].append(dict(row, bit_equal=equal))
                elif source in shapes and shapes[source] != list(value.shape):
                    lists["dropped"].append(
                        dict(
                            row,
                            checkpoint_shape=shapes[source],
                            model_shape=list(value.shape),
                            message=self.message(source),
                        )
                    )
                else:
                    lists["missing"].append(dict(row, message=self.message(source)))
                if category == "moving_average":
                    parent = values.get(name[: -len(EMA)])
                    if given and equal:
                        averages["from_checkpoint"] += 1
                    elif parent is not None and same_bits(value, parent):
                        averages["from_variable"] += 1
                    else:
                        averages["from_initialiser"].append(name)
                if category == "step":
                    self.result["global_step"] = int(value)
        self.result.update(
            {key: sorted(rows, key=lambda row: row["name"]) for key, rows in lists.items()}
        )
        self.result.update(
            counts=counts,
            moving_averages=averages,
            model_variables=counts.get("model", {"total": 0})["total"],
        )

    def message(self, name):
        """The line that the stock code logged about a variable, None if there is none."""
        return next((text for text in self.messages if f"[{name}]" in text), None)


class _Collector(logging.Handler):
    def __init__(self, messages):
        logging.Handler.__init__(self)
        self._messages = messages

    def emit(self, record):
        text = record.getMessage()
        if MESSAGE.search(text) and text not in self._messages:
            self._messages.append(text)


def replace(stack, owner, name, value):
    """Puts `value` in the place of an attribute until `stack` is closed."""
    stack.enter_context(unittest.mock.patch.object(owner, name, value))


def same_bits(left, right):
    """Whether two arrays have the same type, shape and bits (so that NaN equals itself)."""
    left, right = np.asarray(left), np.asarray(right)
    return (left.dtype, left.shape) == (
        right.dtype,
        right.shape,
    ) and left.tobytes() == right.tobytes()


def _chunks(variables):
    """Lists of variables whose values take about READ_AT_ONCE bytes together."""
    chunk, size = [], 0
    for variable in variables:
        chunk.append(variable)
        size += variable.shape.num_elements() * variable.dtype.size
        if size >= READ_AT_ONCE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _named(variables):
    """Variable name -> checkpoint name, of the list or dictionary the stock code passes around."""
    pairs = (
        variables.items()
        if isinstance(variables, dict)
        else ((variable.op.name, variable) for variable in variables)
    )
    return {variable.op.name: name for name, variable in pairs}
