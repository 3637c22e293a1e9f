"""export tf2, judged by the stock code of TensorFlow 2 beside that of TensorFlow 1."""

import os
import re

import judged_tf2
import pytest
import record_tf2
import repository
import tf2_cases
import thorough

import graphfix

SMALL = "ssd_mobilenet_v2"
TRAINED = (SMALL, "ssd_mobilenet_v1", "ssdlite_mobilenet_v2", "faster_rcnn_resnet50")
TRAINED += ("mask_rcnn_resnet50",)


def export(title, tmp_path, **options):
    text = judged_tf2.with_training(tf2_cases.text_of(title))
    out = str(tmp_path / "out")
    options = graphfix.ConvertOptions(**options)
    graphfix.export("tf2", judged_tf2.source(text, str(tmp_path / "source")), out, options)
    return out


def test_the_trainers_restore_asserts_that_all_is_there(tf2_python, tmp_path):
    out = export(SMALL, tmp_path, num_classes=3, map=["1=7"])
    found = graphfix.try_with_stock_api(out, stock_python=tf2_python)
    assert found.complete, found.to_lines()
    assert "every variable matched" in found.verifications[0].summary
    assert "values were not compared" in found.remarks[0]


@thorough.only
@pytest.mark.parametrize("title", tf2_cases.CASES)
def test_outputs_are_those_of_tensorflow_1(tf2_python, stock_python, title, tmp_path):
    """Also of new classes, and of ones in another order."""
    out = export(title, tmp_path, num_classes=4, map=["1=7", "2=3"])
    python = stock_python("2021")
    found = graphfix.try_with_stock_api(out, stock_python=tf2_python, tf1_python=python)
    assert found.complete and found.outputs, found.to_lines()
    assert all("picture's right or bottom edge" in note for note in found.outputs[0].notes)
    assert len(found.outputs[0].figures) >= 3 and found.outputs[0].figures[1].largest > 0.1


@thorough.only
@pytest.mark.parametrize("title", TRAINED)
def test_the_trainer_goes_on_from_the_carried_weights(tf2_python, title, tmp_path):
    out = export(title, tmp_path)
    found = graphfix.try_with_stock_api(out, stock_python=tf2_python, steps=50)
    assert found.complete, found.to_lines()
    assert len(found.details[-1]["losses"]) == 50
    assert found.details[-1]["restored"] == found.details[-1]["total"] > 190


@thorough.only
def test_what_is_recorded_is_what_it_saves(tf2_python):
    assert record_tf2.objects(list(tf2_cases.CASES), tf2_python) == tf2_cases.recorded()


def edited(out, old, new):
    path = os.path.join(out, "pipeline.config")
    with open(path) as file:
        text = file.read()
    assert re.search(old, text)
    with open(path, "w") as file:
        file.write(re.sub(old, new, text))


@thorough.only
def test_the_stride_of_pooling_matters(tf2_python, stock_python, tmp_path):
    """As it is where somebody copies the config by hand: in silence, another network."""
    out = export("faster_rcnn_resnet50", tmp_path)
    edited(out, "maxpool_stride: 1", "maxpool_stride: 2")
    python = stock_python("2021")
    found = graphfix.try_with_stock_api(out, stock_python=tf2_python, tf1_python=python)
    assert not found.complete and found.verifications[0].complete
    (figure,) = [one for one in found.outputs[0].figures if "refined" in one.name]
    assert figure.difference > 0.01 * figure.largest


@thorough.only
def test_a_depth_multiplier_is_applied_twice(tf2_python, tmp_path):
    """As it is where somebody keeps it: other shapes."""
    text = judged_tf2.with_training(tf2_cases.edited("ssd_mobilenet_v1_half", ()))
    out = str(tmp_path / "out")
    graphfix.export("tf2", judged_tf2.source(text, str(tmp_path / "source")), out)
    edited(out, "depth_multiplier: 0.712", "depth_multiplier: 0.5")
    found = graphfix.try_with_stock_api(out, stock_python=tf2_python)
    assert not found.complete and "shape" in found.verifications[0].summary


@thorough.only
def test_trained_weights_go_on_in_a_wider_network(tf2_python, stock_python, tmp_path):
    """The detector of testdata, of depth 0.25, on its own records."""
    out = str(tmp_path / "out")
    graphfix.export("tf2", repository.DETECTOR, out)
    found = graphfix.try_with_stock_api(
        out,
        stock_python=tf2_python,
        tf1_python=stock_python("2021"),
        steps=50,
        train_record=judged_tf2.RECORD,
    )
    assert found.complete, found.to_lines()
    trained = found.details[-1]
    assert trained["restored"] == trained["total"] == 199
    assert len(trained["losses"]) == 50 and trained["finite"]
