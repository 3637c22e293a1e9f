"""num_examples follows the evaluation records, and comments that became untrue are told."""

import builders
import pytest
import repository

import graphfix
from graphfix.pipeline_config.document import parse_config

TRAIN = repository.TESTDATA + "/shapes/train.record"
VAL = repository.TESTDATA + "/shapes/val.record"


def converted(model, **options):
    """The config that a conversion writes, and {code: [finding]}."""
    memory = graphfix.Memory()
    options = graphfix.ConvertOptions(classes="cat,new", target_api="2019-07", **options)
    report = graphfix.convert(model, memory, options)
    found = {}
    for one in report.findings:
        found.setdefault(one.code, []).append(one)
    return memory.files["pipeline.config"].decode(), found


def source(tmp_path, old="", new=""):
    assert old in builders.CONFIG
    config = builders.CONFIG.replace(old, new) if old else builders.CONFIG
    return builders.write_model(tmp_path / "model", config=config % {"classes": 4})


def test_the_number_is_that_of_the_records(tmp_path):
    count = sum(1 for _ in graphfix_records(VAL))
    text, found = converted(source(tmp_path), eval_record=VAL)
    assert f"eval_config {{ num_examples: {count} }}" in text and count != 8
    assert "NUM_EXAMPLES_KEPT" not in found
    assert parse_config(text.encode(), "it").message.eval_config.num_examples == count


def graphfix_records(path):
    from graphfix.formats.tfrecord import read_records

    return read_records(path)


def test_none_is_written_where_none_was(tmp_path):
    model = source(tmp_path, "eval_config { num_examples: 8 }", "eval_config { }")
    text, found = converted(model, eval_record=VAL)
    assert "num_examples" not in text and "NUM_EXAMPLES_KEPT" not in found


@pytest.mark.parametrize("records", ["nowhere.record", __file__])
def test_what_cannot_be_counted_is_told(tmp_path, records):
    text, found = converted(source(tmp_path), eval_record=records)
    (finding,) = found["NUM_EXAMPLES_KEPT"]
    assert "num_examples: 8" in text and "is the source's: 8" in finding.message
    line = 1 + builders.CONFIG[: builders.CONFIG.index("num_examples: 8")].count("\n")
    assert finding.subject == f"eval_config.num_examples (line {line})"


@pytest.mark.parametrize(
    "comment, records, told",
    [
        ("# One of 4 classes.", {}, True),
        ("# A 4-class detector", {}, True),
        ("# Of 14 classes, or 4 cats", {}, False),
        ("# Search for PATH_TO_BE_CONFIGURED", {}, False),
        ("# Search for PATH_TO_BE_CONFIGURED", {"train_record": TRAIN, "eval_record": VAL}, True),
        ("# Tuned by hand.", {"train_record": TRAIN, "eval_record": VAL}, False),
    ],
)
def test_comments_that_are_not_true_any_more(tmp_path, comment, records, told):
    text, found = converted(
        source(tmp_path, "train_config {", comment + "\ntrain_config {"), **records
    )
    assert comment in text
    assert ("COMMENT_STALE" in found) == told
    if told:
        (finding,) = found["COMMENT_STALE"]
        line = text[: text.index(comment)].count("\n") + 1
        assert finding.subject == f"pipeline.config (line {line})"
        assert finding.message.endswith(comment)
