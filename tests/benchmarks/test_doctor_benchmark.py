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
    readers = re.findall(r"^\| TensorFlow script \|.*\| (\d+) \| \d+ \|$", text, re.M)
    # As many times TensorFlow's reader with images of 160 kB, and of 20 kB.
    for rate, reader, times in zip(rates, readers, (1.8, 1.2)):
        assert int(rate) >= times * int(reader)
    assert len(rates) == len(readers) == 2
