"""What is taken for a pipeline.config, and what is refused."""

import builders
import pytest
import zoo
from google.protobuf import text_format

from graphfix.errors import SourceError
from graphfix.formats.schema import message_class
from graphfix.pipeline_config.document import parse_config

CONFIG = builders.CONFIG % {"classes": 4}


def refused(data):
    with pytest.raises(SourceError) as caught:
        parse_config(data, "p.config")
    assert all(problem.remedy for problem in caught.value.problems)
    return [(problem.subject, problem.message) for problem in caught.value.problems]


def test_the_text_stays_and_the_message_is_protobufs_own():
    config = parse_config(CONFIG.encode(), "p.config")
    assert config.document.text == CONFIG
    expected = message_class("graphfix.pipeline.TrainEvalPipelineConfig")()
    text_format.Parse(CONFIG, expected)
    assert config.message == expected
    assert config.unknown == ()


@pytest.mark.parametrize("path", zoo.files("*/pipeline.config", "sample_configs/**/*.config"))
def test_published_configs_are_read_as_protobuf_reads_them(path):
    with open(path, "rb") as file:
        data = file.read()
    config = parse_config(data, path)
    expected = message_class("graphfix.pipeline.TrainEvalPipelineConfig")()
    text_format.Parse(data.decode(), expected, allow_unknown_field=bool(config.unknown))
    assert config.message == expected


def test_a_field_that_no_revision_knows_is_carried_and_told():
    text = CONFIG.replace("batch_size: 2", "batch_size: 2\n  of_a_fork: { x: 1 }")
    config = parse_config(text.encode(), "p.config")
    assert config.document.text == text
    (problem,) = config.unknown
    assert problem.subject.startswith("p.config:") and "of_a_fork" in problem.message


def test_a_byte_order_mark_is_left_out():
    assert parse_config(b"\xef\xbb\xbf" + CONFIG.encode(), "p.config").document.text == CONFIG


@pytest.mark.parametrize(
    "data, where, what",
    [
        (b"", "p.config", "has no model block"),
        (b"train_config { }", "p.config", "has no model block"),
        (b"\x08\x96\x01\xff\x00", "p.config", "is not UTF-8 text"),
        (bytes(range(256)), "p.config", ""),
        (b"\x1f\x8b\x08\x00\x00\x00", "p.config", ""),
        (b'{"model": {}}', "p.config:1:1", ""),
        (b"model { ssd { num_classes: 'four' } }", "p.config:1:28", "'num_classes' cannot be"),
        (b"model { ssd { num_classes: 4 num_classes: 3 } }", "p.config:1:30", "may be given once"),
        (b"model { ssd { } faster_rcnn { } }", "p.config:1:17", "excludes 'ssd'"),
        (b"model {\n  ssd {\n", "p.config", ""),
        (
            b'model { }\ntrain_config { fine_tune_checkpoint: "C:\\Users\\me\\model.ckpt" }',
            "p.config:2:",
            "",
        ),
    ],
)
def test_what_is_no_config_is_refused_at_its_place(data, where, what):
    found = refused(data)
    assert found[0][0].startswith(where) and what in found[0][1]


def test_all_faults_are_listed():
    text = (
        CONFIG.replace("num_steps: 1000", "num_steps: many")
        .replace("num_examples: 8", "num_examples: -1")
        .replace("scale: true", "scale: 3")
    )
    assert len(refused(text.encode())) == 3
