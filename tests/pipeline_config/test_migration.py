"""Configs of one revision of the API made those of another; protobuf's parser judges, with the
schema of that revision."""

import math

import pytest
import revision_parser
import thorough
import zoo
from google.protobuf import text_format
from migrations import document, nested, translated

from graphfix.findings import WARNING
from graphfix.pipeline_config import migration_effects, migration_tables, schema_history
from graphfix.pipeline_config.edits import apply_edits
from graphfix.pipeline_config.migration import translate
from graphfix.pipeline_config.schema_violations import violations

REVISIONS = (
    "2017-06",
    "2017-10",
    "2018-02",
    "2018-03",
    "2018-04",
    "2018-07",
    "2018-08",
    "2018-11",
    "2018-12",
    "2019-04",
    "2019-07",
    "2020-05",
    "2022-10",
)
CONFIGS = ("sample_configs/*.config", "*/pipeline.config*", "finetuned/*/*config")


def squeezed(text):
    return " ".join(text.split())


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("path", thorough.sampled(zoo.files(*CONFIGS), 10))
def test_published_configs_in_every_revision(path):
    """Accepted there, or refused for what that revision's parser stops at; nothing else changed."""
    text = read(path)
    for revision in REVISIONS:
        out, found = translated(text, revision)
        if found.problems:
            with pytest.raises(text_format.ParseError):
                revision_parser.parse(text, revision)
            continue
        revision_parser.parse(out, revision)
        check_only_edits(text, out, found.edits)
        assert bool(found.edits) <= bool(found.findings)
        assert translate(document(out), revision, schema_history.schema(revision)).edits == ()


def check_only_edits(text, out, edits):
    """All lines but those of edited fields are there, in order, as they were."""
    lines = text.split("\n")
    names = {edit.path[-1].partition("[")[0] for edit in edits}
    edited = set()
    for _, field in document(text).walk():
        if field.name in names:
            edited.update(range(field.line - 1, field.line + field.raw.count("\n")))
    after = iter(out.split("\n"))
    for number, line in enumerate(lines):
        assert number in edited or line in after  # `in` goes on where the last one was found


def test_every_revision_that_has_a_name_for_it_gets_a_moved_value():
    """The names a value had cover a stretch of time without a hole."""
    for _, names in migration_tables.MOVES:
        fields = [schema_history.field_history(message, path[-1]) for message, path in names]
        for older, newer in zip(fields, fields[1:]):
            assert older.gone == newer.first


@pytest.mark.parametrize(
    "path, inside, revision, first",
    [
        ("model.ssd.feature_extractor", "use_depthwise: true", "2018-01", "2018-02"),
        ("model.ssd.feature_extractor", "use_explicit_padding: true", "2017-12", "2018-02"),
        ("model.ssd.feature_extractor", "fpn { min_level: 2 }", "2018-07", "2018-08"),
        ("model.ssd.feature_extractor", "num_layers: 4", "2019-05", "2019-07"),
        ("model.ssd.feature_extractor.conv_hyperparams", "activation: SWISH", "2019-10", "2020-05"),
        ("model.ssd.feature_extractor.conv_hyperparams", "group_norm { }", "2018-11", "2018-12"),
        ("model.ssd", "add_background_class: false", "2018-10", "2018-11"),
        (
            "model.ssd.box_predictor",
            "weight_shared_convolutional_box_predictor { }",
            "2018-01",
            "2018-02",
        ),
        ("model.ssd.box_coder", "keypoint_box_coder { }", "2017-09", "2017-10"),
        (
            "model.ssd.anchor_generator.ssd_anchor_generator",
            "height_stride: 16",
            "2017-09",
            "2017-10",
        ),
        ("model.ssd.anchor_generator", "flexible_grid_anchor_generator { }", "2019-04", "2019-05"),
        ("model.ssd.image_resizer", "identity_resizer { }", "2019-02", "2019-03"),
        ("model.faster_rcnn", "number_of_stages: 3", "2018-01", "2018-02"),
        ("model.faster_rcnn", "context_config { }", "2020-04", "2020-05"),
        (
            "model.faster_rcnn.second_stage_box_predictor.mask_rcnn_box_predictor",
            "share_box_across_classes: true",
            "2018-04",
            "2018-05",
        ),
    ],
)
def test_what_changes_the_network_is_refused_before_the_revision_that_has_it(
    path, inside, revision, first
):
    text = nested(path, inside)
    (problem,) = translate(document(text), revision, schema_history.schema(revision)).problems
    assert path in problem.message and revision in problem.message
    assert first in problem.remedy
    assert problem.subject.startswith(f"pipeline.config:{path.count('.') + 2}:")
    assert not translated(text, first)[1].edits


def test_every_violation_is_told_at_once():
    text = nested(
        "model.ssd",
        "add_background_class: false mask_head_config { }\n"
        "feature_extractor { use_depthwise: true num_layers: 3 }",
    )
    assert len(translate(document(text), "2017-06", schema_history.schema("2017-06")).problems) == 3


