"""docs/benchmarks_doctor.md has reached what records are to be read with."""

import os
import re

import repository

ROOT = repository.TOP


def test_records_were_read_fast_enough():
    with open(os.path.join(ROOT, "docs", "benchmarks_doctor.md")) as file:
        text = file.read()
    sizes = re.findall(r"^(\d+) MB, \d+ records", text, re.M)
    assert len(sizes) == 2 and all(int(size) >= 1000 for size in sizes)
    rates = re.findall(r"^\| graphfix doctor \|.*\| (\d+) \| \d+ \|$", text, re.M)
    assert len(rates) == 2 and all(int(rate) >= 200 for rate in rates)
