"""What each revision of the API accepts: dates, fields, enum values."""

import datetime

import pytest

from graphfix.errors import RequestError
from graphfix.formats.schema import message_class
from graphfix.pipeline_config import schema_history

PIPELINE = "graphfix.pipeline."


@pytest.mark.parametrize(
    "message, field, first, last_before",
    [
        # From the API's own history; the month before the first does not know the field.
        ("TrainConfig", "load_all_detection_checkpoint_vars", "2018-02", "2018-01"),
        ("TrainConfig", "fine_tune_checkpoint_type", "2018-03", "2018-02"),
        (
            "SsdFeatureExtractor",
            "override_base_feature_extractor_hyperparams",
            "2018-04",
            "2018-03",
        ),
        ("InputReader", "sample_1_of_n_examples", "2018-09", "2018-08"),
        ("Ssd", "add_background_class", "2018-11", "2018-10"),
        ("TrainEvalPipelineConfig", "graph_rewriter", "2018-05", "2018-04"),
    ],
)
def test_a_field_is_known_from_its_month_on(message, field, first, last_before):
    assert schema_history.accepts(message, field, first)
    assert schema_history.accepts(message, field, "2022-10")
    assert schema_history.accepts(message, field, last_before) is None
    assert schema_history.first_seen(message, field).strftime("%Y-%m") == first


def test_a_field_that_went_is_known_no_more():
    assert schema_history.accepts("SsdFeatureExtractor", "batch_norm_trainable", "2018-03")
    assert schema_history.accepts("SsdFeatureExtractor", "batch_norm_trainable", "2018-04") is None
    assert schema_history.gone("SsdFeatureExtractor", "batch_norm_trainable") == datetime.date(
        2018, 4, 16
    )
    assert schema_history.accepts("FasterRcnnFeatureExtractor", "batch_norm_trainable", "2022-10")


def test_what_never_was_is_never_known():
    assert schema_history.accepts("TrainConfig", "no_such_field", "2019-07") is None
    assert schema_history.accepts("NoSuchMessage", "batch_size", "2019-07") is None
    assert schema_history.first_seen("TrainConfig", "no_such_field") is None
    assert schema_history.gone("TrainConfig", "batch_size") is None
    assert schema_history.enum_values("NoSuchEnum", "2019-07") == ()


def test_a_month_means_its_last_revision():
    known = schema_history.revisions()
    assert list(known) == sorted(known) and known[0] == datetime.date(2017, 6, 14)
    assert schema_history.revision_for("2017-06") == datetime.date(2017, 6, 14)
    assert schema_history.revision_for("2022-10") == known[-1]
    for revision in ("2018-02", "2019-07", "2020-12"):
        found = schema_history.revision_for(revision)
        assert found.strftime("%Y-%m") <= revision
        assert not [one for one in known if found < one and one.strftime("%Y-%m") <= revision]
    assert schema_history.revision_for(datetime.date(2018, 2, 8)) < datetime.date(2018, 2, 9)
    assert schema_history.revision_for(datetime.date(2018, 2, 9)) == datetime.date(2018, 2, 9)


@pytest.mark.parametrize(
    "revision",
    [
        "2017-05",
        "2022-11",
        "2019-13",
        "2019-00",
        "2019-7",
        "2019",
        "2019-07-15",
        "",
        "auto",
        "0000-01",
        "2019-07\n",
        "\u0662\u0660\u0661\u0669-07",
    ],
)
def test_no_other_date_is_taken(revision):
    with pytest.raises(RequestError) as caught:
        schema_history.revision_for(revision)
    assert caught.value.problems[0].remedy


def test_the_history_and_the_schema_have_the_same_fields():
    """The schema that configs are read with is the union of all revisions; both are generated."""
    pending = [message_class(PIPELINE + "TrainEvalPipelineConfig").DESCRIPTOR]
    seen = {}
    while pending:
        descriptor = pending.pop()
        name = descriptor.full_name[len(PIPELINE) :]
        if name in seen:
            continue
        seen[name] = {field.name: field.number for field in descriptor.fields}
        pending += [field.message_type for field in descriptor.fields if field.message_type]
    messages = schema_history.history().messages
    for name, numbers in seen.items():
        assert set(numbers) == set(messages[name]), name
        for field in messages[name].values():
            # Where two fields had one number at different times, one has a number of its own.
            assert (
                numbers[field.name] in [spec.number for _, spec in field.specs]
                or numbers[field.name] > 10000
            )
    assert sum(map(len, seen.values())) > 700
