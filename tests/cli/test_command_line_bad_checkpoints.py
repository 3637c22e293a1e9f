"""Bad checkpoints, one row each: refused as test_command_line_bad_input.py has it."""

import os
import shutil

import builders
import handmade
import pytest
from bad_inputs import Rows

from graphfix.formats import dtypes
from graphfix.formats.checkpoint import reader, writer
from graphfix.formats.tensors import TensorMeta, TensorStore, TensorView

row = Rows()


@row("{top}/nowhere", "does not exist", "or a checkpoint's prefix")
def a_source_that_is_not_there(place):
    place.source = os.path.join(place.top, "nowhere")


@row("{top}/empty", "has no checkpoint", "name a model directory")
def a_source_without_a_checkpoint(place):
    place.source = os.path.join(place.top, "empty")
    os.mkdir(place.source)


@row("{model}", "has 2 checkpoints: a.ckpt.index, b.ckpt.index", "name the prefix")
def a_source_with_two_checkpoints(place):
    for name in "ab":
        shutil.copy(place.index, os.path.join(place.model, name + ".ckpt.index"))
    os.unlink(place.index)


@row("{prefix}", "is a V1 checkpoint", "tf.train.Saver")
def a_checkpoint_of_the_first_format(place):
    os.unlink(place.index)
    place.write(place.prefix, bytes(100) + handmade.MAGIC.to_bytes(8, "little"))
    place.source = place.prefix


@row("{prefix}", "is a file, but not a checkpoint", "name a checkpoint's prefix")
def a_file_that_is_no_checkpoint(place):
    os.unlink(place.index)
    place.source = place.write(place.prefix, "hello")


@row("{index}", "")
def an_empty_index(place):
    place.write(place.index, b"")


@row("{index}", "")
def an_index_of_garbage(place):
    place.write(place.index, bytes(range(256)) * 40)


@row("{index}", "")
def an_index_cut_short(place):
    place.write(place.index, place.read(place.index)[:-100])


@row("{index}", "")
def an_index_that_lost_its_end(place):
    place.write(place.index, place.read(place.index)[:500])


@row("{index}", "the checksum of its block at byte 0 is wrong", "download or copy the file again")
def an_index_with_a_flipped_bit(place):
    data = bytearray(place.read(place.index))
    data[700] ^= 4
    place.write(place.index, bytes(data))


@row("{index}", "Is a directory")
def an_index_that_is_a_directory(place):
    place.directory(place.index)


@row("{data}", "No such file or directory", "put it next to {index}")
def data_that_is_not_there(place):
    os.unlink(place.data)


@row("{data}", "is truncated: tensor 'global_step' should lie at bytes")
def data_cut_short(place):
    place.write(place.data, place.read(place.data)[:-1])


@row("{data}", "is truncated: tensor 'BoxPredictor_0/BoxEncodingPredictor/biases'")
def data_that_is_empty(place):
    place.write(place.data, b"")


@row("{data}", "Is a directory")
def data_that_is_a_directory(place):
    place.directory(place.data)


def flip(place, name):
    """Flips a bit in the middle of a tensor."""
    extent = reader.open_bundle(place.prefix)[name].extent
    data = bytearray(place.read(place.data))
    data[extent.offset + extent.length // 2] ^= 0x10
    place.write(place.data, bytes(data))


@row(
    "{data}",
    "tensor 'FeatureExtractor/MobilenetV1/Conv2d_0/weights' is damaged",
    "do not match their checksum",
    "download or copy the checkpoint again",
)
def a_flipped_bit_in_what_is_copied(place):
    flip(place, "FeatureExtractor/MobilenetV1/Conv2d_0/weights")


@row("{data}", "tensor 'BoxPredictor_2/ClassPredictor/weights' is damaged")
def a_flipped_bit_in_what_is_rewritten(place):
    flip(place, "BoxPredictor_2/ClassPredictor/weights")


@row("{data}", "is truncated: tensor '")
def an_index_of_a_larger_model(place):
    other = builders.write_model(os.path.join(place.top, "other"), classes=9, names=None)
    shutil.copy(os.path.join(other, "model.ckpt.index"), place.index)


@row("{data}", "is damaged: its bytes do not match their checksum")
def data_of_another_training_of_the_model(place):
    other = builders.write_model(
        os.path.join(place.top, "other"), tensors=builders.values(4, seed=1)
    )
    shutil.copy(os.path.join(other, "model.ckpt.index"), place.index)


@row(
    "{prefix}", "is a classification checkpoint, not a detector", "from_detection_checkpoint: false"
)
def a_classification_checkpoint(place):
    scope = "FeatureExtractor/"
    builders.write_checkpoint(
        place.prefix,
        {
            name[len(scope) :]: value
            for name, value in builders.values(4).items()
            if name.startswith(scope)
        },
    )


@row("{prefix}", "BoxPredictor_3/ClassPredictor/weights has type int32", "save it as float32")
def a_head_of_whole_numbers(place):
    tensors = builders.values(4)
    name = "BoxPredictor_3/ClassPredictor/weights"
    builders.write_checkpoint(place.prefix, dict(tensors, **{name: tensors[name].astype("i4")}))


@row("{prefix}", "BoxPredictor_3/ClassPredictor/weights has type bfloat16", "save it as float32")
def a_head_that_numpy_has_no_type_for(place):
    def views():
        for name, view in reader.open_bundle(place.prefix).items():
            if name != "BoxPredictor_3/ClassPredictor/weights":
                yield view
                continue
            meta = TensorMeta(name, dtypes.BY_NAME["bfloat16"], view.meta.shape)
            halves = (view.load().view("<u4") >> 16).astype("<u2")
            yield TensorView(meta, lambda: halves)

    writer.write_bundle(TensorStore(views()), os.path.join(place.top, "model.ckpt"))
    for old in (place.index, place.data):
        os.rename(os.path.join(place.top, os.path.basename(old)), old)


@row("--weights ema", "holds no moving averages", "leave --weights out")
def averages_of_a_checkpoint_without(place):
    place.flags += ["--weights", "ema"]


@pytest.mark.parametrize("spoil, subject, fragments", row)
def test_bad_checkpoints_are_refused(refused, spoil, subject, fragments):
    refused(spoil, subject, fragments)
