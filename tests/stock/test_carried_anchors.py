"""Boxes stay where they were when anchors change: in the stock graph, and in what is detected."""

import dataclasses
import json
import os

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import cells
import judging
import thorough

NAMES = ("box_encodings", "class_predictions_with_background")
# How far the scores of another anchor are at least.
DISTINCT = 10 * cells.TOLERANCE
RPN = ("rpn_box_encodings", "rpn_objectness_predictions_with_background")
SHAPES_SSD = (
    "ssd_anchor_generator { num_layers: 6 min_scale: 0.15 max_scale: 0.9 aspect_ratios: [%s] }"
)


def decode(codes, anchors):
    """Boxes in float64, by the Faster R-CNN coder with its usual scales."""
    codes, anchors = (array.reshape(-1, 4).astype(np.float64) for array in (codes, anchors))
    sizes = anchors[:, 2:] - anchors[:, :2]
    centres = codes[:, :2] / 10 * sizes + (anchors[:, :2] + anchors[:, 2:]) / 2
    half = np.exp(codes[:, 2:] / 5) * sizes / 2
    return np.concatenate([centres - half, centres + half], -1)


def nearest(rows, row):
    """The number of the row that is equal to one, where all others are distinct from it."""
    far = np.abs(rows - row).max(-1)
    number = int(far.argmin())
    assert far[number] <= cells.TOLERANCE
    assert (np.delete(far, number) > DISTINCT).all()
    return number


@dataclasses.dataclass
class Carried:
    """What the stock graph computes of a model, and of the same with other anchors.

    `sources` are the old anchors of the new ones, found by their scores.  Their weights are carried
    bit for bit; but a product of matrices of another width may add in another order, so that some
    processors (an EPYC without AVX-512) compute scores of up to 12 that differ by 7e-6.  No two
    anchors have scores as near as that.
    """

    old: dict
    new: dict
    names: tuple

    def __post_init__(self):
        scores = [one["predict/" + self.names[1]][0] for one in (self.old, self.new)]
        self.sources = [nearest(scores[0], row) for row in scores[1]]

    def boxes(self):
        """Boxes of the new anchors, and of their old ones."""
        old, new = (
            decode(one["predict/" + self.names[0]], one["predict/anchors"])
            for one in (self.old, self.new)
        )
        return new, old[self.sources]


def carried(pairs, names, scratch):
    """The Carried of (python, config, checkpoint) before and after."""
    outputs = [str(scratch / name) for name in ("old.npz", "new.npz")]
    judging.ask(
        [
            (
                python,
                {
                    "verb": "raw_outputs",
                    "seed": 1,
                    "pipeline_config": config,
                    "checkpoint": checkpoint,
                    "detections": False,
                    "output": output,
                    "tensors": ["predict/anchors"] + ["predict/" + name for name in names],
                },
            )
            for (python, config, checkpoint), output in zip(pairs, outputs)
        ]
    )
    return Carried(np.load(outputs[0]), np.load(outputs[1]), names)


@pytest.fixture
def of_detector(stock_python, tmp_path):
    """of_detector(anchors): the trained detector with the anchors of a text."""

    def of(anchors):
        path = tmp_path / "anchors.pbtxt"
        path.write_text(anchors)
        out = judging.convert(judging.DETECTOR, tmp_path / "out", "--anchors", path)
        return carried(
            [
                (
                    stock_python("2019-07"),
                    os.path.join(one, "pipeline.config"),
                    os.path.join(one, "model.ckpt"),
                )
                for one in (judging.DETECTOR, out)
            ],
            NAMES,
            tmp_path,
        )

    return of


@pytest.mark.parametrize(
    "ratios",
    ["1.0, 2.0, 0.5, 3.0, 0.3333, 1.5, 4.0, 0.25", "1.2, 2.2, 0.4, 2.7, 0.3"],
    ids=["6 to 9", "as many"],
)
def test_boxes_of_the_trained_detector_stay(ratios, of_detector):
    found = of_detector(SHAPES_SSD % ratios)
    # Every old anchor has a successor; each finds the very box, with the very scores.
    assert set(found.sources) == set(range(len(found.old["predict/anchors"])))
    np.testing.assert_allclose(*found.boxes(), rtol=0, atol=1e-5)


def test_boxes_of_anchors_that_are_left_stay(of_detector):
    found = of_detector(SHAPES_SSD % "1.0, 2.0, 0.5")
    # The first map has three anchors before and after, the five others four of six.
    assert (
        len(set(found.sources))
        == len(found.new["predict/anchors"])
        < len(found.old["predict/anchors"])
    )
    np.testing.assert_allclose(*found.boxes(), rtol=0, atol=1e-5)


SSD_GRID = """ssd_anchor_generator {
        num_layers: 6
        min_scale: 0.2 max_scale: 0.95
        aspect_ratios: 1 aspect_ratios: 2 aspect_ratios: 0.5
      }"""


