"""The paths that convert writes into the config: from the root, and told where nothing is there."""

import os

import pytest
from conversions import TARGET

from graphfix.formats.regular_files import read_file
from graphfix.pipeline_config.document import parse_config
from graphfix.pipeline_config.paths import absolute


def records(out):
    """The paths of records in the config of a directory."""
    path = os.path.join(out, "pipeline.config")
    message = parse_config(read_file(path), path).message
    return [
        list(reader.tf_record_input_reader.input_path)
        for reader in (message.train_input_reader, message.eval_input_reader[0])
    ]


def test_records_are_written_from_the_root_and_missed(model, graphfix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        (tmp_path / f"train.record-{number}-of-2").write_bytes(b"")
    words = ["convert", model, "--num_classes", "1", "--map", "1=1", "--target_api", "2019-07"]
    flags = ["--train_record", "train.record-?-of-2", "--eval_record", "sub/../eval.record"]
    done = graphfix(*words, "--output_directory", "out", *flags)
    assert done.code == 0
    here = os.getcwd()
    assert records("out") == [[f"{here}/train.record-?-of-2"], [f"{here}/eval.record"]]
    told = [line for line in done.err.splitlines() if "RECORD_MISSING" in line]
    assert len(told) == 1 and told[0].startswith("warning")
    assert "--eval_record" in told[0] and f"{here}/eval.record" in told[0]


@pytest.mark.parametrize("path", ["gs://bucket/train.record", "PATH_TO_BE_CONFIGURED/x.record"])
def test_what_is_elsewhere_stays_and_is_not_looked_for(model, converted, path):
    out, _ = converted(model, TARGET, "--train_record", path, "--eval_record", path)
    assert records(out) == [[path], [path]] and absolute(path) == path
