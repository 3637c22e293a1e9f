"""Every published layout, converted, is restored in full by the stock trainers.

Full-size replicas are made from the published indexes.  `make test` takes the one whose layout
has most in it; GRAPHFIX_ALL_CONFIGS=1 takes them all (about ten minutes).
"""

import os
import shutil

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import judging
import replica as replicas
import thorough
import zoo

from graphfix.detectors import families

SAMPLES = {
    "rfcn_resnet101_coco_11_06_2017": "rfcn_resnet101_coco.config",
    "ssdlite_mobilenet_v2_coco_2018_05_09": "ssdlite_mobilenet_v2_coco.config",
}
# What its feature extractor came with is the 2021 API's; all others are 2019-07's.
LATER = ("ssdlite_mobiledet_cpu_320x320_coco_2020_05_19",)
FEW = ("mask_rcnn_inception_v2_coco_2018_01_28",)
OTHERS = (
    "faster_rcnn_inception_resnet_v2_atrous_coco_2018_01_28",
    "faster_rcnn_inception_v2_coco_2018_01_28",
    "finetuned/mask_rcnn_inception_v2_1_class_training",
    "finetuned/ssd_resnet50_v1_fpn_11_classes",
    "rfcn_resnet101_coco_11_06_2017",
    "ssd_mobilenet_v1_coco_2018_01_28",
    "ssd_mobilenet_v1_quantized_300x300_coco14_sync_2018_07_18",
    "ssd_mobilenet_v2_coco_2018_03_29",
    "ssd_mobilenet_v2_quantized_300x300_coco_2019_01_03",
    "ssdlite_mobiledet_cpu_320x320_coco_2020_05_19",
    "ssdlite_mobilenet_v2_coco_2018_05_09",
)


@pytest.mark.parametrize("name", thorough.cases(FEW, OTHERS))
def test_the_converted_replica_is_restored_in_full(name, stock_python, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    if name in SAMPLES:
        # A directory as it would be, had its own config been published.
        model = tmp_path / "model"
        shutil.copytree(zoo.model(name), str(model), ignore=lambda *_: ["pipeline.config"])
        shutil.copy(
            os.path.join(zoo.DIRECTORY, "sample_configs", SAMPLES[name]),
            str(model / "pipeline.config"),
        )
    else:
        model = zoo.model(name)
    replicas.make(str(model), str(source))
    era, revision = ("2021", "2021-06") if name in LATER else ("2019-07", "2019-07")
    out = judging.convert(
        source,
        tmp_path / "out",
        "--num_classes",
        "3",
        "--map",
        "1=1",
        "--map",
        "3=1",
        "--target_api",
        revision,
        "--trainer",
        "legacy",
    )
    (result,) = judging.ask(
        [
            (
                stock_python(era),
                judging.job(out, trainer="legacy", steps=1, log=str(tmp_path / "log")),
            )
        ]
    )
    assert result["verdict"] == "complete", {
        key: [row["name"] for row in result[key]][:5] for key in ("dropped", "missing")
    }
    model_count = result["counts"]["model"]
    assert model_count["restored"] == model_count["total"] > 100
    assert result["finite"] and len(result["losses"]) == 1
    # The legacy trainer looks for its optimizer's slots, too, and for the step; they start anew.
    assert all(
        name == "global_step" or name.endswith(families.SLOT_SUFFIXES)
        for name in judging.complaints(tmp_path / "log")
    )
    shutil.rmtree(str(source))
    shutil.rmtree(out)
