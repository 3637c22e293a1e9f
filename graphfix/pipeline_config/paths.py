"""The paths in a pipeline config: which fields hold them, and what stands for one not yet known."""

import os
import re
from typing import Optional, Tuple

INPUT_READERS = ("train_input_reader", "eval_input_reader")
# Within an input reader.
INPUT_PATH = ("tf_record_input_reader", "input_path")

# What graphfix writes where a path is not known, as the API's sample configs do.
TO_BE_CONFIGURED = "PATH_TO_BE_CONFIGURED"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_FIELD = re.compile(r"(_path|_dir|_directory|_checkpoint)$")
# What sample configs and tutorials have in place of a path.
_PLACEHOLDER = re.compile(r"PATH_TO|path/to|/usr/home/username|YOUR_|your_|<[^<>]*>", re.ASCII)


def is_path_field(name: str) -> bool:
    """Whether a field's name says that its value is a path."""
    return bool(_FIELD.search(name))


def is_placeholder(text: str) -> bool:
    """Whether a path is one to be filled in."""
    return bool(_PLACEHOLDER.search(text))


def is_url(text: str) -> bool:
    """Whether a path is of another machine's storage, such as gs://bucket/train.record."""
    return _URL.match(text) is not None


def absolute(text: str) -> str:
    """A path as the config is to have it: a trainer may run in any directory."""
    return text if is_url(text) or is_placeholder(text) else os.path.abspath(text)


def label_map_paths(message) -> Tuple[str, ...]:
    """The label maps that a config's input readers name, each once, that of training first."""
    readers = [message.train_input_reader, *message.eval_input_reader]
    return tuple(dict.fromkeys(one.label_map_path for one in readers if one.label_map_path))


def base_name(path: str) -> str:
    """The last part of a path, of Windows, too: a config may come from there."""
    return re.split(r"[/\\]", path)[-1]


def find_named(path: str, *directories: str) -> Optional[str]:
    """The file that a path in a config means here: that path, or else, in one of the directories,
    the same relative path or a file of its base name; None where there is none."""
    if not path or "\0" in path:
        return None
    tried = [path]
    tried += [os.path.join(directory, path) for directory in directories]
    tried += [os.path.join(directory, base_name(path)) for directory in directories]
    return next((one for one in tried if os.path.isfile(one)), None)
