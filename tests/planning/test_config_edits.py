"""What convert makes of a pipeline.config, for every trainer and date."""

import glob
import os

import pytest
import repository
import revision_parser
import thorough
import zoo
from config_plans import CONFIG, NO_RECORDS, message, planned, told

from graphfix.detectors.extractors.loader import extractors
from graphfix.errors import GraphfixError, RequestError
from graphfix.findings import INFO, WARNING
from graphfix.pipeline_config import schema_history
from graphfix.pipeline_config.edits import ConfigEdit

FAMILIES = sorted(glob.glob(os.path.join(repository.FAMILIES, "*.config")))


@pytest.mark.parametrize("path", thorough.sampled(FAMILIES, 6), ids=os.path.basename)
@pytest.mark.parametrize("revision", ["2017-10", "2018-04", "2019-04", "2021-05"])
def test_every_family_is_accepted_or_refused_with_a_remedy(path, revision):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        out, _ = planned(text, revision)
    except RequestError as error:
        assert all(problem.remedy for problem in error.problems)
        return
    found = revision_parser.parse(out, revision)
    body = getattr(found.model, found.model.WhichOneof("model_"))
    assert body.num_classes == 3
    assert found.train_config.fine_tune_checkpoint == "/out/model.ckpt"
    assert found.train_config.from_detection_checkpoint
    if revision == "2018-04":
        assert planned(out, revision)[0] == out


# What a network is made of beside its feature extractor, and the first revision that takes it.
PARTS = (
    ("context_config", "2020-05"),
    ("weight_shared_", "2018-07"),
    ("min_level: 2", "2018-08"),
    ("predict_instance_masks: true", "2018-02"),
    ("use_depthwise: true", "2018-02"),
)


