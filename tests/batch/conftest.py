"""A place to run batches in."""

import os
import shutil

import builders
import pytest


@pytest.fixture
def place(tmp_path, model):
    """A directory with labels, a model's directory `one` and its archive `two.tar.gz`."""
    top = tmp_path / "place"
    top.mkdir()
    builders.write(top, "labels.pbtxt", builders.label_map(["person", "zebra"]))
    shutil.copytree(model, str(top / "one"))
    shutil.make_archive(str(top / "two"), "gztar", os.path.dirname(model), os.path.basename(model))
    return top
