"""The conversions of testdata's detector whose bytes must never change, and what records them.

    python tests/golden.py      writes testdata/golden/ anew, after a change that is meant

SHA256SUMS has every file but the config, the reports and the manifest of all, which tell where they
lie; shapes.json is the golden file (graphfix check) of the first.
"""

import hashlib
import os
import sys
import tempfile

import repository

TOP = repository.TOP
DETECTOR = os.path.join(TOP, "testdata", "shapes_detector")
GOLDEN = os.path.join(TOP, "testdata", "golden")
LABELS = os.path.join(GOLDEN, "labels.pbtxt")
CASES = {
    "shapes": ["--map", "blob=ring+crescent"],
    "mean": ["--new_rows", "mean", "--map", "star=1"],
    "random": ["--new_rows", "random", "--seed", "7", "--trainer", "legacy"],
    "zero": ["--new_rows", "zero", "--target_api", "2021-01"],
}


def convert(name, out):
    """The exit code of a case's conversion."""
    from graphfix.cli import command_line

    return command_line.main(
        [
            "convert",
            DETECTOR,
            "--label_map_path",
            LABELS,
            "--source_label_map_path",
            os.path.join(DETECTOR, "shapes_label_map.pbtxt"),
            "--output_directory",
            out,
            "--target_api",
            "2019-07",
        ]
        + CASES[name]
    )


def sums(name, out):
    """Lines of SHA256SUMS."""
    for file in sorted(os.listdir(out)):
        if file not in (
            "pipeline.config",
            "manifest.json",
            "plan.json",
            "report.json",
            "report.html",
        ):
            with open(os.path.join(out, file), "rb") as opened:
                yield f"{hashlib.sha256(opened.read()).hexdigest()}  {name}/{file}\n"


def main():
    from graphfix.cli import command_line

    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in CASES:
            out = os.path.join(scratch, name)
            assert convert(name, out) == 0
            lines += sums(name, out)
        golden = os.path.join(GOLDEN, "shapes.json")
        assert (
            command_line.main(
                ["check", os.path.join(scratch, "shapes"), "--golden", golden, "--update"]
            )
            == 0
        )
    with open(os.path.join(GOLDEN, "SHA256SUMS"), "w") as file:
        file.writelines(lines)


if __name__ == "__main__":
    sys.path.insert(0, TOP)
    main()
