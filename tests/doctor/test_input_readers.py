"""Settings of the input readers that stop the first batch, and what --fix makes of them."""

import os

import pytest
import repository

from graphfix.doctor import diagnosis
from graphfix.doctor.setup import Options
from graphfix.pipeline_config import schema_history

TESTDATA = os.path.join(repository.TOP, "testdata")
EVAL = "  num_readers: 1\n"
CASES = (
    ("READER_NUMBER", EVAL, "  num_readers: 0\n"),
    ("READER_NUMBER", EVAL, EVAL + "  read_block_length: 0\n"),
    ("READER_NUMBER", "shuffle: false", "shuffle_buffer_size: 0"),
    ("READER_NUMBER", "shuffle: false", "filenames_shuffle_buffer_size: 0"),
    (None, "shuffle: false", "shuffle: false shuffle_buffer_size: 0"),
    ("READER_NUMBER", EVAL, EVAL + "  num_parallel_batches: 0\n"),
    ("READER_NUMBER", EVAL, EVAL + "  num_prefetch_batches: -2\n"),
    (None, EVAL, EVAL + "  num_prefetch_batches: -1\n"),
    ("READER_NUMBER", EVAL, EVAL + "  max_number_of_boxes: -1\n"),
    (None, EVAL, EVAL + "  max_number_of_boxes: 0\n"),
    ("READER_NUMBER", EVAL, EVAL + "  sample_from_datasets_weights: [1, 1]\n"),
    ("READER_NUMBER", EVAL, EVAL + "  sample_from_datasets_weights: 0\n"),
    (None, EVAL, EVAL + "  sample_from_datasets_weights: 1\n"),
    ("READER_UNSUPPORTED", EVAL, EVAL + "  input_type: TF_SEQUENCE_EXAMPLE\n"),
    (None, EVAL, EVAL + "  input_type: TF_EXAMPLE\n"),
    ("READER_LACKS", EVAL, EVAL + "  num_additional_channels: 1\n"),
    ("READER_LACKS", EVAL, EVAL + "  load_context_features: true\n"),
    ("READER_LACKS", "max_number_of_boxes: 8", "use_multiclass_scores: true"),
    ("BATCH_SIZE", "num_examples: 120", "num_examples: 120 batch_size: 0"),
)


@pytest.mark.parametrize("code, old, new", CASES)
def test_a_setting_that_stops_and_its_remedy(monkeypatch, code, old, new):
    monkeypatch.chdir(TESTDATA)
    with open("broken/rate_stays/pipeline.config") as file:
        text = file.read().replace('fine_tune_checkpoint: "shapes_detector/model.ckpt"', "")
    assert text.count(old) == 1
    month = "2021-06"
    options = Options(month, schema_history.schema(month), ("model_main",), {})
    data = text.replace(old, new).encode()
    found = diagnosis.run_checks(data, "pipeline.config", options)
    assert [one.check.code for one in found.results if one.check.severity == "error"] == (
        [code] if code else []
    )
    if code:
        fixed = diagnosis.fix(data, "pipeline.config", options).data
        assert diagnosis.run_checks(fixed, "pipeline.config", options).trains


@pytest.mark.parametrize("loads", [True, False])
def test_a_context_rcnn_needs_a_reader_that_loads_context(loads):
    family = os.path.join(repository.TESTS, "stock", "families", "context_rcnn_resnet50.config")
    reader = f"_input_reader {{ load_context_features: {str(loads).lower()} }}\n"
    with open(family, encoding="utf-8") as file:
        text = file.read() + "train" + reader + "eval" + reader
    month = "2021-06"
    options = Options(month, schema_history.schema(month), ("model_main",), {})
    found = diagnosis.run_checks(text.encode(), "pipeline.config", options).results
    lacking = [one.symptom.subject for one in found if one.check.code == "READER_LACKS"]
    assert len(lacking) == (0 if loads else 2)
