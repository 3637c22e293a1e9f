"""A model that was trained with its anchors in another order: its heads' channels go with them."""

import json
import os
import shutil

import builders
import numpy as np
import old_order
import pytest
import repository
import thorough
from conversions import API, plan, same
from test_convert_anchors import RATIOS, decoded, shapes

from graphfix.formats import extents
from graphfix.formats.graphdef import files
from graphfix.formats.schema import message_class


def kept(count):
    """Flags that keep all classes."""
    return ("--num_classes", str(count), *(f"--map={one}={one}" for one in range(1, count + 1)))


KEEP = kept(8) + API
KEEP_ALL = kept(4)
DATED = "ssd_mobilenet_v1_coco_2018_01_28"


def codes(out):
    with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
        return {one["code"]: one for one in json.load(file)["findings"]}


def check_permuted(source, out):
    """Whether the heads of maps 1 to 5 have the old channels in the order of today."""
    before, after = (
        builders.read_checkpoint(os.path.join(one, "model.ckpt")) for one in (source, out)
    )
    changed = dict(old_order.heads(before))
    assert len(changed) >= 20
    for name, value in before.items():
        if name in changed:
            width = changed[name] or value.shape[-1] // 6
            assert same(after[name], old_order.permuted(value, old_order.NOW, width)), name
            assert not same(after[name], value), name
        elif name != "global_step":
            assert same(after[name], value), name


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """The trained detector's frozen graph in the old order, alone."""
    top = tmp_path_factory.mktemp("old")
    data = extents.joined(files.graph_pieces(old_order.open_graph()))
    (top / "frozen_inference_graph.pb").write_bytes(data)
    return str(top)


@pytest.mark.slow
def test_a_frozen_graph_alone_gives_the_checkpoint_of_today(detector, graphfix, tmp_path):
    out = str(tmp_path / "out")
    done = graphfix("convert", detector, "--output_directory", out, *KEEP)
    assert done.code == 0, done.err
    wanted = builders.read_checkpoint(os.path.join(repository.DETECTOR, "model.ckpt"))
    found = builders.read_checkpoint(os.path.join(out, "model.ckpt"))
    for name, value in wanted.items():
        assert name == "global_step" or same(found[name], value), name
    assert "5 of 6 feature maps" in codes(out)["ANCHOR_ORDER"]["message"]
    # The graph beside it has the same rows.
    assert "FROZEN_GRAPH" not in codes(out)
    assert graphfix("verify", out).code == 0


@pytest.mark.slow
def test_thaw_gives_the_checkpoint_of_today(detector, graphfix, tmp_path):
    done = graphfix("thaw", detector, "--output_directory", tmp_path / "out", "-v")
    assert done.code == 0 and "ANCHOR_ORDER" in done.err, done.err
    wanted = builders.read_checkpoint(os.path.join(repository.DETECTOR, "model.ckpt"))
    found = builders.read_checkpoint(str(tmp_path / "out" / "model.ckpt"))
    assert all(name == "global_step" or same(found[name], wanted[name]) for name in wanted)


@pytest.mark.slow
def test_so_does_a_saved_model(detector, graphfix, tmp_path):
    source = tmp_path / "saved_model"
    builders.write_saved_model(source, os.path.join(detector, "frozen_inference_graph.pb"))
    done = graphfix("convert", source, "--output_directory", tmp_path / "out", *KEEP)
    assert done.code == 0, done.err
    told = codes(str(tmp_path / "out"))
    assert told["ANCHOR_ORDER"]["subject"] == "saved_model.pb" and "FROZEN_GRAPH" not in told


@pytest.mark.slow
def test_a_plan_replays_the_order(detector, graphfix, tmp_path):
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    assert graphfix("convert", detector, "--output_directory", first, *KEEP).code == 0
    assert plan(first)["anchor_order"] == [[0, 1, 2]] + [list(old_order.NOW)] * 5
    path = os.path.join(first, "plan.json")
    done = graphfix("convert", detector, "--plan", path, "--output_directory", second)
    assert done.code == 0, done.err
    for name in ("model.ckpt.data-00000-of-00001", "frozen_inference_graph.pb"):
        with open(os.path.join(first, name), "rb") as one, open(
            os.path.join(second, name), "rb"
        ) as two:
            assert one.read() == two.read()


