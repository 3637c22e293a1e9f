"""Where checkpoints are laid."""

import pytest


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "model.ckpt")
