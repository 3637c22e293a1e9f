"""The variables of a config's model, and what is refused; published models: test_published.py."""

import os

import pytest

from graphfix.bundle import reader
from graphfix.config.pipeline import parse_config
from graphfix.model import families
from graphfix.model.backbones import BACKBONES
from graphfix.model.layers import Norm, Widths, find_extractor, parse_layers
from graphfix.model.variables import Unknown, model_variables

CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "testdata",
                      "shapes_detector", "pipeline.config")


def listed(message, month="2019-07"):
    return {one.name: one.shape
            for one in model_variables(message, month=month, config="pipeline.config")}


def message_of(*changes):
    with open(CONFIG) as file:
        text = file.read()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return parse_config(text.encode(), "pipeline.config").message


def test_a_trained_model_has_just_these():
    store = reader.open_bundle(os.path.join(os.path.dirname(CONFIG), "model.ckpt"))
    own = {name: tuple(view.meta.shape) for name, view in store.items()
           if name != families.GLOBAL_STEP}
    assert listed(message_of()) == own


@pytest.mark.parametrize("row", [row for row in BACKBONES if find_extractor(row.type)],
                         ids=lambda row: row.type)
def test_every_extractor_is_recorded(row):
    found = find_extractor(row.type)
    variables = {one.name: one.shape for one in found.variables(
        Widths(), Norm(True, True, True), False, False, 6)}
    assert variables[row.scopes[0] + row.first][-1] == row.width
    assert all(name.startswith(row.scopes) for name in variables)


@pytest.mark.parametrize("token,widths,number", [
    ("64", Widths(0.5, 8), 64), ("S64", Widths(0.5, 8), 32), ("S64", Widths(0.1, 16), 16),
    ("S100", Widths(0.33, 8), 33), ("D100", Widths(0.33, 8), 32), ("D24*6", Widths(0.5, 8), 96),
    ("SA", Widths(0.5, 8, 112), 56), ("A", Widths(0.5, 8, 112), 112)])
def test_widths(token, widths, number):
    assert widths.of(token) == number


def test_lines():
    found = parse_layers("# note\nextractor t md S8 4\n  F/a_{S8} weights:1x1x3xS8 c\n"
                         "  F/b depthwise_weights:3x3xS8x2,pointwise_weights:1x1xS8xS4 o:bmv n\n"
                         "  F/d =:7 - d\n")["t"]
    half = Widths(0.5, 1)

    def names(norm, override, depthwise):
        return [one.name for one in found.variables(half, norm, override, depthwise, 6)]
    bare, scaled = Norm(False, False, True), Norm(True, True, False)
    assert names(bare, False, False) == [
        "F/a_4/weights", "F/a_4/biases", "F/b/depthwise_weights", "F/b/pointwise_weights",
        "F/b/BatchNorm/beta", "F/b/BatchNorm/moving_mean", "F/b/BatchNorm/moving_variance"]
    assert names(scaled, True, False)[-3:] == [
        "F/b/BatchNorm/gamma", "F/b/BatchNorm/moving_mean", "F/b/BatchNorm/moving_variance"]
    assert names(bare, True, True) == ["F/a_4/weights", "F/a_4/biases", "F/d"]
    assert dict(found.variables(half, scaled, False, False, 6))["F/b/BatchNorm/beta"] == (2,)


@pytest.mark.parametrize("changes,month,words", [
    ([('"ssd_mobilenet_v1"', '"ssd_invented"')], "2019-07", "not recorded"),
    ([('"ssd_mobilenet_v1"', '"ssd_mobiledet_cpu"')], "2019-07", "builds no ssd_mobiledet_cpu"),
    ([("      conv_hyperparams {", "      conv_hyperparams { force_use_bias: true")], "2021-06",
     "force_use_bias"),
    ([("num_layers: 6", "num_layers: 5")], "2019-07", "another number of feature maps"),
    ([('"ssd_mobilenet_v1"', '"ssd_mobilenet_v1_fpn"'),
      ("      min_depth: 16\n", "      min_depth: 16 fpn { max_level: 6 }\n")], "2019-07",
     "levels 3 to 7"),
], ids=str)
def test_what_is_not_known_is_refused(changes, month, words):
    with pytest.raises(Unknown, match=words):
        listed(message_of(*changes), month)
