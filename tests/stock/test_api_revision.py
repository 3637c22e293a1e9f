"""api_revision.py: revisions told from the generated protos' text, with made-up installations."""

import os

import pytest

from graphfix.stock_api import api_revision


@pytest.fixture
def install(tmp_path):
    """Makes an `object_detection` whose protos have exactly the marker fields up to a day."""

    def make(until, distributions=(), style="full_name='object_detection.protos.M.%s'"):
        package = tmp_path / "object_detection"
        (package / "protos").mkdir(parents=True)
        for day, stem, field in api_revision.MARKERS:
            with open(str(package / "protos" / (stem + "_pb2.py")), "a") as file:
                file.write((style % field if day <= until else "") + "\n")
        for name in distributions:
            (tmp_path / (name + ".dist-info")).mkdir()
        return str(package)

    return make


def test_markers_are_in_order_and_no_day_is_told_twice():
    days = [day for day, _, _ in api_revision.MARKERS]
    assert days == sorted(set(days))


@pytest.mark.parametrize("until", [day for day, _, _ in api_revision.MARKERS])
def test_every_day_is_told_from_its_neighbours(install, until):
    days = [day for day, _, _ in api_revision.MARKERS] + [None]
    found = api_revision.revision_of(install(until))
    assert (found["revision"], found["since"]) == (until[:7], until)
    assert found["before"] == days[days.index(until) + 1]


def test_a_field_is_found_in_a_serialized_descriptor(install):
    package = install("2019-03-07", style="b'\\n\\x14\\030%s\\x18\\x03 \\x01'")
    assert api_revision.revision_of(package)["revision"] == "2019-03"


def test_a_longer_field_name_is_not_the_marker(install):
    package = install("2019-03-07", style="use_%s_too")
    assert api_revision.revision_of(package) is None


def test_a_distribution_refines_the_interval(install):
    found = api_revision.revision_of(
        install("2019-03-07", ["tensorflow_object_detection_api-0.1.1"])
    )
    assert found["revision"] == "2019-04"
    assert "tensorflow_object_detection_api-0.1.1" in found["determined_by"]


def test_a_distribution_that_the_files_contradict_is_not_believed(install):
    found = api_revision.revision_of(install("2019-03-07", ["tf_object_detection-0.0.3"]))
    assert found["revision"] == "2019-03"


def test_no_api_is_none(tmp_path):
    assert api_revision.revision_of(str(tmp_path)) is None


def test_nothing_beside_the_worker_shadows_another_module():
    """Run by path, the worker puts its directory first on sys.path."""
    here = os.path.dirname(api_revision.__file__)
    names = {name[:-3] for name in os.listdir(here) if name.endswith(".py")} - {"__init__"}
    assert names == {
        "agreement",
        "api_revision",
        "runner",
        "worker",
        "stock_compare",
        "stock_environment",
        "stock_graph",
        "stock_layers",
        "stock_lite",
        "stock_record",
        "stock_scene",
        "stock_tf2",
        "stock_train",
        "stock_detect",
        "target_api",
        "tool_jobs",
    }
