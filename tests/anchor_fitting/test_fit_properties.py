"""anchor_fitting/fit.py: what holds for whatever data set, and every kind of generator."""

import dataclasses
import functools
import os
import zlib

import numpy as np
import pytest
import repository
import thorough
from test_coverage import CASES, FASTER, SSD, case
from test_fit import PUBLISHED, RPN

from graphfix.anchor_fitting.coverage import best_overlaps
from graphfix.anchor_fitting.data import BoxSet
from graphfix.anchor_fitting.figures import figures
from graphfix.anchor_fitting.fit import fit
from graphfix.anchor_fitting.limits import Limits, image_limit
from graphfix.anchor_fitting.objective import Matching, Objective, described
from graphfix.anchor_fitting.reading import read
from graphfix.anchor_fitting.search import same_anchors
from graphfix.anchor_fitting.search_space import search_spaces
from graphfix.anchor_fitting.setting import read_setting
from graphfix.anchor_fitting.space import Shapes
from graphfix.pipeline_config.document import parse_config

# The config's text, the matcher, the image.
GENERATORS = {
    "published ssd": (SSD % ("ssd_mobilenet_v1", PUBLISHED), Matching(0.5), (160, 160)),
    "ssd, not forced": (CASES["ssd"], Matching(0.6, forced=False), (160, 200)),
    "ssd with strides": (CASES["ssd with strides"], Matching(0.5), (300, 300)),
    "multiscale": (CASES["fpn"], Matching(0.5), (512, 640)),
    "flexible": (CASES["flexible"], Matching(0.5), (512, 640)),
    "two-stage": (FASTER % RPN, Matching(0.7), (600, 600)),
    "two-stage with offsets": (CASES["first stage with offsets"], Matching(0.7), (512, 640)),
}
# Mean and deviation of the logarithms of height (part of the image) and of width by height.
KINDS = {
    "one size": [(0.22, 0, 1.6, 0)],
    "tiny": [(0.05, 0.25, 1, 0.25)],
    "huge": [(0.8, 0.15, 1, 0.2)],
    "two sizes": [(0.07, 0.2, 2.5, 0.2), (0.6, 0.2, 0.5, 0.2)],
    "wide": [(0.09, 0.4, 5, 0.25)],
    "of every size": [(0.25, 0.7, 1, 0.5)],
}
COUNTS = (12, 40, 118, 700)
FRESH = 4000
MATRIX = [(name, kind, count) for name in GENERATORS for kind in KINDS for count in COUNTS]
# Some of every generator, kind and number.
FEW = MATRIX[::11]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("briefly")]
every = pytest.mark.parametrize(
    "name, kind, count", thorough.cases(FEW, [one for one in MATRIX if one not in FEW])
)


def draw(kind, image, count, random):
    """Boxes of a kind; two to an image."""
    which = random.randint(len(KINDS[kind]), size=count)
    high, high_spread, ratio, ratio_spread = np.array(KINDS[kind]).T[:, which]
    height = np.log(high) + high_spread * random.randn(count)
    width = height + np.log(ratio) + ratio_spread * random.randn(count)
    sides = np.clip(np.exp(np.stack([height, width], 1)), 0.01, 1) * image
    centres = sides / 2 + random.rand(count, 2) * (image - sides)
    return BoxSet(
        np.concatenate([centres, sides], 1).astype(np.float32),
        np.float32([image]),
        np.zeros(count, np.int32),
        ("a",),
        0,
        np.arange(count) // 2,
    )


@dataclasses.dataclass
class Case:
    generator: object
    maps: object
    matching: Matching
    image: tuple
    boxes: BoxSet
    fresh: BoxSet

    def fit(self, boxes=None, seed=0):
        return fit(
            self.generator,
            self.boxes if boxes is None else boxes,
            self.maps,
            matching=self.matching,
            seed=seed,
            subject="c.config",
            image=self.image,
        )


