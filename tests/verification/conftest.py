"""A converted directory, and a Python that answers as the stock API's would."""

import json
import os
import shutil
import stat
import sys

import builders
import pytest
import repository
from conversions import converted
from fake_stock import FAKE, compared, restored


@pytest.fixture
def stock(tmp_path):
    """An object whose `python` answers as its `answers` say, and which knows what was `asked`."""

    class Stock:
        answers = {
            "legacy": restored("legacy"),
            "model_main": restored("model_main"),
            "detect": {
                "verb": "detect",
                "api": {"revision": "2019-07"},
                "detections": [
                    [{"box": [0.11111, 0.2, 0.3, 0.4], "score": 0.87654, "class_id": 2}],
                    [],
                ],
            },
        }
        answers["graph"] = answers["detect"]
        answers["compare"] = compared({}, {})

        @property
        def python(self):
            builders.write(tmp_path, "answers.json", json.dumps(self.answers))
            path = builders.write(
                tmp_path,
                "python",
                FAKE
                % {
                    "python": sys.executable,
                    "asked": str(tmp_path / "asked.json"),
                    "answers": str(tmp_path / "answers.json"),
                },
            )
            os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
            return path

        @property
        def asked(self):
            with open(str(tmp_path / "asked.json"), encoding="utf-8") as file:
                return json.load(file)

    return Stock()


@pytest.fixture
def out(graphfix, model, tmp_path):
    return converted(graphfix, model, tmp_path, ["dog", "zebra"])


@pytest.fixture
def frozen(graphfix, tmp_path):
    """A model of a frozen graph, and what it was converted to."""
    shapes = os.path.join(repository.TESTDATA, "shapes_detector")
    source = tmp_path / "frozen"
    source.mkdir()
    for name in ("frozen_inference_graph.pb", "pipeline.config"):
        shutil.copy(os.path.join(shapes, name), str(source / name))
    out = str(tmp_path / "out")
    assert (
        graphfix(
            "convert", source, "--num_classes", "2", "--map", "1=3", "--output_directory", out
        ).code
        == 0
    )
    return str(source), out
