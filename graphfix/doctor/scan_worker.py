"""The process that scans files of records for another one."""

from graphfix.doctor.shards import scan_several
from graphfix.process import parallel


def main() -> None:
    """Answers until there are no more shards."""
    parallel.serve(scan_several)
