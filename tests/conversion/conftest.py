"""Conversions of the tiny detector."""

import os

import builders
import pytest
from conversions import API


@pytest.fixture
def converted(graphfix, tmp_path):
    """Converts a model to names (or a label map's text); the output's directory and tensors."""

    def convert(source, names, *flags, **more):
        number = len(os.listdir(str(tmp_path)))
        labels = names if isinstance(names, str) else builders.label_map(names)
        path = builders.write(tmp_path, f"labels_{number}.pbtxt", labels)
        out = str(tmp_path / (f"out_{number}"))
        done = graphfix(
            "convert", source, "--label_map_path", path, "--output_directory", out, *(API + flags)
        )
        assert done.code == more.get("code", 0), done.err
        return out, builders.read_checkpoint(os.path.join(out, "model.ckpt"))

    return convert
