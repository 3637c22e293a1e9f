"""Edits of a pipeline.config by path: what they change, and that they change nothing else."""

import random

import builders
import pytest
from google.protobuf import text_format

from graphfix.formats.schema import message_class
from graphfix.formats.textproto import Document
from graphfix.pipeline_config.edits import ConfigEdit, apply_edits

CONFIG = builders.CONFIG % {"classes": 4}


def edited(text, *edits):
    document = Document.parse(text.encode("utf-8"), subject="pipeline.config")
    return apply_edits(
        document,
        [ConfigEdit(tuple(path.split(".")), literal, "a reason") for path, literal in edits],
    ).text


def changed(before, after):
    """The lines that went and the lines that came."""
    before, after = before.split("\n"), after.split("\n")
    return [line for line in before if line not in after], [
        line for line in after if line not in before
    ]


def message(text):
    found = message_class("graphfix.pipeline.TrainEvalPipelineConfig")()
    text_format.Parse(text, found)
    return found


def test_a_field_is_set_where_it_stands():
    out = edited(CONFIG, ("model.ssd.num_classes", "3"))
    assert changed(CONFIG, out) == (
        ["    num_classes: 4  # how many"],
        ["    num_classes: 3  # how many"],
    )


@pytest.mark.parametrize(
    "text",
    [
        "num_classes: 3",
        "num_classes:3",
        "num_classes :  3",
        "num_classes: 3,",
        "num_classes: 3;",
        "num_classes: # yes\n  3",
    ],
)
def test_setting_what_is_set_changes_no_character(text):
    text = f"model {{ ssd {{ {text} }} }} # end"
    assert edited(text, ("model.ssd.num_classes", "3")) == text


@pytest.mark.parametrize(
    "path, literal",
    [
        ("train_config.from_detection_checkpoint", "true"),
        ("train_config.fine_tune_checkpoint_type", '"detection"'),
        ("eval_config.metrics_set", '"coco_detection_metrics"'),
        ("eval_input_reader[0].num_epochs", "1"),
        ("graph_rewriter.quantization.delay", "48000"),
        ("model.ssd.post_processing.batch_non_max_suppression.score_threshold", "0.5"),
    ],
)
def test_a_missing_field_comes_with_the_blocks_it_needs(path, literal):
    out = edited(CONFIG, (path, literal))
    gone, _ = changed(CONFIG, out)
    assert len(gone) <= 1  # a block on one line, which got longer
    expected = message(CONFIG)
    inner = expected
    *blocks, last = [step.partition("[")[0] for step in path.split(".")]
    for step in blocks:
        inner = getattr(inner, step)
        if hasattr(inner, "add"):
            inner = inner[0]
    text_format.Merge(f"{last}: {literal}", inner)
    assert message(out) == expected
    assert edited(out, (path, literal)) == out


BLOCKS = """\
eval_input_reader { shuffle: true }
# between
eval_input_reader { name: "b"  shuffle: true }  # b
eval_input_reader: [{ name: "c" }, { name: "d" }]
"""


def test_a_number_names_one_block_of_several():
    out = edited(
        BLOCKS,
        ("eval_input_reader[1].shuffle", "false"),
        ("eval_input_reader[3].name", '"D"'),
        ("eval_input_reader.name", '"a"'),
    )
    expected = (
        BLOCKS.replace('"b"  shuffle: true', '"b"  shuffle: false')
        .replace('"d"', '"D"')
        .replace("{ shuffle: true }", '{ shuffle: true name: "a" }', 1)
    )
    assert "".join(out.split()) == "".join(expected.split())


def test_removing_a_field_takes_all_of_its_name_in_that_block():
    out = edited(CONFIG, ("model.ssd.anchor_generator.ssd_anchor_generator.aspect_ratios", None))
    gone, came = changed(CONFIG, out)
    assert len(gone) == 5 and all("aspect_ratios" in line for line in gone) and not came


def test_removing_a_numbered_block_takes_that_one():
    assert edited(BLOCKS, ("eval_input_reader[1]", None)) == BLOCKS.replace(
        'eval_input_reader { name: "b"  shuffle: true }  # b\n', ""
    )
    out = edited(BLOCKS, ("eval_input_reader[1].shuffle", None))
    assert out.split() == BLOCKS.replace('"b"  shuffle: true', '"b"').split()


@pytest.mark.parametrize(
    "path",
    [
        "eval_input_reader[4]",
        "eval_input_reader[9].name",
        "model",
        "model.ssd.num_classes",
        "eval_input_reader.nothing",
    ],
)
def test_removing_what_is_not_there_changes_nothing(path):
    assert edited(BLOCKS, (path, None)) == BLOCKS


def test_edits_follow_each_other():
    out = edited(
        "model { ssd { num_classes: 3 } }",
        ("train_config.batch_size", "1"),
        ("train_config.batch_size", "2"),
        ("model.ssd.num_classes", None),
        ("train_config.num_steps", "7"),
    )
    assert message(out) == message("model { ssd {} } train_config { batch_size: 2 num_steps: 7 }")


def test_windows_line_ends_stay():
    text = CONFIG.replace("\n", "\r\n")
    out = edited(
        text, ("model.ssd.num_classes", "3"), ("train_config.from_detection_checkpoint", "true")
    )
    assert out.count("\r\n") == out.count("\n") == text.count("\n") + 1


@pytest.mark.parametrize("seed", range(20))
def test_any_edits_give_the_message_that_setting_its_fields_gives(seed):
    """Against protobuf's own parser and setters."""
    pick = random.Random(seed)
    choices = [
        ("model.ssd.num_classes", "%d"),
        ("train_config.batch_size", "%d"),
        ("train_config.num_steps", "%d"),
        ("train_config.fine_tune_checkpoint", '"p%d"'),
        ("eval_config.num_examples", "%d"),
        ("eval_input_reader.queue_capacity", "%d"),
        ("train_input_reader.label_map_path", '"l%d"'),
        ("train_config.gradient_clipping_by_norm", "%d"),
        ("model.ssd.image_resizer.fixed_shape_resizer.height", "%d"),
    ]
    edits, expected = [], message(CONFIG)
    for _ in range(8):
        path, form = pick.choice(choices)
        literal = None if pick.random() < 0.25 else form % pick.randrange(100)
        edits.append((path, literal))
        inner = expected
        *blocks, last = path.split(".")
        for step in blocks:
            inner = getattr(inner, step)
            if hasattr(inner, "add"):
                inner = inner[0]
        inner.ClearField(last)
        if literal is not None:
            text_format.Merge(f"{last}: {literal}", inner)
    out = edited(CONFIG, *edits)
    assert message(out) == expected
    comments = [line for line in CONFIG.split("\n") if "#" in line and "num_classes" not in line]
    assert [line for line in out.split("\n") if line in comments] == comments
