"""The paths in a pipeline config: which fields hold them, and what stands for one not yet known."""

import re

INPUT_READERS = ("train_input_reader", "eval_input_reader")
# Within an input reader.
INPUT_PATH = ("tf_record_input_reader", "input_path")

# What graphfix writes where a path is not known, as the API's sample configs do.
TO_BE_CONFIGURED = "PATH_TO_BE_CONFIGURED"

_FIELD = re.compile(r"(_path|_dir|_directory|_checkpoint)$")
# What sample configs and tutorials have in place of a path.
_PLACEHOLDER = re.compile(r"PATH_TO|path/to|/usr/home/username|YOUR_|your_|<[^<>]*>", re.ASCII)


def is_path_field(name: str) -> bool:
    """Whether a field's name says that its value is a path."""
    return bool(_FIELD.search(name))


def is_placeholder(text: str) -> bool:
    """Whether a path is one to be filled in."""
    return bool(_PLACEHOLDER.search(text))