@pytest.mark.parametrize(
    "change, told",
    thorough.sampled(
        [
            (lambda data: data.pop("anchor_order"), "which is another anchor's"),
            (lambda data: data["anchor_order"].pop(), "anchor_order is of 3/6/6/6/6 anchors"),
            (lambda data: data["anchor_order"][2].reverse(), "which is another anchor's"),
            (lambda data: data["anchor_order"][2].append(1), "is not an order"),
        ],
        4,
    ),
)
def test_a_plan_of_another_order_is_refused(change, told, detector, graphfix, tmp_path):
    done = graphfix("plan", detector, "--json", *KEEP)
    data = json.loads(done.out)
    change(data)
    path = builders.write(tmp_path, "plan.json", json.dumps(data))
    done = graphfix("convert", detector, "--plan", path, "--output_directory", tmp_path / "out")
    assert done.code in (2, 3) and told in done.err, done.err


def test_a_graph_beside_the_checkpoint_tells_the_order(model, graphfix, tmp_path):
    source, out = str(tmp_path / "source"), str(tmp_path / "out")
    shutil.copytree(model, source)
    meta = message_class("graphfix.graph.MetaGraphDef")()
    meta.graph_def.CopyFrom(old_order.open_graph().graph_def)
    with open(os.path.join(source, "model.ckpt.meta"), "wb") as file:
        file.write(meta.SerializeToString())
    done = graphfix("convert", source, "--output_directory", out, *KEEP_ALL, *API)
    assert done.code == 0, done.err
    assert codes(out)["ANCHOR_ORDER"]["subject"] == "model.ckpt.meta"
    check_permuted(source, out)
    assert "trained in another order (map 1: 0 2 3 4 5 1)" in graphfix("inspect", source).out


def test_a_frozen_graph_with_other_weights_tells_no_order(detector, graphfix, tmp_path):
    """The graph of an older model, left beside a checkpoint that was trained since."""
    source, out = str(tmp_path / "source"), str(tmp_path / "out")
    shutil.copytree(repository.DETECTOR, source)
    name = "frozen_inference_graph.pb"
    shutil.copy(os.path.join(detector, name), os.path.join(source, name))
    done = graphfix("convert", source, "--output_directory", out, *KEEP)
    assert done.code == 0, done.err
    told = codes(out)["ANCHOR_ORDER_UNKNOWN"]
    assert (told["subject"], told["severity"]) == (name, "warning")
    assert "anchor_order" not in plan(out) and "ANCHOR_ORDER" not in codes(out)
    before, after = (
        builders.read_checkpoint(os.path.join(one, "model.ckpt")) for one in (source, out)
    )
    assert all(same(after[name], before[name]) for name, _ in old_order.heads(before))


def undated(model, directory):
    """The tiny detector, of which nothing tells when it was trained."""
    shutil.copytree(model, str(directory))
    config = os.path.join(str(directory), "pipeline.config")
    with open(config) as file:
        text = file.read().replace(DATED, "")
    with open(config, "w") as file:
        file.write(text)
    return str(directory)


def test_without_a_graph_the_option_tells_it(model, graphfix, tmp_path):
    source = undated(model, tmp_path / "source")
    outs = [str(tmp_path / name) for name in ("now", "then")]
    keep = KEEP_ALL + API
    for out, flags in zip(outs, ((), ("--source_api", "2017-06"))):
        done = graphfix("convert", source, "--output_directory", out, *keep, *flags)
        assert done.code == 0, done.err
    assert "--source_api 2017-10" in codes(outs[0])["ANCHOR_ORDER_UNKNOWN"]["remedy"]
    assert codes(outs[1])["ANCHOR_ORDER"]["subject"] == "--source_api"
    assert "ANCHOR_ORDER_UNKNOWN" not in codes(outs[1])
    check_permuted(source, outs[1])


@pytest.mark.slow
def test_the_name_of_a_first_archive_tells_it(graphfix, tmp_path):
    coco = {number: f"class_{number}" for number in range(1, 91)}
    source, out = str(tmp_path / "ssd_mobilenet_v1_coco_11_06_2017"), str(tmp_path / "out")
    builders.write_model(source, names=coco, tensors=builders.values(90))
    done = graphfix("convert", source, "--output_directory", out, *kept(90), *API)
    assert done.code == 0, done.err
    assert codes(out)["ANCHOR_ORDER"]["subject"] == "ssd_mobilenet_v1_coco_11_06_2017"
    check_permuted(source, out)