@functools.lru_cache(maxsize=None)
def made(name, kind, count):
    """The case, its present anchors and what was fitted."""
    text, matching, image = GENERATORS[name]
    random = np.random.RandomState(zlib.crc32(f"{name} {kind} {count}".encode()))
    generator, maps = case(text)
    size = tuple(map(float, image))
    drawn = (draw(kind, image, number, random) for number in (count, FRESH))
    one = Case(generator, maps, matching, size, *drawn)
    return one, described(generator, "it", size), one.fit()


@every
def test_what_is_taken_is_no_worse_on_boxes_never_seen(name, kind, count):
    one, present, fitted = made(name, kind, count)
    if fitted.verdict.take:
        best = [
            best_overlaps(one.fresh, spec, one.maps, one.matching.threshold).iou
            for spec in (present, fitted.spec)
        ]
        gains = one.matching.credit(best[1]) - one.matching.credit(best[0])
        assert gains.mean() > -3 * gains.std() / FRESH**0.5
    else:
        assert fitted.message == one.generator and fitted.spec == present


@every
def test_no_anchor_becomes_larger_than_the_image(name, kind, count):
    one, present, fitted = made(name, kind, count)
    limit = image_limit(present, one.boxes.images)
    for old, new in zip(present.maps, fitted.spec.maps):
        if len(old.sizes) == len(new.sizes):
            before, after = np.array(old.sizes), np.array(new.sizes)
            grown = after > before * (1 + 1e-6)
            assert (after <= limit * (1 + 1e-6))[grown].all()
        else:
            assert (np.array(new.sizes) <= limit).all()


@every
def test_no_setting_changes_that_could_stay_at_no_cost(name, kind, count):
    """Of the point that was taken, each value put back is worse for the boxes fitted to, or makes
    anchors that may not be."""
    one, present, fitted = made(name, kind, count)
    if not fitted.varied:
        return
    sample = one.boxes.part(fitted.fitted)
    limits = Limits(present, image_limit(present, one.boxes.images))
    objective = Objective(sample, present, one.maps, one.matching, one.image, limits)
    # The shapes matter for starts alone.
    shapes = Shapes(np.zeros(1), np.zeros(1))
    spaces = search_spaces(one.generator, shapes, None, present.per_map)
    (space,) = [space for space in spaces if space.name == fitted.varied]
    if space.present is None:
        return
    value = one.matching.credit(objective.best(fitted.spec)).mean(dtype=np.float64)
    vector = fitted_vector(space, fitted.message, fitted.spec)
    if vector is None:
        return
    for place in np.flatnonzero(np.abs(vector - space.present) > 1e-3):
        back = vector.copy()
        back[place] = space.present[place]
        trial = objective.candidate(space, back)
        # A value that a limit drags along is not back.
        if trial and abs(trial.vector[place] - space.present[place]) < 1e-9:
            assert trial.value < value, (place, space.name)


def fitted_vector(space, message, spec):
    """The vector of a message, for the spaces whose values are settings one by one."""
    if spec.generator == "flexible_grid_anchor_generator":
        grids = message.flexible_grid_anchor_generator.anchor_grid
        values = [size for grid in grids for size in grid.base_sizes]
        values += [ratio for grid in grids for ratio in grid.aspect_ratios]
    elif spec.generator == "grid_anchor_generator":
        grid = message.grid_anchor_generator
        values = [*grid.scales, *grid.aspect_ratios]
    elif space.name == "scales":
        values = list(message.ssd_anchor_generator.scales)
    else:
        return None
    vector = np.log(values)
    same = np.abs(vector - space.present) < 1e-7
    return np.where(same, space.present, vector)