@pytest.mark.parametrize(
    "path",
    thorough.sampled(
        zoo.files("sample_configs/*.config", "*/pipeline.config*", "finetuned/*/*config"), 10
    ),
)
def test_every_published_config_is_accepted_where_its_feature_extractor_is(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    found = message(text)
    kind = getattr(found.model, found.model.WhichOneof("model")).feature_extractor.type
    since, until = extractors()[kind].since, extractors()[kind].gone
    for revision in (
        "2017-06",
        "2017-10",
        "2018-02",
        "2018-04",
        "2018-07",
        "2019-04",
        "2019-07",
        "2021-06",
    ):
        there = (
            since <= revision
            and (until is None or revision < until)
            and not any(words in text and revision < first for words, first in PARTS)
        )
        try:
            revision_parser.parse(planned(text, revision)[0], revision)
            assert there
        except RequestError:
            assert not there


INCEPTION = CONFIG.replace("'ssd_mobilenet_v1'", "'ssd_inception_v2'")


@pytest.mark.parametrize(
    "revision, added", [("2018-03", False), ("2018-04", True), ("2021-05", True)]
)
def test_inception_gets_the_override_that_its_builder_asks_for(revision, added):
    out, findings = planned(INCEPTION, revision)
    line = "override_base_feature_extractor_hyperparams: true"
    assert (line in out) == added
    assert len(told(findings, "FIELD_ADDED")) == added
    assert line not in planned(CONFIG, revision)[0]
    given = INCEPTION.replace(
        "min_depth: 1", "min_depth: 1 override_base_feature_extractor_hyperparams: false"
    )
    assert (line in planned(given, revision)[0]) == added


@pytest.mark.parametrize(
    "kind, revision, remedy",
    [
        ("ssd_mobilenet_v2", "2018-03", "from 2018-04 on"),
        ("ssd_mobilenet_v3_large", "2019-07", "from 2019-10 on"),
        ("ssd_mobilenet_v2_keras", "2018-10", "from 2018-11 on"),
        ("ssd_mobilenet_v2_keras", "2020-05", "from 2018-11 to before 2020-05"),
    ],
)
def test_a_feature_extractor_that_is_not_there_is_refused(kind, revision, remedy):
    with pytest.raises(RequestError) as caught:
        planned(CONFIG.replace("ssd_mobilenet_v1", kind), revision)
    assert remedy in str(caught.value)


def test_an_unknown_feature_extractor_is_told():
    _, findings = planned(CONFIG.replace("ssd_mobilenet_v1", "my_extractor"))
    assert [one.subject for one in told(findings, "UNKNOWN_EXTRACTOR")] == ["my_extractor"]


def test_weight_shared_heads_are_refused_where_their_variables_have_other_names():
    text = CONFIG.replace(
        "convolutional_box_predictor {", "weight_shared_convolutional_box_predictor {"
    )
    text = text.replace("        box_code_size: 4\n", "")
    assert planned(text, "2018-07")
    with pytest.raises(RequestError) as caught:
        planned(text, "2018-06")
    assert "2018-07" in str(caught.value)


def test_reasons_come_together():
    text = CONFIG.replace("ssd_mobilenet_v1", "ssd_mobilenet_v2").replace(
        "min_depth: 1", "min_depth: 1 use_depthwise: true"
    )
    with pytest.raises(RequestError) as caught:
        planned(text, "2017-06", "model_main")
    assert len(caught.value.problems) == 3


def test_an_installed_schema_wins_over_what_is_known_of_its_revision():
    known = schema_history.schema("2019-07")
    messages = {name: dict(fields) for name, fields in known.messages.items()}
    del messages["TrainConfig"]["load_all_detection_checkpoint_vars"]
    messages["TrainConfig"]["mine"] = schema_history.FieldSpec(99, "optional", "bool")
    changed = known._replace(
        messages=messages, name="the API installed here", extractors=frozenset(["ssd_mine"])
    )
    text = CONFIG.replace("ssd_mobilenet_v1", "ssd_mine").replace(
        "train_config {", "train_config {\n  mine: true"
    )
    out, findings = planned(text, schema=changed)
    assert "load_all" not in out and "mine: true" in out
    assert not told(findings, "UNKNOWN_FIELD") and not told(findings, "UNKNOWN_EXTRACTOR")
    with pytest.raises(RequestError) as caught:
        planned(CONFIG, schema=changed)
    assert "the API installed here has no feature extractor ssd_mobilenet_v1" in str(caught.value)


def test_a_field_that_no_api_knows_is_told():
    out, findings = planned(
        CONFIG.replace("train_config {", "train_config {\n  mine: 1\n  mine: 2")
    )
    assert "mine: 1\n  mine: 2" in out
    assert [one.subject.split(":")[1] for one in told(findings, "UNKNOWN_FIELD")] == [
        str(CONFIG[: CONFIG.index("train_config {")].count("\n") + more) for more in (2, 3)
    ]
    assert all("stops at it" in one.message for one in told(findings, "UNKNOWN_FIELD"))


def test_extra_edits_are_made():
    edit = ConfigEdit(
        ("model", "ssd", "box_predictor", "convolutional_box_predictor", "max_depth"),
        "256",
        "the width of the trained layers",
    )
    assert (
        message(
            planned(CONFIG, extra=(edit,))[0]
        ).model.ssd.box_predictor.convolutional_box_predictor.max_depth
        == 256
    )


def test_an_extra_edit_that_the_api_does_not_know_is_refused():
    edit = ConfigEdit(("model", "ssd", "freeze_batchnorm"), "true", "a mistake")
    with pytest.raises(RequestError) as caught:
        planned(CONFIG, "2018-03", extra=(edit,))
    assert "freeze_batchnorm" in str(caught.value)


RECORDS = """
train_input_reader { tf_record_input_reader { input_path: "%s" } label_map_path: "old.pbtxt" }
eval_input_reader { tf_record_input_reader { input_path: "%s" } label_map_path: "old.pbtxt" }
eval_input_reader { tf_record_input_reader { input_path: "%s" } label_map_path: "old.pbtxt" }
"""


@pytest.mark.parametrize("revision, readers", [("2018-08", 1), ("2018-09", 2)])
def test_every_reader_gets_the_label_map_and_the_records(revision, readers):
    text = without_readers(CONFIG) + RECORDS % ("a", "b", "c")
    out, findings = planned(text, revision)
    found = revision_parser.parse(out, revision)
    evaluated = found.eval_input_reader if readers > 1 else [found.eval_input_reader]
    assert [list(one.tf_record_input_reader.input_path) for one in evaluated] == [
        ["/data/val.record"]
    ] * readers
    assert found.train_input_reader.label_map_path == "/out/label_map.pbtxt"
    assert {one.label_map_path for one in evaluated} == {"/out/label_map.pbtxt"}
    assert bool(told(findings, "FIELD_REMOVED")) == (readers == 1)


def test_a_record_replaces_all_the_paths_there_were():
    text = without_readers(CONFIG) + RECORDS % ('a" input_path: "b', "c", "d")
    for revision in ("2017-06", "2019-07"):
        out, findings = planned(text, revision)
        paths = revision_parser.parse(
            out, revision
        ).train_input_reader.tf_record_input_reader.input_path
        assert paths in ("/data/train.record", ["/data/train.record"])
        assert not [one for one in findings if "input_path" in one.subject]


def without_readers(text):
    """A config up to its input readers."""
    return text[: text.index("train_input_reader")]


@pytest.mark.parametrize(
    "path, code, severity",
    [
        ("PATH_TO_BE_CONFIGURED/train.record", "PLACEHOLDER", WARNING),
        ("/PATH_TO_BE_CONFIGURED/train.record", "PLACEHOLDER", WARNING),
        ("/usr/home/username/data/train.record", "PLACEHOLDER", WARNING),
        ("path/to/train.record", "PLACEHOLDER", WARNING),
        ("", "PLACEHOLDER", WARNING),
        ("/home/somebody/train.record", "PATH_KEPT", INFO),
        ("gs://bucket/train-?????-of-00100", "PATH_KEPT", INFO),
    ],
)
def test_paths_that_nobody_gave_are_told(path, code, severity):
    text = without_readers(CONFIG) + RECORDS % (path, "/v", "/w")
    _, findings = planned(text, paths=NO_RECORDS)
    (found,) = [one for one in findings if one.subject.startswith("train_input_reader.")]
    assert (found.code, found.severity) == (code, severity)
    assert "--train_record" in found.remedy and path in found.message
    assert len([one for one in findings if one.subject.startswith("eval_input_reader.")]) == 2
    assert not [one for one in planned(text)[1] if "input_reader" in one.subject]


def test_a_reader_without_records_is_told():
    _, findings = planned(without_readers(CONFIG), paths=NO_RECORDS)
    assert [one.subject for one in told(findings, "PLACEHOLDER")] == [
        "train_input_reader",
        "eval_input_reader",
    ]


def test_other_placeholders_are_told_where_they_stand():
    text = (
        without_readers(CONFIG)
        + RECORDS % ("/a", "/b", "/c")
        + 'eval_config { visualization_export_dir: "PATH_TO_BE_CONFIGURED/x" }\n'
    )
    out, findings = planned(text)
    (found,) = told(findings, "PLACEHOLDER")
    number = int(found.subject.partition("line ")[2].rstrip(")"))
    assert "visualization_export_dir" in out.split("\n")[number - 1]


@pytest.mark.parametrize(
    "revision, trainer, words",
    [
        ("2018-03", "model_main", "model.py fails at dict.itervalues()"),
        ("2018-04", "any", "model_main.py fails at dict.itervalues()"),
        ("2018-04", "legacy", None),
        ("2018-05", "any", None),
        ("2018-09", "any", "google3"),
    ],
)
def test_what_stops_under_python_3_is_told(revision, trainer, words):
    found = told(planned(CONFIG, revision, trainer)[1], "PYTHON_3")
    assert [words in one.message for one in found] == ([True] if words else [])
    assert {one.severity for one in found} <= {INFO}


@pytest.mark.parametrize("revision, told_of", [("2019-07", 1), ("2020-05", 0)])
def test_strides_of_anchors_that_stop_under_python_3_are_told(revision, told_of):
    text = CONFIG.replace(
        "        num_layers: 6\n",
        "        num_layers: 6\n" + 6 * ("        height_stride: 16 width_stride: 16\n"),
    )
    assert len(told(planned(text, revision)[1], "PYTHON_3")) == told_of
    assert not told(planned(CONFIG, revision)[1], "PYTHON_3")


@pytest.mark.parametrize("revision, told_of", [("2019-07", 1), ("2020-05", 0)])
def test_a_mask_head_that_stops_under_python_3_is_told(revision, told_of):
    path = [path for path in FAMILIES if path.endswith("mask_rcnn_upsample.config")]
    if not path:
        pytest.skip("no config of that family")
    with open(path[0], encoding="utf-8") as file:
        text = file.read()
    assert len(told(planned(text, revision)[1], "PYTHON_3")) == told_of


def test_class_ids_and_their_steps_go_where_the_api_knows_neither():
    step = "  data_augmentation_options { remap_labels { original_labels: 1 new_label: %d } }\n"
    text = CONFIG.replace("train_config {\n", "train_config {\n" + step % 1 + step % 3)
    out, _findings = planned(text, "2018-12", new_ids={1: 7})
    revision_parser.parse(out, "2018-12")
    assert "random_horizontal_flip" in out and "remap_labels" not in out
    assert "original_labels: 7" in planned(text, "2019-07", new_ids={1: 7})[0]


def test_nothing_but_a_graphfix_error_comes_of_strange_configs():
    """Blocks where values belong and values of odd kinds, as far as parsing lets them pass."""
    strange = [
        CONFIG + "model { ssd {} }",
        "model { ssd { } }",
        "model { faster_rcnn { } }",
        "model { ssd { loss { } } } train_config { }",
        CONFIG.replace("num_examples: 8", 'metrics_set: "" metrics_set: "a\\"b"'),
        "model { faster_rcnn { } }\neval_input_reader: [{ }, { }]",
    ]
    for text in strange:
        for revision in ("2017-06", "2018-04", "2022-10"):
            try:
                planned(text, revision)
            except GraphfixError as error:
                assert all(problem.remedy for problem in error.problems)
