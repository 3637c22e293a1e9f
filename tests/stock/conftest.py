"""The environments of tests/environments, for the tests that need more than their own Python."""

import os

import pytest
import thorough
import zoo
from environment_python import python_or_skip

# Files that take minutes, the longest first.  A file's tests are one worker's, so that these have
# to begin first for all workers to end together.
LONGEST = (
    "test_frozen.py",
    "test_matrix.py",
    "test_readme_training.py",
    "test_carried_anchors.py",
    "test_training.py",
    "test_restore_prediction.py",
    "test_model_dir.py",
    "test_verify.py",
    "test_benchmarks.py",
    "test_doctor.py",
    "test_dockerfile.py",
    "test_install.py",
    "test_freeze.py",
    "test_published.py",
    "test_cured.py",
    "test_outputs.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class LongestFirst(LoadFileScheduling):
        """Begins with LONGEST; xdist itself begins with the files that have most tests."""

        def _assign_work_unit(self, node):
            def place(scope):
                name = os.path.basename(scope)
                return LONGEST.index(name) if name in LONGEST else len(LONGEST)

            self.workqueue.move_to_end(min(self.workqueue, key=place), last=False)
            super()._assign_work_unit(node)

    return LongestFirst(config, log)


@pytest.fixture(scope="session")
def tf2_python():
    """The python that has the API of TensorFlow 2; `make thorough` builds it, others take it where
    it is built."""
    return python_or_skip("tf2") if thorough.ALL else python_or_skip("--there", "tf2")


@pytest.fixture(scope="session")
def tool_python():
    """tool_python(target): path of the python that has the converter and the runtime of "onnx" or
    "openvino"."""
    return python_or_skip


@pytest.fixture(scope="session")
def opencv_python():
    """opencv_python(major): path of the python that has OpenCV 4 or 5."""
    return lambda major: python_or_skip(f"opencv-{major}")


@pytest.fixture(scope="session")
def stock_python():
    """stock_python(era): path of the python that has the stock API of that era.

    Eras: "2019-04", "2019-07", "2021".
    """
    return lambda era: python_or_skip("stock-" + era)


@pytest.fixture(scope="session")
def image_python():
    """Path of a CPython 3.6 that has what the image under the Dockerfile has."""
    return python_or_skip("docker")


@pytest.fixture(scope="session")
def bare_python():
    """bare_python(series): path of a CPython "3.6" ..., or "newest", with nothing installed."""
    return lambda series: python_or_skip("--python", series)


@pytest.fixture(scope="session")
def fast_python():
    """Path of the newest CPython here, with what graphfix needs and no more."""
    return python_or_skip("fast")


@pytest.fixture(scope="session")
def replica(tmp_path_factory):
    """Directory of a full-size ssd_mobilenet_v1_coco_2018_01_28 with values of its own."""
    pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")
    import replica as replicas

    return replicas.make(
        zoo.model("ssd_mobilenet_v1_coco_2018_01_28"), tmp_path_factory.mktemp("replica")
    )


@pytest.fixture(scope="session")
def small_weights(stock_python, tmp_path_factory):
    """Prefix of a checkpoint for small_ssd.config: what the stock API saves, with other values."""
    pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")
    import judging
    import replica as replicas

    saved = tmp_path_factory.mktemp("saved")
    config = judging.small_config(saved / "pipeline.config", "momentum", False)
    judging.ask(
        [
            (
                stock_python("2019-07"),
                {"verb": "save", "pipeline_config": config, "output": str(saved / "model.ckpt")},
            )
        ]
    )
    return replicas.make(str(saved), str(tmp_path_factory.mktemp("small"))) + "/model.ckpt"
