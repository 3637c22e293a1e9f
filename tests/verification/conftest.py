"""A converted directory, and a Python that answers as the stock API's would."""

import json
import os
import stat
import sys

import builders
import pytest
from conversions import converted
from fake_stock import FAKE, restored


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
