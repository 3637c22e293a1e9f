"""Every published index: what the model is, and that its plan has an edit for every tensor.

What each is was read off its config and index by hand: the table is the oracle.
"""

import json
import os
import shutil

import pytest
import thorough
import zoo

from graphfix.detectors.auxiliary_variables import find_auxiliary_variables
from graphfix.detectors.families import GLOBAL_STEP
from graphfix.detectors.variables import model_variables
from graphfix.formats.checkpoint import entries, reader, table
from graphfix.pipeline_config.document import parse_config

# Directory: index, its config, then family, feature extractor, classes, tensors, moving averages,
# optimizer's; a sample config where none was published, or where what is there is another's.
SAMPLES = "sample_configs/"
MODELS = {
    "faster_rcnn_inception_resnet_v2_atrous_coco_2018_01_28": (
        "model.ckpt",
        None,
        "Faster R-CNN",
        "faster_rcnn_inception_resnet_v2",
        90,
        907,
        0,
        0,
    ),
    "faster_rcnn_inception_v2_coco_2018_01_28": (
        "model.ckpt",
        None,
        "Faster R-CNN",
        "faster_rcnn_inception_v2",
        90,
        357,
        0,
        0,
    ),
    "mask_rcnn_inception_v2_coco_2018_01_28": (
        "model.ckpt",
        None,
        "Faster R-CNN",
        "faster_rcnn_inception_v2",
        90,
        361,
        0,
        0,
    ),
    "rfcn_resnet101_coco_11_06_2017": (
        "model.ckpt",
        SAMPLES + "rfcn_resnet101_coco.config",
        "R-FCN",
        "faster_rcnn_resnet101",
        90,
        907,
        0,
        324,
    ),
    "ssd_mobilenet_v1_coco_2018_01_28": (
        "model.ckpt",
        None,
        "SSD, convolutional predictor",
        "ssd_mobilenet_v1",
        90,
        200,
        0,
        0,
    ),
    "ssd_mobilenet_v1_quantized_300x300_coco14_sync_2018_07_18": (
        "model.ckpt",
        None,
        "SSD, convolutional predictor",
        "ssd_mobilenet_v1",
        90,
        388,
        0,
        0,
    ),
    "ssd_mobilenet_v2_coco_2018_03_29": (
        "model.ckpt",
        None,
        "SSD, convolutional predictor",
        "ssd_mobilenet_v2",
        90,
        345,
        0,
        0,
    ),
    "ssd_mobilenet_v2_quantized_300x300_coco_2019_01_03": (
        "model.ckpt",
        None,
        "SSD, convolutional predictor",
        "ssd_mobilenet_v2",
        90,
        1574,
        204,
        408,
    ),
    "ssdlite_mobiledet_cpu_320x320_coco_2020_05_19": (
        "model.ckpt-400000",
        None,
        "SSD, convolutional predictor",
        "ssd_mobiledet_cpu",
        90,
        849,
        0,
        343,
    ),
    "ssdlite_mobilenet_v2_coco_2018_05_09": (
        "model.ckpt",
        SAMPLES + "ssdlite_mobilenet_v2_coco.config",
        "SSD, convolutional predictor",
        "ssd_mobilenet_v2",
        90,
        405,
        0,
        0,
    ),
    "finetuned/mask_rcnn_inception_v2_1_class_training": (
        "model.ckpt-1295",
        None,
        "Faster R-CNN",
        "faster_rcnn_inception_v2",
        1,
        583,
        0,
        222,
    ),
    "finetuned/ssd_mobilenet_v1_0.75_quantized_1_class": (
        "model.ckpt",
        None,
        "SSD, convolutional predictor",
        "ssd_mobilenet_v1",
        1,
        388,
        0,
        0,
    ),
    "finetuned/ssd_resnet50_v1_fpn_11_classes": (
        "model.ckpt",
        None,
        "SSD, weight-shared predictor",
        "ssd_resnet50_v1_fpn",
        11,
        464,
        0,
        0,
    ),
}

WIDTHS = {
    "mask_rcnn_inception_v2_coco_2018_01_28": ["256"],
    "finetuned/mask_rcnn_inception_v2_1_class_training": ["16"],
}