def test_to_an_api_of_the_old_order_nothing_moves(model, graphfix, tmp_path):
    source, out = undated(model, tmp_path / "source"), str(tmp_path / "out")
    flags = ("--source_api", "2017-06", "--target_api", "2017-09")
    done = graphfix("convert", source, "--output_directory", out, *KEEP_ALL, *flags)
    assert done.code == 0, done.err
    assert "anchor_order" not in plan(out)


def test_another_month_is_refused(model, graphfix, tmp_path):
    flags = ("--output_directory", tmp_path / "out", "--source_api", "2016-01")
    done = graphfix("convert", model, *KEEP_ALL, *flags)
    assert done.code == 3 and "2016-01" in done.err


@pytest.mark.slow
def test_other_anchors_are_told_and_carried_where_asked(detector, graphfix, tmp_path):
    # The config's scales are others than the graph's.
    shutil.copy(os.path.join(repository.DETECTOR, "pipeline.config"), str(tmp_path / "c.config"))
    with open(str(tmp_path / "c.config")) as file:
        text = file.read()
    assert "max_scale: 0.95" in text
    (tmp_path / "c.config").write_text(text.replace("max_scale: 0.95", "max_scale: 0.9"))
    flags = ("--pipeline_config_path", tmp_path / "c.config")
    told, out = str(tmp_path / "told"), str(tmp_path / "out")
    done = graphfix("convert", detector, "--output_directory", told, *KEEP, *flags)
    assert done.code == 0, done.err
    assert "the largest difference" in codes(told)["ANCHORS_DIFFER"]["message"]
    anchors = tmp_path / "anchors.pbtxt"
    anchors.write_text(
        "ssd_anchor_generator { num_layers: 6 min_scale: 0.2 max_scale: 0.9 "
        "aspect_ratios: [1.0, 2.0, 0.5, 3.0, 0.3333] }"
    )
    done = graphfix(
        "convert", detector, "--output_directory", out, *KEEP, *flags, "--anchors", anchors
    )
    assert done.code == 0, done.err
    before = builders.read_checkpoint(os.path.join(repository.DETECTOR, "model.ckpt"))
    after = builders.read_checkpoint(os.path.join(out, "model.ckpt"))
    old, new = shapes(0.2, 0.95, RATIOS), shapes(0.2, 0.9, RATIOS)
    for number in range(6):
        width = before[f"BoxPredictor_{number}/BoxEncodingPredictor/weights"].shape[2]
        features = np.random.RandomState(number).standard_normal((4, width))
        boxes = [
            decoded(tensors, number, sizes[number], features)
            for tensors, sizes in ((before, old), (after, new))
        ]
        far = np.abs(boxes[1][:, :, None] - boxes[0][:, None]).max(axis=(0, 3))
        assert far.min(axis=1).max() < 1e-5 and set(far.argmin(axis=1)) == set(range(len(far)))
    again = str(tmp_path / "again")
    replay = ("--plan", os.path.join(out, "plan.json"), *flags)
    done = graphfix("convert", detector, "--output_directory", again, *replay)
    assert done.code == 0, done.err
    for file in ("model.ckpt.data-00000-of-00001", "frozen_inference_graph.pb"):
        with open(os.path.join(out, file), "rb") as one, open(
            os.path.join(again, file), "rb"
        ) as two:
            assert one.read() == two.read()


@pytest.mark.slow
def test_new_anchors_for_an_api_of_the_old_order(detector, graphfix, tmp_path):
    """The same anchors again, given as new ones: to an API of then, nothing moves."""
    anchors = tmp_path / "anchors.pbtxt"
    anchors.write_text(
        "ssd_anchor_generator { num_layers: 6 min_scale: 0.2 max_scale: 0.95 "
        "aspect_ratios: [1.0, 2.0, 0.5, 3.0, 0.3333] }"
    )
    flags = (*kept(8), "--target_api", "2017-09", "--anchors", anchors)
    done = graphfix("convert", detector, "--output_directory", tmp_path / "out", *flags)
    assert done.code == 0, done.err
    trained = builders.read_checkpoint(os.path.join(repository.DETECTOR, "model.ckpt"))
    found = builders.read_checkpoint(str(tmp_path / "out" / "model.ckpt"))
    for name, width in old_order.heads(trained):
        width = width or trained[name].shape[-1] // 6
        assert same(found[name], old_order.permuted(trained[name], old_order.OLD, width)), name
