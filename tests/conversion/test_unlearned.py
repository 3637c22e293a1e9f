"""Carried classes that no record has are told."""

import pytest
from conversions import TARGET


def told(done):
    return [line for line in done.err.splitlines() if "CLASS_UNLEARNED" in line]


@pytest.fixture
def convert(model, graphfix, broken_files, tmp_path):
    def run(texts, *flags):
        record = tmp_path / "train.record"
        examples = [
            broken_files.example(number, text=[text.encode()], label=None)
            for number, text in enumerate(texts)
        ]
        record.write_bytes(broken_files.records(examples))
        labels = tmp_path / "labels.pbtxt"
        labels.write_text(
            "".join(f"item {{ id: {n} name: '{name}' }}\n" for n, name in enumerate(TARGET, 1))
        )
        words = ["convert", model, "--label_map_path", labels, "--target_api", "2019-07", *flags]
        return graphfix(
            *words, "--train_record", record, "--output_directory", tmp_path / "out", "--overwrite"
        )

    return run


def test_what_no_record_has(convert):
    done = convert([TARGET[0]])
    (line,) = told(done)
    assert line.startswith("warning") and repr(TARGET[0]) not in line
    assert "training unlearns" in line


def test_new_classes_and_those_with_boxes_are_not(convert):
    assert not told(convert(TARGET))


def test_damaged_records_say_nothing_here(convert, tmp_path):
    assert not told(convert([]))
