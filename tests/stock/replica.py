"""A published checkpoint made again from its index: same names, types and shapes, other values.

The weights of the published models are too large to keep, their indexes are not.  Values are drawn
from a stream that only the tensor's name decides.  Activations stay in a sane range: BatchNorm's
scales and variances lie around 1, everything else around 0.
"""

import glob
import hashlib
import os
import shutil

import numpy as np
import tensorflow.compat.v1 as tf

STEP = 200000  # of global_step: what was published had been trained


def make(model, directory):
    """Writes checkpoint and config of the zoo's `model` into `directory`; gives its path."""
    (index,) = glob.glob(os.path.join(glob.escape(model), "*.index"))
    reader = tf.train.NewCheckpointReader(index[: -len(".index")])
    dtypes = reader.get_variable_to_dtype_map()
    values = {
        name: _value(name, shape, dtypes[name].as_numpy_dtype)
        for name, shape in reader.get_variable_to_shape_map().items()
    }
    save(values, os.path.join(directory, "model.ckpt"))
    shutil.copy(os.path.join(model, "pipeline.config"), directory)
    return str(directory)


def save(values, prefix):
    """Has TensorFlow write a checkpoint of a dictionary of arrays."""
    names = sorted(values)
    with tf.Graph().as_default(), tf.Session() as session:
        feeds = [tf.placeholder(values[name].dtype, values[name].shape) for name in names]
        write = tf.raw_ops.SaveV2(
            prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=feeds
        )
        session.run(write, dict(zip(feeds, (values[name] for name in names))))


def _value(name, shape, dtype):
    if not issubclass(dtype, np.floating):
        return np.full(shape, STEP, dtype)
    seed = int(hashlib.md5(name.encode()).hexdigest()[:8], 16)
    drawn = np.random.RandomState(seed).standard_normal(shape) * 0.05
    if name.endswith(("/gamma", "/moving_variance")):
        drawn = 1 + np.abs(drawn)
    return np.asarray(drawn, dtype)
