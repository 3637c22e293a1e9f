"""testdata/broken: every setup is found out for what it is, and --fix cures what it says it cures.

A case is a directory there; testdata/make_broken.py makes them all.
"""

import filecmp
import json
import os

import pytest
import repository
import thorough

from graphfix.doctor import diagnosis
from graphfix.doctor.setup import Options
from graphfix.pipeline_config import schema_history

TOP = repository.TOP
TESTDATA = os.path.join(TOP, "testdata")
BROKEN = os.path.join(TESTDATA, "broken")
NAMES = sorted(os.listdir(BROKEN))


def expected_of(name):
    with open(os.path.join(BROKEN, name, "expected.json")) as file:
        return json.load(file)


FIXABLE = [name for name in NAMES if expected_of(name)["fixable"]]
# What files of the corpus can't be: no git keeps modes of another machine, or half a million files.
ELSEWHERE = {"PATH_UNREADABLE", "PATH_TOO_WIDE"}
CACHE = {}


@pytest.fixture(autouse=True)
def in_testdata(monkeypatch):
    """The corpus's paths start there."""
    monkeypatch.chdir(TESTDATA)


def options(flags=()):
    given = dict(zip(flags[::2], flags[1::2]))
    revision = given.get("--target_api", "2019-07")
    trainer = given.get("--trainer")
    trainers = (trainer,) if trainer else ("model_main", "legacy")
    return Options(
        revision, schema_history.schema(revision), trainers, CACHE, given.get("--model_dir")
    )


def read(name):
    """(path, bytes, expected) of a case."""
    path = f"broken/{name}/pipeline.config"
    with open(path, "rb") as file:
        return path, file.read(), expected_of(name)


@pytest.mark.parametrize("name", thorough.sampled(NAMES, 4))
def test_the_right_finding_is_first(name):
    path, data, expected = read(name)
    found = diagnosis.run_checks(data, path, options(expected["flags"])).findings
    assert found and found[0].code == expected["first"], [str(one) for one in found]


@pytest.mark.parametrize("name", thorough.sampled(FIXABLE, 3))
def test_the_remedy_cures(name):
    path, data, expected = read(name)
    fixed, done, label_maps = diagnosis.fix(data, path, options(expected["flags"]))
    assert expected["first"] in [one.check.code for one in done]
    assert fixed != data or label_maps
    mended = options(expected["flags"])._replace(label_maps=label_maps)
    after = diagnosis.run_checks(fixed, path, mended)
    assert after.trains, [str(one) for one in after.findings]
    assert expected["first"] not in [one.code for one in after.findings]


@pytest.mark.slow
def test_every_check_has_its_case():
    found = set()
    for name in NAMES:
        path, data, expected = read(name)
        found.update(
            one.code
            for one in diagnosis.run_checks(data, path, options(expected["flags"])).findings
        )
    assert found == {check.code for check in diagnosis.CHECKS} - ELSEWHERE


def test_the_base_of_them_all_is_healthy(make_broken):
    from broken_setups.setup import BASE

    found = diagnosis.run_checks(BASE.encode(), "base.config", options())
    assert [one.code for one in found.findings] == ["PATH_RELATIVE"]
    assert found.trains and "all of its 12 heads" in found.start


@pytest.fixture
def make_broken(monkeypatch):
    monkeypatch.syspath_prepend(TESTDATA)
    import make_broken

    return make_broken


def test_they_are_what_the_script_makes(make_broken, tmp_path):
    make_broken.main(str(tmp_path))
    made = sorted(
        os.path.relpath(os.path.join(folder, name), str(tmp_path))
        for folder, _, files in os.walk(str(tmp_path))
        for name in files
    )
    kept = sorted(
        os.path.relpath(os.path.join(folder, name), BROKEN)
        for folder, _, files in os.walk(BROKEN)
        for name in files
    )
    assert made == kept
    # Compressed bytes are the library's; everything else is ours.
    texts = [name for name in made if name.endswith((".config", ".json", ".pbtxt"))]
    assert filecmp.cmpfiles(str(tmp_path), BROKEN, texts, shallow=False)[1:] == ([], [])
    sizes = sum(os.path.getsize(os.path.join(BROKEN, name)) for name in kept)
    assert sizes < 5 << 18
