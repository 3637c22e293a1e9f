"""--flagfile, as absl defines it: a file with a flag on each line, which are read in its place.

absl's own reader never ends on /dev/zero, raises UnicodeDecodeError, and only warns of a file that
includes itself.
"""

import os
from typing import Any, Iterable, Iterator, List, Sequence, Tuple

from absl import flags as absl_flags

from graphfix.errors import SourceError

_NAMES = ("--flagfile", "-flagfile")
_COMMENTS = ("#", "//")


class FlagFiles(absl_flags.FlagValues):
    """Flags of no module, which read files of flags."""

    def read_flags_from_files(self, argv: Sequence[str], force_gnu: bool = True) -> List[str]:
        return list(_expanded(argv, ()))


def _expanded(words: Iterable[Any], inside: Tuple[str, ...]) -> Iterator[str]:
    """The words with those of files in the place of the files' names; `inside` are the files that
    are being read."""
    rest = iter(words)
    for word in rest:
        name, equals, path = word.partition("=")
        if word == "--" and not inside:
            yield word
            yield from rest
        elif name not in _NAMES:
            yield word
        else:
            path = os.path.expanduser(path if equals else next(rest, ""))
            if not path:
                raise absl_flags.Error("--flagfile names no file")
            if os.path.realpath(path) in inside:
                raise absl_flags.Error(f"--flagfile {path}: includes itself; remove that line")
            yield from _expanded(_lines(path), (*inside, os.path.realpath(path)))


def _lines(path: str) -> Iterator[str]:
    """The words that a file's lines are: `--name=value`, or `--flagfile` and a name."""
    from graphfix.formats.regular_files import read_file

    try:
        text = read_file(path, pipes=True).decode("utf-8")
    except SourceError as error:
        raise absl_flags.Error(f"--flagfile {error}") from None
    except UnicodeDecodeError as error:
        raise absl_flags.Error(
            f"--flagfile {path}: is not UTF-8 text (offset {error.start}); save it as UTF-8"
        ) from None
    for line in map(str.strip, text.splitlines()):
        if line and not line.startswith(_COMMENTS):
            name, _, file = line.partition(" ")
            yield from (name, file.strip()) if name in _NAMES else (line,)
