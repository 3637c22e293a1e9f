"""What a trainer's input pipeline will hold in the machine's memory, by its config and records.

For the API of 2018-07 and later.  The trainers read records into a shuffle buffer, decode some of
them at once and keep them until the model takes them:

* The shuffle buffer holds shuffle_buffer_size records as they are in their files.  It is always
  full, since the records are repeated.
* model_main keeps batch_size * num_parallel_batches records that are decoded, resized and padded,
  the batch in work and num_prefetch_batches more; all as 32-bit numbers, masks among them.  Each
  core of the machine works on an image in full size besides.
* legacy/train.py keeps num_parallel_map_calls decoded records, batch_queue_capacity images and
  prefetch_queue_capacity batches of them in their full size: it resizes them in the model, after
  the queues.  Three batches more are on their way from one to the next, and two images in each
  thread.

(builders/dataset_builder.py, legacy/trainer.py and core/batcher.py of the stock API.)  The model,
its gradients and TensorFlow itself come on top.

Measured with the API of 2019-07 on two cores, images of 1920 x 1080, records of 539 kB, a batch of
16 and 300 x 300: model_main's pipeline took 1.38 GB (forecast 1.22), legacy/train.py's 9.9 (8.8).
"""

import os
from typing import Iterator, List, NamedTuple, Tuple

from graphfix.doctor.setup import Setup
from graphfix.errors import SourceError
from graphfix.pipeline_config.paths import INPUT_READERS
from graphfix.pipeline_config.resizers import largest_size
from graphfix.restore import trainers

# Earlier readers have other queues.
_SINCE = "2018-07"
_FLOAT, _CHANNELS = 4, 3
# Batches that legacy/train.py puts together, moves to the next queue, and feeds to the model.
_UNDER_WAY = 3
# Without records to look at: a photograph of a camera phone's, made smaller, and its JPEG.
_USUAL_PIXELS, _USUAL_RECORD = 1280 * 960, 250_000


class Share(NamedTuple):
    """A part of the pipeline: what it holds, how many bytes, and which fields set that."""

    what: str
    bytes: float
    fields: str


class Forecast(NamedTuple):
    """The shares that one trainer's pipeline has; `assumed` where there were no records to see."""

    trainer: str
    shares: Tuple[Share, ...]
    assumed: bool

    @property
    def bytes(self) -> float:
        return sum(share.bytes for share in self.shares)

    def to_lines(self) -> List[str]:
        guess = ", for images of 1280 x 960 as there are no records to look at" * self.assumed
        out = [f"{self.trainer}'s input pipeline will hold about {_size(self.bytes)}{guess}:"]
        out += [f"  {_size(one.bytes)}  {one.what} ({one.fields})" for one in self.shares]
        return out


def forecasts(setup: Setup) -> Iterator[Forecast]:
    """What each of the trainers that may train will hold; nothing of a config that is not whole, or
    for an earlier API."""
    if setup.message is None or setup.body is None or setup.options.revision < _SINCE:
        return
    reader = dict(setup.readers()).get(INPUT_READERS[0])
    if reader is None:
        return
    scan = setup.scan(INPUT_READERS[0])
    seen = scan.records and scan.measured
    record = scan.bytes / scan.records if seen else _USUAL_RECORD
    pixels = scan.pixels / scan.measured if seen else _USUAL_PIXELS
    image = pixels * _CHANNELS
    buffer = Share(
        f"shuffle buffer: {reader.shuffle_buffer_size} records of {_size(record)}",
        reader.shuffle_buffer_size * record * bool(reader.shuffle),
        "shuffle_buffer_size of train_input_reader",
    )
    for name in setup.options.trainers:
        model_main = name == trainers.MODEL_MAIN
        shares = _batches(setup, reader, image) if model_main else _queues(setup, reader, image)
        yield Forecast(
            "model_main" if model_main else "legacy/train.py", (buffer, *shares), not seen
        )


def _batches(setup: Setup, reader, image: float) -> Iterator[Share]:
    batch = max(1, setup.train.batch_size)
    try:
        height, width = largest_size(setup.body.image_resizer)
    except SourceError:
        height = width = 0
    pixels = height * width or image / _CHANNELS
    planes = _CHANNELS + reader.load_instance_masks * reader.max_number_of_boxes
    example = pixels * planes * _FLOAT
    parallel = batch * reader.num_parallel_batches
    yield Share(
        f"{parallel} images, decoded and resized, {_size(example)} each",
        parallel * example,
        "batch_size, num_parallel_batches, image_resizer",
    )
    cores = os.cpu_count() or 1
    yield Share(
        f"{cores} images in full size, one for each core",
        cores * image * (1 + _FLOAT),
        "the images of the records",
    )
    kept = 1 + max(0, reader.num_prefetch_batches)
    yield Share(
        f"{kept} batches of {batch}", kept * batch * example, "batch_size, num_prefetch_batches"
    )


def _queues(setup: Setup, reader, image: float) -> Iterator[Share]:
    train, batch = setup.train, max(1, setup.train.batch_size)
    full = image * _FLOAT
    yield Share(
        f"{reader.num_parallel_map_calls} images decoded at once, {_size(image)} each",
        reader.num_parallel_map_calls * image,
        "num_parallel_map_calls",
    )
    yield Share(
        f"{train.batch_queue_capacity} images in full size in the batch queue, {_size(full)} each",
        train.batch_queue_capacity * full,
        "batch_queue_capacity of train_config",
    )
    batches = train.prefetch_queue_capacity + _UNDER_WAY
    yield Share(
        f"{batches} batches of {batch} images in full size",
        batches * batch * full,
        "batch_size, prefetch_queue_capacity of train_config",
    )
    yield Share(
        f"{train.num_batch_queue_threads} threads with two images in full size",
        train.num_batch_queue_threads * 2 * full,
        "num_batch_queue_threads of train_config",
    )


def _size(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1e3:.3g} kB"
