"""Every refusal that the stock code has for a config, a label map or records is explained.

The code is read, not run: each `raise` and `assert` with a message, in the modules that a user's
files reach, of all three revisions.
"""

import ast
import os
import re

import pytest

from graphfix.doctor.messages.explain import explain

# Modules that refuse what a user wrote.  The others check the API's own values: box lists, NumPy's
# evaluation, TPUs, CenterNet (for TensorFlow 2).
READ = re.compile(
    r"(anchor_generators|box_coders|builders|data_decoders|matchers|models|predictors)/[\w/]+\.py$"
    r"|meta_architectures/(ssd|faster_rcnn|rfcn|context_rcnn)\w*\.py$"
    r"|core/post_processing\.py$|legacy/(train|trainer)\.py$|(inputs|model_lib)\.py$"
    r"|export\w*\.py$|utils/(label_map_util|learning_schedules)\.py$"
    r"|dataset_tools/create_(pascal|pet|coco)_tf_record\.py$"
)
NOT_READ = re.compile(r"_test\.py$|_test_lib\.py$|models/keras_models|models/center_net|/test_")
FEWEST = 120


def words_of(node):
    """The text of a message, with something in each of its gaps."""
    if isinstance(node, ast.Str):
        return node.s
    if isinstance(node, ast.BinOp):
        return words_of(node.left) or words_of(node.right)
    if isinstance(node, ast.Call):
        of = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        return next(filter(None, map(words_of, of + node.args)), None)
    return None


def refusals(top):
    """(module, exception's type, message) of the stock code at a directory."""
    for folder, _, files in os.walk(top):
        for name in files:
            path = os.path.join(folder, name)
            module = os.path.relpath(path, top).replace(os.sep, "/")
            if not READ.match(module) or NOT_READ.search(module):
                continue
            with open(path, encoding="utf-8") as file:
                tree = ast.parse(file.read())
            for node in ast.walk(tree):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                    kind, text = getattr(node.exc.func, "id", None), words_of(node.exc)
                elif isinstance(node, ast.Assert):
                    kind, text = "AssertionError", words_of(node.msg)
                else:
                    continue
                if kind and text:
                    # A gap at the beginning has the name of an option, in all that there are.
                    text = re.sub(r"^%s", "anchor_strides", text)
                    yield module, kind, re.sub(r"%[sdr]|\{[^}]*\}", "x1", text)


@pytest.mark.parametrize("era", ["2019-04", "2019-07", "2021"])
def test_what_the_stock_code_refuses_is_explained(stock_python, era):
    top = os.path.join(os.path.dirname(stock_python(era)), "..", "lib", "python3.7")
    found = set(refusals(os.path.join(top, "site-packages", "object_detection")))
    assert len(found) > FEWEST
    silent = []
    for module, kind, text in sorted(found):
        said = explain(f"Traceback (most recent call last):\n{kind}: {text}")
        if said.unknown and not said.unknown.row:
            silent.append((module, text))
    assert not silent, silent
