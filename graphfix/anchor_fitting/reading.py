"""Reads the boxes of a data set, by several processes where it is large.

Each process reads shares: files, or pieces of large ones, one after the other.  What is read does
not depend on how many processes there are.
"""

import collections
import os
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from graphfix.anchor_fitting.data import BoxSet, Gathered, box_set, gather, merge
from graphfix.datasets.boxes import ImageBoxes
from graphfix.datasets.sources import find_all, pieces_of, read_piece
from graphfix.datasets.tf_example import NoBoxes
from graphfix.errors import SourceError
from graphfix.findings import Finding
from graphfix.formats.schema import message_class, parse
from graphfix.formats.tfrecord import WHOLE, Piece
from graphfix.process import parallel

# Bytes for which a process is worth its start: records of a few hundred bytes, which take longest
# for their bytes, are read at some 30 MB a second.
_WORTH = 24 << 20
_MODULE = "graphfix.anchor_fitting.reading"
_Place = Tuple[str, Piece]


class Share(NamedTuple):
    """What is to be read at once, the number of it, and what to make of it: the resizer's message,
    and the classes' names by id."""

    number: int
    places: Sequence[_Place]
    resizer: bytes
    names: Dict[int, str]


class Answer(NamedTuple):
    """The boxes of a share, or the error at which it stopped; and the files of pieces whose records
    have no keys of boxes."""

    number: int
    gathered: Optional[Gathered]
    error: Optional[SourceError]
    lacking: List[Tuple[str, NoBoxes]]


def read(
    records: Sequence[str], resizer: Any, *, names: Dict[int, str], jobs: int
) -> Tuple[BoxSet, Tuple[Finding, ...]]:
    """All boxes of the files that `records` name, as the resizer leaves them, and findings about
    those left out.

    names: those of classes by id, for files that have ids.
    jobs: how many processes may be used.

    Raises:
      SourceError: a name means no file, or a file is damaged or of another kind; there are no
        boxes, or none that could be trained on.
    """
    message = resizer.SerializeToString()
    shares = [
        Share(number, places, message, names)
        for number, places in enumerate(_divided(find_all(records), jobs))
    ]
    if len(shares) > 1:
        found = parallel.run(_MODULE, _read, shares, jobs, lambda amount: None)
        answers = sorted(found, key=lambda answer: answer.number)
    else:
        answers = [read_share(share) for share in shares]
    missing = collections.Counter(path for share in shares for path, _ in share.places)
    first: Dict[str, NoBoxes] = {}
    for answer in answers:
        for path, lacking in answer.lacking:
            first.setdefault(path, lacking)
            missing[path] -= 1
            if not missing[path]:
                raise first[path]
        if answer.error is not None:
            raise answer.error
    gathered = merge([answer.gathered for answer in answers if answer.gathered is not None])
    return box_set(gathered, ", ".join(records))


def _divided(paths: Sequence[str], jobs: int) -> List[List[_Place]]:
    """The files, or pieces of them, in shares for so many processes."""
    sizes = [os.path.getsize(path) for path in paths]
    jobs = min(jobs, sum(sizes) // _WORTH)
    if jobs < 2:
        return [[(path, WHOLE) for path in paths]]
    most = sum(sizes) // (6 * jobs)  # this process reads while others start
    shares: List[List[_Place]] = [[]]
    held = 0
    for path, size in zip(paths, sizes):
        for piece in pieces_of(path, most):
            if held >= most:
                shares.append([])
                held = 0
            shares[-1].append((path, piece))
            held += piece.length(size)
    return shares


def read_share(share: Share) -> Answer:
    """The boxes of a share."""
    lacking: List[Tuple[str, NoBoxes]] = []

    def images() -> Iterator[ImageBoxes]:
        for path, piece in share.places:
            try:
                yield from read_piece(path, piece)
            except NoBoxes as error:
                lacking.append((path, error))

    resizer = parse(message_class("graphfix.pipeline.ImageResizer"), share.resizer)
    try:
        return Answer(share.number, gather(images(), resizer, share.names), None, lacking)
    except SourceError as error:
        return Answer(share.number, None, error, lacking)


def _read(share: Share, told: Callable[[int], None]) -> Answer:
    return read_share(share)


def main() -> None:
    """Answers until there are no more shares."""
    parallel.serve(_read)
