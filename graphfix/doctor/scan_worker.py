"""The process that scans files of records for another one."""

from typing import Callable

from graphfix.doctor.scan import Scan
from graphfix.doctor.shards import Shard, scan_shard
from graphfix.process import parallel


def _scan(shard: Shard, told: Callable[[int], None]) -> Scan:
    scan = scan_shard(shard, None, told)
    told(scan.bytes)
    return scan


def main() -> None:
    """Answers until there are no more shards."""
    parallel.serve(_scan)
