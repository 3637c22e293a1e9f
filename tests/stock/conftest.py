"""The environments of tests/environments, for the tests that need more than their own Python."""

import functools
import os
import subprocess
import sys

import pytest

import zoo

MAKE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "environments", "make.py")


@functools.lru_cache(maxsize=None)
def made(*arguments):
    """The path that make.py prints; skips if a Python that is needed can't be had here."""
    done = subprocess.run([sys.executable, MAKE] + list(arguments), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="session")
def stock_python():
    """stock_python(era): path of the python that has the stock API of that era.

    Eras: "2019-04", "2019-07", "2021".
    """
    return lambda era: made("stock-" + era)


@pytest.fixture(scope="session")
def image_python():
    """Path of a CPython 3.6 that has what the image under the Dockerfile has."""
    return made("docker")


@pytest.fixture(scope="session")
def bare_python():
    """bare_python(series): path of a CPython "3.6" ..., or "newest", with nothing installed."""
    return lambda series: made("--python", series)


@pytest.fixture(scope="session")
def fast_python():
    """Path of the newest CPython here, with what graphfix needs and no more."""
    return made("fast")


@pytest.fixture(scope="session")
def replica(tmp_path_factory):
    """Directory of a full-size ssd_mobilenet_v1_coco_2018_01_28 with values of its own."""
    pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")
    import replica as replicas
    return replicas.make(zoo.model("ssd_mobilenet_v1_coco_2018_01_28"),
                         tmp_path_factory.mktemp("replica"))


@pytest.fixture(scope="session")
def small_weights(stock_python, tmp_path_factory):
    """Prefix of a checkpoint for small_ssd.config: what the stock API saves, with other values."""
    pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")
    import judging
    import replica as replicas
    saved = tmp_path_factory.mktemp("saved")
    config = judging.small_config(saved / "pipeline.config", "momentum", False)
    judging.ask([(stock_python("2019-07"), {"verb": "save", "pipeline_config": config,
                                            "output": str(saved / "model.ckpt")})])
    return replicas.make(str(saved), str(tmp_path_factory.mktemp("small"))) + "/model.ckpt"
