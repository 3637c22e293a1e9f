"""What the tests that ask the stock API share."""

import concurrent.futures
import os
import re
import string

import repository
import tensorflow.compat.v1 as tf

from graphfix.cli import command_line
from graphfix.stock_api import runner

HERE = os.path.join(repository.TESTS, "stock")
TESTDATA = os.path.join(HERE, "..", "..", "testdata")
DETECTOR = os.path.join(TESTDATA, "shapes_detector")
DETECTOR_LABELS = os.path.join(DETECTOR, "shapes_label_map.pbtxt")
RECORDS = os.path.join(TESTDATA, "shapes")

ERAS = ("2019-04", "2019-07", "2021")
TRAINERS = ("model_main", "legacy")

SECONDS = 600  # for one job; they take ten to thirty
AT_ONCE = 2  # a worker builds its graph on one core, and needs about a gigabyte


def write_labels(path, names):
    """A label map of these classes, numbered from 1; gives its path."""
    with open(str(path), "w") as file:
        for number, name in enumerate(names, start=1):
            file.write(f"item {{ id: {number} name: '{name}' }}\n")
    return str(path)


def convert(source, out, *flags):
    """Converts by the command line; gives the output directory."""
    words = ["convert", source, "--output_directory", out] + list(flags)
    assert command_line.main([str(word) for word in words]) == 0
    return str(out)


def job(out, verb="restore", **others):
    """A job about a converted directory."""
    return dict(
        others,
        verb=verb,
        pipeline_config=os.path.join(str(out), "pipeline.config"),
        checkpoint=os.path.join(str(out), "model.ckpt"),
    )


def small_config(path, optimizer, use_moving_average):
    """Writes small_ssd.config with an optimizer; gives its path."""
    optimizers = {
        "rms_prop": "momentum_optimizer_value: 0.9 decay: 0.9 epsilon: 1.0",
        "momentum": "momentum_optimizer_value: 0.9",
        "adam": "",
    }
    rate = "learning_rate { constant_learning_rate { learning_rate: 0.001 } }"
    with open(os.path.join(HERE, "small_ssd.config")) as file:
        template = string.Template(file.read())
    with open(str(path), "w") as file:
        file.write(
            template.substitute(
                optimizer=f"{optimizer}_optimizer {{ {rate} {optimizers[optimizer]} }}",
                use_moving_average=str(use_moving_average).lower(),
            )
        )
    return str(path)


def ask(pairs):
    """The worker's results for pairs of a python and a job; none may fail.

    A python's jobs are done by one worker, one after the other: importing the API takes as long as
    some of them do.  Several pythons' are done at once.
    """
    pythons = list(dict.fromkeys(python for python, _ in pairs))

    def one(python):
        places = [place for place, (other, _) in enumerate(pairs) if other == python]
        return zip(
            places,
            runner.run_jobs(
                [pairs[place][1] for place in places], python=python, timeout=SECONDS * len(places)
            ),
        )

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = dict(pair for answers in pool.map(one, pythons) for pair in answers)
    for result in results.values():
        assert "error" not in result, result["error"]
    return [results[place] for place in range(len(pairs))]


def tensors(prefix):
    """Every tensor of a checkpoint, by TensorFlow's own reader."""
    reader = tf.train.NewCheckpointReader(prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def complaints(log):
    """Names of the variables that the stock code logged as not restored."""
    names = set()
    with open(str(log), encoding="utf-8", errors="replace") as file:
        for line in file:
            found = re.search(r"Variable \[(.+?)\] is (not )?available in checkpoint", line)
            if found:
                names.add(found.group(1))
            else:
                assert "incompatible shape" not in line and "not available in" not in line, line
    return names


def decode(encoded):
    """The pixels of JPEG pictures."""
    with tf.Graph().as_default(), tf.Session() as session:
        content = tf.placeholder(tf.string, [])
        pixels = tf.io.decode_jpeg(content, channels=3)
        return [session.run(pixels, {content: one}) for one in encoded]
