"""anchor_fitting/coverage.py: the closed form against every anchor of every cell, and against every
size.

stock/test_anchor_fit.py has the stock matcher.
"""

import numpy as np
import pytest
import thorough
from google.protobuf import text_format

from graphfix.anchor_fitting.coverage import FeatureMaps, GridOverlaps, best_overlaps
from graphfix.anchor_fitting.data import BoxSet
from graphfix.anchor_fitting.objective import described
from graphfix.detectors.anchor_generators import anchor_boxes, describe_anchors
from graphfix.detectors.feature_maps import map_shapes
from graphfix.formats.schema import message_class

SSD = """model { ssd { feature_extractor { type: "%s" } anchor_generator { %s } } }"""
FASTER = """model { faster_rcnn { feature_extractor { type: "faster_rcnn_resnet50" }
first_stage_anchor_generator { %s } } }"""
SSD_MAPS = (
    "ssd_anchor_generator { num_layers: 6 aspect_ratios: [1, 2.5, 0.4] base_anchor_height: 0.8 }"
)
CASES = {
    "ssd": SSD % ("ssd_mobilenet_v1", SSD_MAPS),
    "ssd with strides": SSD
    % (
        "ssd_mobilenet_v1",
        "ssd_anchor_generator { scales: [0.1, 0.15, 0.2, "
        "0.3, 0.4, 0.5] aspect_ratios: 2 height_stride: [16, 32, 64, 100, 150,"
        "300] width_stride: [16, 32, 64, 100, 150, 300] height_offset: "
        "[3, 4, 5, 6, 7, 8] width_offset: [1, 2, 3, 4, 5, 6] }",
    ),
    "fpn": SSD % ("ssd_resnet50_v1_fpn", "multiscale_anchor_generator { aspect_ratios: [1, 3] }"),
    "flexible": SSD
    % (
        "embedded_ssd_mobilenet_v1",
        "flexible_grid_anchor_generator { "
        + " ".join(
            f"anchor_grid {{ base_sizes: [{stride * 2}, {stride * 3}] aspect_ratios: [1, 0.3] "
            f"height_stride: {stride} width_stride: {stride} height_offset: 4 }}"
            for stride in (16, 32, 64, 128, 256)
        )
        + " }",
    ),
    "first stage": FASTER
    % "grid_anchor_generator { scales: [0.1, 0.5, 1] aspect_ratios: [0.5, 2] }",
    "first stage with offsets": FASTER
    % (
        "grid_anchor_generator { scales: [0.3, 0.5] aspect_ratios: [1, 4] height: 100 width: 60 "
        "height_offset: 8 width_offset: 5 height_stride: 32 width_stride: 20 }"
    ),
}
SIZES = {"one": [(300, 300)], "wide": [(320, 512)], "several": [(300, 411), (250, 250), (600, 320)]}


def case(text):
    """(generator message, FeatureMaps) of a config's text."""
    message = text_format.Parse(text, message_class("graphfix.pipeline.TrainEvalPipelineConfig")())
    meta = message.model.WhichOneof("model")
    body = getattr(message.model, meta)
    generator = body.anchor_generator if meta == "ssd" else body.first_stage_anchor_generator
    return generator, FeatureMaps(body, meta, meta == "faster_rcnn")


def boxes(sizes, count=60, seed=0):
    """Random boxes, the smallest a pixel and the largest the image, of images of these sizes."""
    random = np.random.RandomState(seed)
    images = np.float32([sizes[number % len(sizes)] for number in range(count)])
    sides = np.exp(random.rand(count, 2) * np.log(images))
    centres = sides / 2 + random.rand(count, 2) * (images - sides)
    return BoxSet(
        np.concatenate([centres, sides], 1).astype(np.float32),
        images[:1] if len(sizes) == 1 else images,
        np.zeros(count, np.int32),
        ("a",),
        0,
    )