@every
def test_maps_that_no_box_needs_stay(name, kind, count):
    """A flexible generator has settings for each map alone; of SSDs' other ones, the aspect ratios
    are for all, so a map's scale stays, unless its anchors had to become smaller."""
    one, present, fitted = made(name, kind, count)
    if not fitted.varied or present.per_map == (present.per_map[0],):
        return
    sample = one.boxes.part(fitted.fitted)
    reached = [
        best_overlaps(sample, spec, one.maps, one.matching.threshold)
        for spec in (present, fitted.spec)
    ]
    for level, (old, new) in enumerate(zip(present.maps, fitted.spec.maps)):
        needed = any(best.best_of[level].sum() for best in reached)
        if needed or present.generator == "multiscale_anchor_generator":
            continue
        if present.generator == "flexible_grid_anchor_generator":
            assert old.sizes == new.sizes, level
        elif "aspect" not in fitted.varied:
            # The last anchor is between this map's scale and the next one's.
            count_alone = len(old.sizes) - 1
            alone = [
                dataclasses.replace(map_, sizes=map_.sizes[:count_alone]) for map_ in (old, new)
            ]
            assert same_anchors(*alone), level
        else:
            areas = [np.prod(one_map.sizes[-2]) for one_map in (old, new)]
            assert areas[1] <= areas[0] * (1 + 1e-5), level


@every
def test_the_same_seed_gives_the_same_anchors(name, kind, count):
    one, _, fitted = made(name, kind, count)
    again = one.fit()
    assert again.message == fitted.message and again.verdict == fitted.verdict


@every
def test_held_out_boxes_have_no_say_in_what_is_proposed(name, kind, count):
    """Whatever they are: they only judge."""
    one, _, fitted = made(name, kind, count)
    rows = one.boxes.boxes.copy()
    rows[fitted.held_out] = one.fresh.boxes[: len(fitted.held_out)]
    other = one.fit(dataclasses.replace(one.boxes, boxes=rows))
    if fitted.verdict.take and other.verdict.take:
        assert other.message == fitted.message
    np.testing.assert_array_equal(other.after.iou[fitted.fitted], fitted.after.iou[fitted.fitted])


@pytest.mark.parametrize("seed", range(thorough.rounds(2, 12)))
def test_few_boxes_on_small_images(seed):
    """118 boxes on 160-pixel images once led to anchors of 468 by 250 pixels, and to more anchors
    without a box."""
    path = os.path.join(repository.TESTDATA, "shapes_detector", "pipeline.config")
    with open(path, "rb") as file:
        setting = read_setting(parse_config(file.read(), path), path)
    records = os.path.join(repository.TESTDATA, "shapes", "val.record")
    whole, _ = read([records], setting.resizer, names={}, jobs=1)
    order = np.random.RandomState(seed).permutation(whole.image_numbers.max() + 1)
    boxes = whole.part(np.argsort(order[whole.image_numbers], kind="mergesort")[:118])
    fitted = fit(
        setting.message,
        boxes,
        setting.maps,
        matching=setting.matching,
        seed=0,
        subject=path,
        image=setting.image,
    )
    assert fitted.verdict.take and fitted.verdict.gain > 0.05
    before, after = (
        figures(boxes, spec, best, setting.matching, setting.image)
        for spec, best in ((setting.spec, fitted.before), (fitted.spec, fitted.after))
    )
    assert after["larger_than_image"] <= before["larger_than_image"]
    assert len(after["unmatched_anchors"]) <= len(before["unmatched_anchors"]) + 1
    for old, new in zip(setting.spec.maps, fitted.spec.maps):
        assert (np.array(new.sizes) <= np.maximum(old.sizes, 1) * (1 + 1e-6)).all()
    # What was not fitted to, of the same kind, is covered better, too.
    rest = whole.part(np.argsort(order[whole.image_numbers], kind="mergesort")[118:])
    recalls = [
        (best_overlaps(rest, spec, setting.maps, 0.5).iou >= 0.5).mean()
        for spec in (setting.spec, fitted.spec)
    ]
    assert recalls[1] > recalls[0] + 0.05
