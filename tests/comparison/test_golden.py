"""The same bytes a year later: conversions of testdata's detector against what is recorded."""

import os
import re

import golden
import pytest


@pytest.mark.parametrize("name", sorted(golden.CASES))
def test_the_bytes_are_the_recorded_ones(name, tmp_path):
    out = str(tmp_path / "somewhere else")
    assert golden.convert(name, out) == 0
    with open(os.path.join(golden.GOLDEN, "SHA256SUMS")) as file:
        recorded = [line for line in file if line.split("  ")[1].startswith(name + "/")]
    assert list(golden.sums(name, out)) == recorded and len(recorded) >= 5


def test_it_is_what_its_golden_file_says(graphfix, tmp_path):
    out = tmp_path / "out"
    golden.convert("shapes", str(out))
    done = graphfix("check", out, "--golden", os.path.join(golden.GOLDEN, "shapes.json"))
    assert (done.code, done.err) == (0, "") and re.match(
        "tensors, config, label map, frozen graph, files compared; [0-9]+ of .* equal; same\n",
        done.out,
    )
