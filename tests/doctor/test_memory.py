"""The forecast of the memory that a trainer's input pipeline takes."""

import os

import pytest
import repository

from graphfix.doctor.doctor import make_options
from graphfix.doctor.memory import forecasts
from graphfix.doctor.setup import Setup

READER = (
    "train_input_reader { %s tf_record_input_reader { input_path: '%s' } "
    "label_map_path: 'none.pbtxt' }"
)
MODEL = (
    "model { ssd { num_classes: 1 image_resizer { fixed_shape_resizer { height: 300 width: 300 } } "
    "} } train_config { batch_size: %d %s }"
)
RECORDS = os.path.join(repository.TESTDATA, "shapes", "train.record")


def look(text, api="2019-07", trainer="any"):
    options = make_options(target_api=api, trainer=trainer)
    return {one.trainer: one for one in forecasts(Setup(text.encode(), "a.config", options))}


def bytes_of(forecast, word):
    (share,) = [one for one in forecast.shares if word in one.what]
    return share.bytes


def config(batch=16, train="", reader="", path="none.record"):
    return MODEL % (batch, train) + READER % (reader, path)


def test_each_trainer_has_its_queues():
    found = look(config())
    assert set(found) == {"model_main", "legacy/train.py"}
    image = 300 * 300 * 3 * 4
    assert bytes_of(found["model_main"], "decoded and resized") == 16 * 8 * image
    assert bytes_of(found["model_main"], "batches of") == 3 * 16 * image
    full = 1280 * 960 * 3 * 4
    assert bytes_of(found["legacy/train.py"], "batch queue") == 150 * full
    assert bytes_of(found["legacy/train.py"], "batches of") == 8 * 16 * full
    assert set(look(config(), trainer="legacy")) == {"legacy/train.py"}


@pytest.mark.parametrize(
    "trainer, word, change, ratio",
    [
        ("model_main", "shuffle buffer", dict(reader="shuffle_buffer_size: 4096"), 2),
        ("model_main", "shuffle buffer", dict(reader="shuffle: false"), 0),
        ("model_main", "decoded and resized", dict(batch=4), 0.25),
        ("model_main", "decoded and resized", dict(reader="num_parallel_batches: 4"), 0.5),
        ("model_main", "decoded and resized", dict(reader="load_instance_masks: true"), 103 / 3),
        ("model_main", "batches of", dict(reader="num_prefetch_batches: 5"), 2),
        ("legacy/train.py", "batch queue", dict(train="batch_queue_capacity: 15"), 0.1),
        ("legacy/train.py", "batches of", dict(train="prefetch_queue_capacity: 13"), 2),
    ],
)
def test_what_the_fields_do(trainer, word, change, ratio):
    before, after = look(config())[trainer], look(config(**change))[trainer]
    assert bytes_of(after, word) == pytest.approx(ratio * bytes_of(before, word))
    assert (after.bytes > before.bytes) == (ratio > 1)


def test_records_are_looked_at():
    found = look(config(path=RECORDS))["model_main"]
    assert not found.assumed and look(config())["model_main"].assumed
    assert "no records to look at" in look(config())["model_main"].to_lines()[0]
    size = os.path.getsize(RECORDS)
    assert bytes_of(found, "shuffle buffer") < 2048 * size
    assert "about" in found.to_lines()[0] and len(found.to_lines()) == 1 + len(found.shares)


def test_there_is_none_for_what_is_not_known():
    assert look(config(), api="2018-03") == {}
    assert look("model { }") == {}
    assert look("not a config {{{") == {}
