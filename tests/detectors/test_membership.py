"""Which tensors are a model's: all variables of every family, and no other's."""

import glob
import os
import re

import pytest
import repository

from graphfix.detectors.describe import describe
from graphfix.detectors.membership import strangers
from graphfix.detectors.variables import model_variables
from graphfix.formats.dtypes import FLOAT32
from graphfix.formats.tensors import TensorMeta
from graphfix.pipeline_config.document import parse_config

FAMILIES = {
    os.path.basename(path)[: -len(".config")]
    for path in glob.glob(os.path.join(repository.FAMILIES, "*.config"))
}
# Its layers are not recorded.
FAMILIES.remove("ssd_spaghettinet")
DEPTHWISE = (r"kernel_size: \d", "kernel_size: 3 use_depthwise: true")
BETWEEN = ("kernel_size: 3", "kernel_size: 3 num_layers_before_predictor: 2 max_depth: 32")
# Families' files, with substitutions in them.
CASES = [
    *((family, ()) for family in sorted(FAMILIES)),
    ("ssd_mobilenet_v1", (DEPTHWISE, BETWEEN)),
    ("ssd_one_feature_map", (DEPTHWISE,)),
    ("ssd_one_feature_map", (DEPTHWISE, BETWEEN)),
]


def model_of(family, substitutions):
    """A model that a config and its variables describe, and the variables."""
    with open(os.path.join(repository.FAMILIES, f"{family}.config")) as file:
        text = file.read()
    for old, new in substitutions:
        assert re.search(old, text), old
        text = re.sub(old, new, text)
    message = parse_config(text.encode(), family).message
    # Which built Keras's models in TensorFlow 1, and the others.
    revision = "2019-07" if family.endswith("_keras") else "2021-01"
    metas = {
        one.name: TensorMeta(one.name, FLOAT32, one.shape)
        for one in model_variables(message, revision=revision, config=family)
    }
    return describe(message, metas, config=family, checkpoint=family), metas


@pytest.mark.parametrize("family, substitutions", CASES)
def test_every_variable_of_a_model_is_its_own(family, substitutions):
    model, metas = model_of(family, substitutions)
    assert not strangers(model, metas)


def test_others_are_strangers():
    model, metas = model_of("ssd_one_feature_map", (DEPTHWISE,))
    others = ["BoxPredictor_0/BoxEncodingPredictor/weights", "Dense/weights"]
    assert list(strangers(model, [*metas, *others])) == others