def prefix_and_config(name, tmp_path):
    """A checkpoint of a published index, its data a hole in a file, and its config."""
    stem, config = MODELS[name][:2]
    directory = zoo.model(name)
    shutil.copy(os.path.join(directory, stem + ".index"), str(tmp_path / "model.ckpt.index"))
    with open(os.path.join(directory, stem + ".index"), "rb") as file:
        pairs = dict(table.read(file.read(), stem))
    pairs.pop(b"")
    ends = [
        entry.offset + entry.size for entry in map(entries.entry_class().FromString, pairs.values())
    ]
    with open(str(tmp_path / "model.ckpt.data-00000-of-00001"), "wb") as file:
        file.truncate(max(ends))
    return str(tmp_path / "model.ckpt"), os.path.join(
        zoo.DIRECTORY, config
    ) if config else os.path.join(directory, "pipeline.config")


@pytest.mark.parametrize("name", sorted(MODELS))
def test_its_variables_are_told_by_its_config(name, tmp_path):
    prefix, config = prefix_and_config(name, tmp_path)
    metas = {one: view.meta for one, view in reader.open_bundle(prefix).items()}
    extras = find_auxiliary_variables(metas)
    added = extras.moving_averages + extras.optimizer + extras.quantization + (GLOBAL_STEP,)
    with open(config, "rb") as file:
        message = parse_config(file.read(), config).message
    assert {
        one.name: one.shape for one in model_variables(message, revision="2021-06", config=config)
    } == {one: meta.shape for one, meta in metas.items() if one not in added}


@pytest.mark.parametrize("name", thorough.sampled(sorted(MODELS), 4))
def test_inspect_and_plan(name, graphfix, tmp_path):
    prefix, config = prefix_and_config(name, tmp_path)
    done = graphfix("inspect", prefix, "--pipeline_config_path", config, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert (
        found["family"],
        found["feature_extractor"],
        found["classes"],
        found["tensors"],
        found["moving_averages"],
        found["optimizer"],
    ) == MODELS[name][2:]
    revision = "2020-12" if "mobiledet" in name else "2019-07"
    done = graphfix(
        "plan",
        prefix,
        "--pipeline_config_path",
        config,
        "--num_classes",
        "2",
        "--map",
        "1=1",
        "--target_api",
        revision,
        "--json",
    )
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    assert [edit["tensor"] for edit in plan["edits"]] == sorted(
        edit["tensor"] for edit in plan["edits"]
    )
    assert len(plan["edits"]) == found["tensors"]
    # Mask R-CNN's layers keep their trained width, which would follow from the number of classes.
    assert [
        edit["literal"]
        for edit in plan["config_edits"]
        if edit["path"][-1] == "mask_prediction_conv_depth"
    ] == WIDTHS.get(name, [])
    # Nothing class-shaped of the optimizer's or the averages' goes out.
    going = {edit.get("to") or edit["tensor"] for edit in plan["edits"] if edit["edit"] != "drop"}
    assert not any(
        one.endswith(("/Momentum", "/RMSProp", "/RMSProp_1", "/Adam", "/Adam_1")) for one in going
    )


def test_no_published_model_is_left_out():
    found = {
        os.path.relpath(os.path.dirname(path), zoo.DIRECTORY)
        for path in zoo.published("**/*.index")
    }
    if not found:
        pytest.skip("no files of published models: set GRAPHFIX_ZOO_DIR (or have ../shared/zoo)")
    assert found == set(MODELS)


def test_a_config_of_other_classes_than_its_checkpoint_is_told_so_once(graphfix, tmp_path):
    prefix, _ = prefix_and_config("ssdlite_mobilenet_v2_coco_2018_05_09", tmp_path)
    config = os.path.join(zoo.model("ssdlite_mobilenet_v2_coco_2018_05_09"), "pipeline.config")
    done = graphfix("inspect", prefix, "--pipeline_config_path", config, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    (told,) = [one for one in found["findings"] if one["code"] == "CONFIG_EDITED"]
    assert found["classes"] == 90 and "num_classes 11" in told["message"]
