"""What --target_api means where an API is importable, and where none is."""

import pytest

from graphfix.errors import RequestError
from graphfix.pipeline_config import schema_history
from graphfix.stock_api import target_api


@pytest.fixture
def installed(monkeypatch):
    """Makes it look as if an API of a month were importable; its files say `schema`."""

    def make(revision, schema=None):
        monkeypatch.setattr(target_api.runner, "importable_api", lambda: revision)
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
    assert target_api.find_target_api("2021-06") == ("2021-06", SCHEMA, ())


def test_another_revision_is_what_is_known_of_it(installed):
    installed("2021-06", SCHEMA)
    assert target_api.find_target_api("2021-05") == ("2021-05", None, ())


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
