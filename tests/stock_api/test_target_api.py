"""What --target_api means where an API is importable, and where none is."""

import os

import pytest
import repository
import zoo

from graphfix.errors import RequestError, SourceError
from graphfix.pipeline_config import schema_history
from graphfix.pipeline_config.document import parse_config
from graphfix.stock_api import target_api
from graphfix.stock_api.target_api import TargetApi


@pytest.fixture
def installed(monkeypatch):
    """Makes it look as if an API of a month were importable; its files say `schema`."""

    def make(revision, schema=None):
        here = revision and {"revision": revision}
        monkeypatch.setattr(target_api.api_revision, "importable", lambda named: here)
        monkeypatch.setattr(
            target_api.api_revision, "package_directory", lambda named: "/somewhere"
        )
        monkeypatch.setattr(target_api, "read_schema", lambda package, name: schema)

    return make


SCHEMA = schema_history.Schema("its own", {}, {})


def test_without_an_api_auto_is_the_default(installed):
    installed(None)
    found = target_api.find_target_api("auto")
    assert (found.revision, found.schema) == ("2019-07", None)
    assert [one.code for one in found.findings] == ["TARGET_API"]
    assert "default" in found.findings[0].message


def test_auto_is_the_api_here_and_what_it_says_itself(installed):
    installed("2021-06", SCHEMA)
    found = target_api.find_target_api("auto")
    assert (found.revision, found.schema) == ("2021-06", SCHEMA)
    assert [one.code for one in found.findings] == ["TARGET_API"]


def test_its_revision_means_the_api_here_too(installed):
    installed("2021-06", SCHEMA)
    assert target_api.find_target_api("2021-06") == TargetApi("2021-06", SCHEMA, ())


def test_another_revision_is_what_is_known_of_it(installed):
    installed("2021-06", SCHEMA)
    assert target_api.find_target_api("2021-05") == TargetApi("2021-05", None, ())


def test_an_api_that_cannot_be_read_gives_way_to_what_is_known(installed):
    installed("2019-07", None)
    found = target_api.find_target_api("2019-07")
    assert (found.revision, found.schema) == ("2019-07", None)
    assert [one.code for one in found.findings] == ["API_NOT_READ"]


@pytest.mark.parametrize("asked", ["2017-05", "2019", "soon"])
def test_other_words_are_refused(installed, asked):
    installed("2019-07", SCHEMA)
    with pytest.raises(RequestError):
        target_api.find_target_api(asked)


def config_of(path):
    with open(path, "rb") as file:
        return parse_config(file.read(), path)


def of_family(name):
    return config_of(os.path.join(repository.TESTS, "stock", "families", name + ".config"))


# When the API got what each of these needs: facts of its history, not of our tables.
@pytest.mark.parametrize(
    "family, variables, month",
    [
        ("ssd_mobilenet_v1", (), "2019-07"),
        ("ssd_mobilenet_v1_keras", (), "2019-07"),
        ("ssd_mobilenet_v2_fpnlite", (), "2019-07"),
        ("rfcn_resnet101", (), "2019-07"),
        ("ssdlite_mobilenet_v3_small", (), "2019-10"),
        ("ssdlite_mobilenet_edgetpu", (), "2019-11"),
        ("ssdlite_mobiledet_dsp", (), "2020-05"),
        ("ssd_mnasfpn", (), "2020-05"),
        ("context_rcnn_resnet50", (), "2020-05"),
        (
            "context_rcnn_resnet50",
            {"AttentionBlock0_AttentionLayer0/fully_connected/weights"},
            "2020-12",
        ),
        ("ssd_spaghettinet", (), "2021-10"),
    ],
)
def test_without_an_api_a_config_gets_the_first_that_takes_it(installed, family, variables, month):
    installed(None)
    found = target_api.find_target_api("auto", of_family(family), variables)
    assert (found.revision, found.schema, found.assumed) == (month, None, True)
    (told,) = found.findings
    assert ("the first after 2019-07" in told.message) == (month != "2019-07")


def test_a_month_that_is_known_is_not_changed_for_a_config(installed):
    config = of_family("ssdlite_mobilenet_v3_small")
    installed("2019-04", SCHEMA)
    assert target_api.find_target_api("auto", config).revision == "2019-04"
    installed(None)
    assert target_api.find_target_api("2019-04", config).revision == "2019-04"
    assert not target_api.find_target_api("2019-04", config).assumed


@pytest.mark.parametrize("path", zoo.files("**/*.config"))
def test_every_published_config_gets_one_that_takes_it(installed, path):
    installed(None)
    try:
        config = config_of(path)
    except SourceError:
        pytest.skip("is no config of TensorFlow 1")
    month = target_api.find_target_api("auto", config).revision
    assert target_api.obstacles(config, (), month) == ()
    if month != "2019-07":
        before = [one for one in schema_history.months() if "2019-07" <= one < month]
        assert all(target_api.obstacles(config, (), one) for one in before)
