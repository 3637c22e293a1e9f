"""tests/state_files.py is what tf.train.get_checkpoint_state says."""

import os

import pytest
from state_files import NONE, RECORDED, STOPS

tf = pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")


@pytest.mark.parametrize("data, wanted", RECORDED)
def test_it_is_what_tensorflow_reads(data, wanted, tmp_path):
    directory = str(tmp_path)
    with open(os.path.join(directory, "checkpoint"), "wb") as file:
        file.write(data)
    try:
        state = tf.train.get_checkpoint_state(directory)
        found = state.model_checkpoint_path.replace(directory, "D") if state else NONE
    except ValueError:
        found = STOPS
    assert found == wanted
