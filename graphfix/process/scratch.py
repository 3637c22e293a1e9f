"""Temporary directories that go when the run ends, however a signal ends it."""

import shutil
import tempfile
import weakref
from typing import Any

from graphfix.process import signals


class Scratch:
    """A temporary directory, for as long as this object lives or until `close`."""

    def __init__(self) -> None:
        with signals.held():
            self.path = tempfile.mkdtemp(prefix="graphfix-")
            self._end = weakref.finalize(self, _remove, self.path)

    def close(self) -> None:
        with signals.held():
            self._end()

    def __enter__(self) -> str:
        return self.path

    def __exit__(self, *error: Any) -> None:
        self.close()


def _remove(path: str) -> None:
    shutil.rmtree(path, ignore_errors=True)
