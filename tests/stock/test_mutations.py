"""Doctor's verdict on configs that were changed is the stock API's own.

The builders alone take milliseconds, so that `make test` asks only them.  `make thorough` asks more
of them, has as many configs take a step, asks the parts of each choice of some models, and gives
each field of the input readers, of training, of evaluation and of each augmentation each of its
bounds.

What was seen: docs/decisions/015-doctor.md.
"""

import itertools

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import cells
import config_groups
import config_mutations as mutations
import config_sweep as sweep
import thorough

SHORT, MANY, SEED, GROUP = 60, 2000, 18, 24
# Images are given a negative size, but few of them.
BY_CHANCE = {
    "random_image_scale min_scale_ratio -0.5",
    "random_scale_crop_and_pad_to_square scale_min -0.5",
    "ssd_random_crop_pad_fixed_aspect_ratio aspect_ratio -0.5",
}
# Many times as slow as the others, and little other code.
LARGE = "nas|resnet101|resnet152|inception_resnet"


def mutants(era, count, seed=SEED, **more):
    return mutations.mutants(seed, count, mutations.MONTHS[era], **more)


def judged(stock_python, changed, era, directory, verb):
    return sweep.judged(stock_python(era), changed, mutations.MONTHS[era], directory, verb)


def test_what_the_builders_refuse_doctor_refuses(stock_python, tmp_path):
    for era in thorough.cases(["2019-07"], ["2019-04", "2021"]):
        count = thorough.rounds(SHORT, MANY)
        found = judged(stock_python, mutants(era, count), era, tmp_path, "model")
        refused = [one for one in found if one.raised]
        assert len(refused) >= count // 5
        assert not [one for one in refused if not one.codes]


@thorough.only
@pytest.mark.parametrize("family", ["ssd_mobilenet_v1", "faster_rcnn_resnet50"])
@pytest.mark.parametrize("era", cells.ERAS)
def test_every_choice_of_a_model(stock_python, tmp_path, era, family):
    month = mutations.MONTHS[era]
    sweep.prepare(stock_python(era), str(tmp_path))
    passes = sweep.passes(tmp_path, month)
    changed = [one for one in mutations.alternatives(month, family) if passes(one[1])]
    found = judged(stock_python, changed, era, tmp_path, sweep.PARTS)
    assert found and not [one for one in found if sweep.differs(one, sweep.PARTS)]


@thorough.only
@pytest.mark.parametrize("era", cells.ERAS)
def test_doctor_and_a_step_agree(stock_python, tmp_path, era):
    """Most of these take their step merged with others, see config_groups.py."""
    changed = list(mutants(era, MANY, without=LARGE))
    month = mutations.MONTHS[era]
    found = sweep.grouped(stock_python(era), changed, month, tmp_path, SEED, GROUP)
    assert len(found) == MANY and not [one for one in found if sweep.differs(one)]


@thorough.only
@pytest.mark.parametrize("era", cells.ERAS)
def test_groups_hide_few_faults(stock_python, tmp_path, era):
    """A change that the builders refuse stops a group of changes that they take, unless one of them
    lifts the contradiction."""
    changed, month = list(mutants(era, MANY, without=LARGE)), mutations.MONTHS[era]
    found = {one.name: one for one in judged(stock_python, changed, era, tmp_path, "model")}
    quiet = [one for one in changed if not (found[one[0]].raised or found[one[0]].codes)]
    refused = [one for one in changed if found[one[0]].raised]
    groups = config_groups.groups(quiet, SEED, GROUP, sweep.passes(tmp_path, month))
    planted = config_groups.planted(groups, refused, at_least=GROUP // 3)
    stopped = judged(stock_python, planted, era, tmp_path, "model")
    hidden = [one.what for one in stopped if not one.raised]
    assert len(stopped) > 50 and len(hidden) <= len(stopped) // 100, hidden


@thorough.only
@pytest.mark.parametrize("era", cells.ERAS)
@pytest.mark.parametrize(
    "part, verb",
    [
        ("train_input_reader", "train_input"),
        ("eval_input_reader", "eval_input"),
        ("train_config", "step"),
        ("eval_config", "step"),
    ],
)
def test_every_field_at_its_bounds(stock_python, tmp_path, era, part, verb):
    changed = mutations.settings(mutations.MONTHS[era], part)
    found = judged(stock_python, changed, era, tmp_path, verb)
    assert found and not [one for one in found if sweep.differs(one)]


@thorough.only
@pytest.mark.parametrize("era", cells.ERAS)
def test_augmentations_that_the_api_refuses(stock_python, tmp_path, era):
    changed = mutations.augmentations(mutations.MONTHS[era])
    found = judged(stock_python, changed, era, tmp_path, "model")
    assert {
        one.what
        for one in found
        if bool(one.raised) != bool(one.codes) and one.what not in BY_CHANCE
    } == set()


@thorough.only
@pytest.mark.parametrize("era", cells.ERAS)
def test_an_estimator_stops_where_a_step_does(stock_python, tmp_path, era):
    changed = list(itertools.islice(mutants(era, MANY, without=LARGE), 30))
    alone = judged(stock_python, changed, era, tmp_path, "step")
    whole = judged(stock_python, changed, era, tmp_path, "estimator")
    assert len(alone) == len(whole)
    assert not [one for one, other in zip(alone, whole) if bool(one.raised) != bool(other.raised)]
