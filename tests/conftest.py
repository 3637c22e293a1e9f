"""What tests share.  The modules beside this file (builders, handmade, zoo) are importable from
every test, because pytest puts the directory of a conftest.py on the path."""

import collections
import os

import builders
import pytest
import repository
import thorough

from graphfix.anchor_fitting import search
from graphfix.cli import command_line


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes seconds; `make fast` leaves it to `make test`")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of a test with many cases, `make fast` takes a sample."""
    cases = collections.Counter()
    for item in items:
        test = item.nodeid.partition("[")[0]
        if cases[test] >= thorough.FEW and cases[test] % thorough.SAMPLE:
            item.add_marker(pytest.mark.slow)
        cases[test] += 1


Done = collections.namedtuple("Done", "code out err")


@pytest.fixture(scope="session", autouse=True)
def power_is_not_lost():
    """Writing through to the disk takes longer than most of what is tested here."""
    before, os.fsync = os.fsync, lambda handle: None
    yield
    os.fsync = before


@pytest.fixture(scope="session")
def broken_files():
    """The module that makes the files of testdata/broken: records, images, label maps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(repository.TESTDATA)
        from broken_setups import files

        return files


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A tiny detector's directory: classes as in builders, to be read only."""
    return builders.write_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def briefly(monkeypatch):
    """Only the first shakes of a search for anchors, which take most of its time, where the best is
    not asked for."""
    monkeypatch.setattr(search, "_SHAKES", search._SHAKES[:2])


@pytest.fixture
def graphfix(capsys):
    """Runs a command line in this process: exit code, stdout, stderr."""

    def run(*words):
        capsys.readouterr()
        try:
            code = command_line.main([os.fspath(word) for word in words])
        except SystemExit as stop:
            code = stop.code
        return Done(code, *capsys.readouterr())

    return run
