"""Which records to show: those with findings first, of each kind some, then others from all
over."""

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from graphfix.doctor.copies import find_copies
from graphfix.doctor.diagnosis import CHECKS
from graphfix.doctor.faults import AS_SIZE, OTHER_SIDE
from graphfix.doctor.look import Look, Row
from graphfix.doctor.scan import Order, Scan
from graphfix.doctor.shards import Shard
from graphfix.errors import SourceError
from graphfix.findings import ERROR, INFO, WARNING
from graphfix.formats.tfrecord import read_frames

UNKNOWN = "CLASS_TEXT_UNKNOWN"
_EVERY = 64 << 20
_SEVERITIES = {check.code: check.severity for check in CHECKS}
_RANKS = (ERROR, WARNING, INFO)
# Of all records alike, as a rule: nothing to see.
_UNSEEN = {"SOURCE_ID_MISSING", "MASK_MISSING", AS_SIZE, OTHER_SIDE}


class Fault(NamedTuple):
    """What is wrong with a record: doctor's code, its severity, details."""

    code: str
    severity: str
    detail: str


class Chosen(NamedTuple):
    """A record to show: its file, its number there, where it is there, what is wrong with it."""

    path: str
    number: int
    offset: int
    faults: Tuple[Fault, ...]


class _Noting(Look):
    """Keeps, of each kind, the first records that have it, and all that is wrong with them."""

    def __init__(self, shard: Shard, found: "Found"):
        Look.__init__(self, shard.path, shard.number, shard.names, shard.masks)
        self.found = found

    def note(self, kind: str, detail: str = "", row: Optional[Row] = None) -> None:
        Look.note(self, kind, detail, row)
        self.found.add(kind, self._place(row), detail)

    def unknown(self, text: str, row: Row) -> None:
        Look.unknown(self, text, row)
        self.found.add(UNKNOWN, self._place(row), f"'{text}'")

    def _place(self, row: Optional[Row]) -> Tuple[int, int, int]:
        number, offset = (row.number, row.offset) if row else (self.number, self.offset)
        return self.index, number, offset


class Found:
    """Records with faults: up to `most` of each kind, and how many there are of each."""

    def __init__(self, most: int):
        self.most = most
        self.counts: Dict[str, int] = {}
        self.last: Dict[str, Tuple[int, int, int]] = {}  # the record that was counted, of each kind
        self.faults: Dict[Tuple[int, int, int], Dict[str, str]] = {}

    def add(self, kind: str, place: Tuple[int, int, int], detail: str) -> None:
        if kind in _UNSEEN:
            return
        known = self.faults.get(place)
        if self.last.get(kind) == place:  # its second box, say
            if known is not None and kind == UNKNOWN and detail not in known[kind].split(", "):
                known[kind] += f", {detail}"
            return
        self.last[kind] = place
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if known is None and self.counts[kind] <= self.most:
            known = self.faults[place] = {}
        if known is not None:
            known[kind] = detail

    def ordered(self) -> List[Tuple[Tuple[int, int, int], Tuple[Fault, ...]]]:
        """The records with the worst faults first; of faults of one severity, one record of each
        kind after the other."""
        rows = []
        seen: Dict[str, int] = {}
        for place in sorted(self.faults):
            faults = tuple(
                sorted(
                    (
                        Fault(kind, severity(kind), text)
                        for kind, text in self.faults[place].items()
                    ),
                    key=lambda fault: (_RANKS.index(fault.severity), fault.code),
                )
            )
            worst = faults[0]
            turn = seen[worst.code] = seen.get(worst.code, 0) + 1
            rows.append((_RANKS.index(worst.severity), turn, worst.code, place, faults))
        return [(place, faults) for _, _, _, place, faults in sorted(rows)]


def severity(kind: str) -> str:
    return _SEVERITIES.get(kind, ERROR if kind == UNKNOWN else WARNING)


def choose(
    shards: Sequence[Shard], most: int, progress: Callable[[str], None]
) -> Tuple[Scan, Dict[str, int], List[Chosen]]:
    """What the records have; how many have each kind of fault; and up to `most` to show.

    Raises:
      SourceError: a file is damaged before its first record.
    """
    scan, found = Scan(tuple(shard.path for shard in shards)), Found(most)
    for shard in shards:
        look = _Noting(shard, found)
        told = 0
        try:
            for frame in read_frames(shard.path):
                look.record(*frame)
                if look.scan.bytes - told >= _EVERY:
                    told = look.scan.bytes
                    progress(f"reading {shard.path}: {told >> 20} MB")
        except SourceError as error:
            if not look.scan.records:
                raise
            look.scan.damage[shard.number] = error
        scan.merge(look.finish())
    for kind, record, detail in find_copies(scan):
        found.add(kind, (*record.order, record.offset), detail)
    known = {label for shard in shards for label in (shard.names or {}).values()}
    for label, note in scan.ids.items() if known else ():
        if label not in known:
            index, number = note.order
            place = (index, number, int(scan.keys[index].offsets[number]))
            found.add("CLASS_ID_OUTSIDE", place, f"class id {label} is not in the label map")
    chosen = [
        Chosen(scan.files[index], number, offset, faults)
        for (index, number, offset), faults in found.ordered()[:most]
    ]
    chosen += _others(scan, {place[:2] for place in found.faults}, most - len(chosen))
    return scan, found.counts, chosen


def _others(scan: Scan, but: "set[Order]", count: int) -> List[Chosen]:
    """Records without faults, at equal distances."""
    places = [
        (index, number)
        for index in sorted(scan.keys)
        for number in range(len(scan.keys[index].offsets))
        if (index, number) not in but
    ]
    count = min(count, len(places))
    picked = [places[(2 * step + 1) * len(places) // (2 * count)] for step in range(count)]
    return [
        Chosen(scan.files[index], number, int(scan.keys[index].offsets[number]), ())
        for index, number in picked
    ]