def flexible(*lists):
    """A grid for each feature map of a 128 x 128 image, with these sizes and ratios in each."""
    grids = []
    for stride in (16, 32, 64, 128, 128, 128):
        sizes = " ".join(
            f"base_sizes: {1.5 * stride * size:g} aspect_ratios: {ratio:g}" for size, ratio in lists
        )
        grids.append(
            f"anchor_grid {{ height_stride: {stride} width_stride: {stride} "
            f"height_offset: {stride // 2} width_offset: {stride // 2} {sizes} }}"
        )
    return "flexible_grid_anchor_generator { normalize_coordinates: true " + " ".join(grids) + " }"


# Family, era, another text in its config, new anchors, tensors; inside: compare only anchors
# that lie in the image, because the others are clipped to it at inference.  Every run takes the
# first two; the trained detector has what the third does.
FAMILIES = (
    (
        "ssd_mobilenet_v1_fpn",
        "2019-07",
        (),
        "multiscale_anchor_generator { min_level: 3 "
        "max_level: 7 anchor_scale: 5 aspect_ratios: [1, 2.5, 0.4, 4] scales_per_octave: 3 }",
        NAMES,
        False,
    ),
    (
        "faster_rcnn_inception_v2",
        "2019-04",
        ("scales: 0.25 scales: 0.5", "scales: 0.1 scales: 0.2"),
        "grid_anchor_generator { scales: [0.08, 0.15, 0.22] aspect_ratios: [0.4, 1, 2.5] "
        "height_stride: 16 width_stride: 16 }",
        RPN,
        True,
    ),
    (
        "ssdlite_mobilenet_v2",
        "2021",
        (),
        "ssd_anchor_generator { num_layers: 6 min_scale: 0.1 "
        "max_scale: 0.9 aspect_ratios: [1, 3, 0.4, 2, 0.7] }",
        NAMES,
        False,
    ),
    (
        "ssd_mobilenet_v1",
        "2021",
        (SSD_GRID, flexible((1, 1), (1.4, 2), (1.4, 0.5))),
        flexible((1, 1), (1.2, 2.2), (1.5, 0.4), (0.7, 1)),
        NAMES,
        False,
    ),
)


@pytest.mark.parametrize("row", thorough.cases(FAMILIES[:2], FAMILIES[2:]), ids=lambda row: row[0])
def test_boxes_of_families_stay(row, stock_python, tmp_path):
    name, era, change, anchors, names, inside = row
    family = cells.families()[name]
    if change:
        assert change[0] in family.model
        family = dataclasses.replace(family, model=family.model.replace(*change))
    stock = cells.era(era, stock_python(era))
    source = cells.Source(family, stock, str(tmp_path / "source"))
    assert source.error is None
    (tmp_path / "anchors.pbtxt").write_text(anchors)
    out = judging.convert(
        source.prefix,
        tmp_path / "out",
        "--anchors",
        tmp_path / "anchors.pbtxt",
        "--target_api",
        stock.revision,
    )
    found = carried(
        [
            (
                stock.python,
                os.path.join(directory, "pipeline.config"),
                os.path.join(directory, "model.ckpt"),
            )
            for directory in (source.directory, out)
        ],
        names,
        tmp_path,
    )
    after, before = found.boxes()
    if inside:
        size = 128  # of the image, in whose pixels the first stage works
        within = [
            ((0 < boxes) & (boxes < size)).all(-1)
            for boxes in (found.new["predict/anchors"], found.old["predict/anchors"][found.sources])
        ]
        kept = within[0] & within[1]
        # Some are clipped and do move, or the comparison would not have to leave them out.
        assert 50 < kept.sum() < len(kept)
        assert np.abs(after - before)[~kept].max() > 1
        after, before = after[kept] / size, before[kept] / size
        with open(os.path.join(out, "report.json")) as file:
            (told,) = [
                one for one in json.load(file)["findings"] if one["code"] == "ANCHORS_CLIPPED"
            ]
        assert f"proposals of {100 * kept.mean():.0f}% of" in told["message"]
    else:
        assert set(found.sources) == set(range(len(found.old["predict/anchors"])))
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-5)


def test_what_is_detected_does_not_change(stock_python, tmp_path):
    # Catches: codes that are right and anchors that the emitted config places elsewhere.
    path = tmp_path / "anchors.pbtxt"
    path.write_text(SHAPES_SSD % "1.0, 2.0, 0.5, 3.0, 0.3333, 1.5, 4.0, 0.25")
    out = judging.convert(judging.DETECTOR, tmp_path / "out", "--anchors", path)
    source, converted = judging.ask(
        [
            (
                stock_python("2019-07"),
                judging.job(
                    one,
                    "evaluate",
                    record=os.path.join(judging.RECORDS, "val.record"),
                    label_map=judging.DETECTOR_LABELS,
                ),
            )
            for one in (judging.DETECTOR, out)
        ]
    )
    assert source["map"] > 0.9
    # Two anchors with one box score it twice, and suppression takes one away; boxes that lie at a
    # threshold of overlap may go to its other side in the seventh digit.
    assert converted["map"] == pytest.approx(source["map"], abs=1e-3)
