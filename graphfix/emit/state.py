"""The `checkpoint` file: which checkpoint of a directory is the latest.

A CheckpointState (tensorflow/python/training/checkpoint_state.proto) as protobuf text.  Paths
are relative to the directory, so that it may be moved or mounted elsewhere.
"""

import os

from graphfix.textproto import quote

FILE_NAME = "checkpoint"


def state_text(name: str) -> str:
    """The state that names the checkpoint `name`, and no other."""
    return "model_checkpoint_path: %s\nall_model_checkpoint_paths: %s\n" % (
        quote(name), quote(name))


def write_state(directory: str, name: str) -> None:
    """Makes the checkpoint `name` (relative to `directory`) its latest and only one."""
    with open(os.path.join(directory, FILE_NAME), "w", newline="\n") as file:
        file.write(state_text(name))
        file.flush()
        os.fsync(file.fileno())