def iou(one, others):
    """IoUs of a box (ymin, xmin, ymax, xmax) with others."""
    sides = np.clip(
        np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2]), 0, None
    )
    both = sides.prod(1)
    return both / ((one[2:] - one[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - both)


def brute_force(found, generator, model):
    """Per box, the best IoU with each anchor shape of each map, [N, maps' anchors]: all its
    placements, one after the other."""
    out = []
    for number, box in enumerate(found.boxes.astype(np.float64)):
        image = tuple(map(float, found.images[number if len(found.images) > 1 else 0]))
        fixed = len(found.images) == 1 or generator.HasField("ssd_anchor_generator")
        spec = describe_anchors(generator, "it", image if fixed else None)
        shapes = map_shapes(model.body, model.meta, np.array([image]))
        row = []
        for one, shape in zip(spec.maps, shapes):
            anchors = anchor_boxes(one, spec.generator, tuple(map(int, shape[0])), image)
            edges = np.concatenate([box[:2] - box[2:] / 2, box[:2] + box[2:] / 2])
            found_here = iou(edges, anchors)
            if model.inside:
                out_of_it = (anchors[:, :2] < -1e-6).any(1) | (
                    anchors[:, 2:] > np.array(image) + 1e-6
                ).any(1)
                found_here[out_of_it] = 0
            row += list(found_here.reshape(-1, len(one.sizes)).max(0))
        out.append(row)
    return np.array(out)


@pytest.mark.parametrize("sizes", sorted(SIZES))
@pytest.mark.parametrize("name", thorough.sampled(sorted(CASES), 3))
def test_the_nearest_cell_is_the_best(name, sizes):
    generator, model = case(CASES[name])
    found = boxes(SIZES[sizes])
    image = tuple(map(float, SIZES[sizes][0])) if len(SIZES[sizes]) == 1 else None
    spec = described(generator, "it", image)
    wanted = brute_force(found, generator, model)
    best = best_overlaps(found, spec, model, 0.3)
    np.testing.assert_allclose(best.iou, wanted.max(1), rtol=0, atol=2e-5)
    assert 0.05 < best.iou.mean() < 0.9
    np.testing.assert_allclose(np.concatenate(best.reached), wanted.max(0), rtol=0, atol=2e-5)
    np.testing.assert_array_equal(np.concatenate(best.matched), (wanted >= 0.3).sum(0))
    assert sum(map(np.sum, best.best_of)) == (wanted.max(1) > 0).sum()
    # Two shapes may do equally well: whose is best is then anybody's.
    clear = (np.sort(wanted, 1)[:, -1] - np.sort(wanted, 1)[:, -2]) > 1e-4
    if clear.all():
        np.testing.assert_array_equal(
            np.concatenate(best.best_of), np.bincount(wanted.argmax(1), minlength=wanted.shape[1])
        )


def test_chunks_make_no_difference(monkeypatch):
    generator, model = case(CASES["fpn"])
    found = boxes(SIZES["several"])
    spec = described(generator, "it", None)
    whole = best_overlaps(found, spec, model, 0.3)
    monkeypatch.setattr("graphfix.anchor_fitting.coverage._CHUNK", 7)
    parts = best_overlaps(found, spec, model, 0.3)
    for one, other in zip(dataclass_values(whole), dataclass_values(parts)):
        np.testing.assert_array_equal(
            np.concatenate([np.ravel(x) for x in one]), np.concatenate([np.ravel(x) for x in other])
        )


def dataclass_values(best):
    return [best.iou], [best.possible], best.reached, best.matched, best.best_of


@pytest.mark.slow
def test_no_anchor_does_better_than_the_best_possible():
    generator, model = case(CASES["ssd"])
    found = boxes(SIZES["wide"], 40)
    spec = described(generator, "it", (320.0, 512.0))
    placed = GridOverlaps(found, spec, model)
    for level in (0, 2, 5):
        possible = placed.possible(level)
        sides = np.exp(np.linspace(np.log(0.2), np.log(1500), 150)) / 320
        tried = np.max(
            [placed.overlaps(level, (high, wide)) for high in sides for wide in sides], 0
        )
        assert (tried <= possible + 1e-5).all()
        # And some size nearly reaches it.
        assert (tried >= possible * 0.85).all()
