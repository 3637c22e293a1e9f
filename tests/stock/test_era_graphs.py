"""Graphs of 2017 to 2020 against those that the eras' builders make of the same configs.

Published and users' models have their own graphs beside them (`.meta`).  All that they compute
(graph_facts.py) is the same, but for what docs/eras.md tells of.  GRAPHFIX_ALL_CONFIGS=1 runs it.
"""

import os
import subprocess

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import config_plans
import graph_facts
import judging
import thorough
import zoo

from graphfix.formats.graphdef import files
from graphfix.pipeline_config.document import parse_config
from graphfix.pipeline_config.edits import apply_edits
from graphfix.planning.config_edits import plan_config

SCRIPT = os.path.join(judging.HERE, "era_graphs.py")
MONTHS = {"2019-04": "2019-03", "2019-07": "2019-07", "2021": "2021-06"}
MODELS = (
    "field/frozen_one_class_frcnn",
    "field/frozen_rank_perm",
    "field/old_anchor_order",
    "finetuned/ssd_mobilenet_v1_0.75_quantized_1_class",
    "finetuned/ssd_resnet50_v1_fpn_11_classes",
    "ssd_mobilenet_v1_coco_2018_01_28",
    "ssd_mobilenet_v1_quantized_300x300_coco14_sync_2018_07_18",
    "ssd_mobilenet_v2_coco_2018_03_29",
    "ssdlite_mobilenet_v2_coco_2018_05_09",
)
CASES = tuple((name, era) for name in MODELS for era in judging.ERAS) + (
    ("field/frozen_static_nms", "2021"),  # a MobileNet v3
)
# Of a user's SSD of 2017: the anchors of all maps but the first, the inputs of the added layers.
OLD = "field/old_anchor_order"


def different(name, what):
    return name == OLD and (
        (what.startswith("anchors ") and what != "anchors 0")
        or (what.startswith("layer ") and "_3x3_s2_" in what)
    )


@pytest.mark.parametrize("name, era", thorough.cases((), CASES))
def test_the_graph_computes_what_the_builder_of_an_era_makes(name, era, stock_python, tmp_path):
    directory = zoo.model(name)
    (path,) = (
        os.path.join(directory, one) for one in os.listdir(directory) if one.endswith(".config")
    )
    with open(path, "rb") as file:
        config = parse_config(file.read(), path)
    meta = config.message.model.WhichOneof("model")
    edits, _ = plan_config(
        config,
        meta,
        getattr(config.message.model, meta).num_classes,
        target_api=MONTHS[era],
        trainer="any",
        resumable=False,
        paths=config_plans.NO_RECORDS,
    )
    written, target = tmp_path / "pipeline.config", tmp_path / "graph.pb"
    written.write_text(apply_edits(config.document, edits).text)
    subprocess.run(
        [stock_python(era), SCRIPT, str(written), str(target)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    meta = files.open_meta_graph(os.path.join(directory, "model.ckpt.meta")).whole()
    own = graph_facts.facts(meta.graph_def)
    stock = graph_facts.facts(files.read_graph_def(str(target)))
    assert set(own) == set(stock)
    assert {what for what in own if own[what] != stock[what]} == {
        what for what in own if different(name, what)
    }
