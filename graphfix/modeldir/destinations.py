"""Where a conversion goes: a directory that is published in one step, or memory.

A destination says where the config will find its checkpoint (`place`), whether the trainer is to
resume from a complete training checkpoint (`resumable`), and lends a `Stage` to write into; on
leaving it without an error what was written is there, all of it.
"""

import contextlib
import os
from typing import Dict, Iterator, NamedTuple, Optional, Sequence, Union

from graphfix.errors import RequestError
from graphfix.findings import count
from graphfix.modeldir import publishing
from graphfix.pipeline_config.paths import TO_BE_CONFIGURED
from graphfix.process.scratch import Scratch
from graphfix.values import flag_of, optional_path, path_of


class Stage(NamedTuple):
    """Directories to write into: the model's, and that of the complete training checkpoint."""

    directory: str
    model_dir: Optional[str] = None


class Directory:
    """A directory, published in one step: a reader sees the old one or the new one, never a part.

    Args:
      path: the directory; its parent exists.
      overwrite: replace what graphfix wrote there before, never what is not graphfix's.
      model_dir: also write a complete training checkpoint there, for the trainer to resume from.
    """

    def __init__(
        self,
        path: Union[str, "os.PathLike[str]"],
        *,
        overwrite: bool = False,
        model_dir: Union[str, "os.PathLike[str]", None] = None,
    ):
        self.path = path_of("output_directory", path)
        self.overwrite = flag_of("overwrite", overwrite)
        self.model_dir = optional_path("model_dir", model_dir)

    def __repr__(self) -> str:
        return f"Directory({self.path!r})"

    @property
    def place(self) -> str:
        return os.path.abspath(self.path)

    @property
    def resumable(self) -> bool:
        return self.model_dir is not None

    def check(self, inputs: Sequence[str]) -> None:
        """Whether it can be written to, before anything is read; `inputs` are the paths that the
        conversion is given, or reads.

        Raises:
          RequestError: listing why not.
        """
        publishing.check_destinations(self._paths, overwrite=self.overwrite, inputs=inputs)

    @contextlib.contextmanager
    def staged(self, inputs: Sequence[str]) -> Iterator[Stage]:
        """Lends a stage, and publishes it.

        Raises:
          RequestError: the directory is taken, or its file system refuses or is full.
        """
        with publishing.staged(*self._paths, overwrite=self.overwrite, inputs=inputs) as stages:
            yield Stage(*stages)

    @property
    def _paths(self) -> Sequence[str]:
        return [self.path] + ([self.model_dir] if self.model_dir is not None else [])


class Memory:
    """Keeps what a conversion writes in memory: `files` has the bytes of each by its path.

    The config names `place` as the checkpoint's directory, which is a placeholder by default.
    """

    resumable = False
    model_dir = None

    def __init__(self, place: Union[str, "os.PathLike[str]"] = TO_BE_CONFIGURED) -> None:
        self.place = path_of("place", place)
        self.files: Dict[str, bytes] = {}

    def __repr__(self) -> str:
        size = sum(map(len, self.files.values()))
        return f"<Memory of {count(len(self.files), 'file')}, {size / 1e6:.1f} MB>"

    def check(self, inputs: Sequence[str]) -> None:
        """Memory is always free."""

    @contextlib.contextmanager
    def staged(self, inputs: Sequence[str]) -> Iterator[Stage]:
        """Lends a scratch directory, so that what is written is verified as it is on a disk, and
        takes its files."""
        with Scratch() as scratch:
            yield Stage(scratch)
            self.files = {
                os.path.relpath(os.path.join(top, name), scratch): _read(os.path.join(top, name))
                for top, _, names in os.walk(scratch)
                for name in sorted(names)
            }


class Unplaced(NamedTuple):
    """Of a plan whose place is left open: the conversion that replays it fills it in."""

    resumable: bool
    place: str = TO_BE_CONFIGURED


Destination = Union[Directory, Memory]


def destination(
    where: Union[str, "os.PathLike[str]", Destination],
    *,
    overwrite: bool = False,
    model_dir: Union[str, "os.PathLike[str]", None] = None,
) -> Destination:
    """The destination that a path means, or the one that is given.

    Raises:
      RequestError: a destination is given, and something else that only a path takes.
    """
    if isinstance(where, (Directory, Memory)):
        if flag_of("overwrite", overwrite) or model_dir is not None:
            raise RequestError(
                "--overwrite" if overwrite else "--model_dir",
                f"is given beside {where!r}",
                "give it to Directory(...)",
            )
        return where
    return Directory(where, overwrite=overwrite, model_dir=model_dir)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