def test_one_of_several_blocks_is_edited_where_it_stands():
    text = """\
train_config {
  data_augmentation_options { random_patch_gaussian {} }  # first
  data_augmentation_options { random_horizontal_flip { probability: 0.2 } }
  data_augmentation_options { autoaugment_image {} }
  data_augmentation_options { random_pad_image { min_image_width: 2.0 } }
  data_augmentation_options { random_jpeg_quality {} }
}
eval_input_reader { shuffle: true }
eval_input_reader { shuffle: false name: "b" }
eval_input_reader { name: "c" }
"""
    out, _ = translated(text, "2018-12")
    assert (
        out
        == """\
train_config {
  data_augmentation_options { random_horizontal_flip { } }
  data_augmentation_options { random_pad_image { min_image_width: 2 } }
}
eval_input_reader { shuffle: true }
eval_input_reader { shuffle: false name: "b" }
eval_input_reader { name: "c" }
"""
    )
    out, _found = translated(text, "2018-08")
    assert out.count("eval_input_reader") == 1 and "shuffle: true" in out
    revision_parser.parse(out, "2018-08")


def test_a_path_that_the_caller_sets_counts_as_given_once():
    text = nested("train_input_reader.tf_record_input_reader", 'input_path: "a" input_path: "b"')
    path = ("train_input_reader", "tf_record_input_reader", "input_path")
    assert translated(text, "2017-06", settled=frozenset([path]))[1][:] == ((), (), ())


COSINE = nested(
    "train_config.optimizer.momentum_optimizer.learning_rate",
    """
cosine_decay_learning_rate {
  learning_rate_base: 0.04 total_steps: 25000 warmup_learning_rate: .013333 warmup_steps: 2000 }""",
)


def test_a_cosine_becomes_stairs_that_stay_near_it():
    out, found = translated(COSINE, "2017-06")
    rate = revision_parser.parse(
        out, "2017-06"
    ).train_config.optimizer.momentum_optimizer.learning_rate
    stairs = rate.manual_step_learning_rate
    assert stairs.initial_learning_rate == pytest.approx(0.013333)
    steps = [0] + [one.step for one in stairs.schedule]
    rates = [stairs.initial_learning_rate] + [one.learning_rate for one in stairs.schedule]
    assert steps == sorted(set(steps))
    for step in range(2000, 25000, 100):
        now = [value for start, value in zip(steps, rates) if start <= step][-1]
        cosine = 0.02 * (1 + math.cos(math.pi * (step - 2000) / 23000))
        assert abs(now - cosine) < 0.04 * 0.11
    assert found.findings[0].severity == WARNING
    assert translated(COSINE, "2017-10")[1].edits == ()


@pytest.mark.parametrize("revision, default", [("2018-02", "50"), ("2018-03", None)])
def test_a_default_that_was_another_one_is_told(revision, default):
    _out, found = translated("train_config { num_steps: 1 }\n", revision)
    told = [one for one in found.findings if one.code == "DEFAULT_DIFFERS"]
    assert [default in one.message for one in told] == ([True] if default else [])
    given = translated("train_config { max_number_of_boxes: 50 }\n", revision)[1]
    assert not given.findings


def test_the_tables_speak_of_fields_there_are():
    everything = schema_history.everything()
    for key in (
        list(migration_effects.EFFECTS)
        + list(migration_tables.STAND_INS)
        + [row[0] for row in migration_tables.EQUIVALENT_VALUES]
        + list(migration_tables.FIRST_ONLY)
    ):
        message, _, name = key.rpartition(".")
        assert everything.field(message, name), key
    for _, _, _, path, message, _, _ in migration_tables.EQUIVALENT_VALUES:
        assert everything.field(message, path[-1])
    for key, (name, fields, _) in migration_tables.STAND_INS.items():
        stand_in = everything.field(key.rpartition(".")[0], name)
        assert all(everything.field(stand_in.type, field) for field in fields)


def test_every_field_of_every_revision_is_translated_removed_or_refused():
    """Each field in a config of its own, in several revisions: never accepted as it is where
    that revision's parser stops at it."""
    count = 0
    for path, field, spec in fields_below("TrainEvalPipelineConfig", (), set()):
        literal = sample(spec)
        text = (
            nested(".".join(path), literal_field(field, literal))
            if path
            else literal_field(field, literal)
        )
        for revision in ("2017-06", "2018-02", "2018-11", "2019-04", "2022-10"):
            found = translate(document(text), revision, schema_history.schema(revision))
            if not found.problems:
                revision_parser.parse(apply_edits(document(text), found.edits).text, revision)
            count += bool(found.problems or found.edits)
    assert count > 1000


def fields_below(message, path, seen):
    for name, spec in sorted(schema_history.everything().messages[message].items()):
        if (message, name) in seen or len(path) > 8:
            continue
        seen.add((message, name))
        yield path, name, spec
        if spec.type in schema_history.everything().messages:
            yield from fields_below(spec.type, path + (name,), seen)


def sample(spec):
    everything = schema_history.everything()
    if spec.type in everything.messages:
        return "{ }"
    if spec.type in everything.enums:
        return everything.enums[spec.type][-1]
    return {"string": '"x"', "bool": "true"}.get(spec.type, "7")


def literal_field(name, literal):
    return f"{name}{'' if literal == '{ }' else ':'} {literal}"


def test_violations_come_in_order_with_paths_that_edits_understand():
    text = """\
train_config {
  data_augmentation_options { random_horizontal_flip {} }
  data_augmentation_options { random_jpeg_quality {} }
}
eval_config { num_examples: 8 batch_size: 1 }
"""
    found = violations(
        document(text), schema_history.schema("2018-03"), schema_history.everything()
    )
    assert [".".join(one.path) for one in found] == [
        "train_config.data_augmentation_options[1].random_jpeg_quality",
        "eval_config.batch_size",
    ]
    assert [one.above[-1] for one in found] == ["PreprocessingStep", "EvalConfig"]
