"""Which kind of model a path means: every kind in the table opens, as the kind it is."""

import os
import shutil
import tarfile

import builders
import pytest
import repository

from graphfix.modeldir.names import CONFIG, FROZEN, SAVED_MODEL
from graphfix.modeldir.openers import OPENERS, open_source

DETECTOR = repository.DETECTOR


@pytest.fixture
def paths(tmp_path):
    """By kind, the paths of one detector that mean a model of this kind."""
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in (FROZEN, CONFIG):
        shutil.copy(os.path.join(DETECTOR, name), str(alone / name))
    saved = tmp_path / "saved"
    builders.write_saved_model(saved, os.path.join(DETECTOR, FROZEN))
    archive = str(tmp_path / "detector.tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(DETECTOR, "detector")
    return {
        "a tar archive of one of the others": [archive],
        "a frozen graph or a SavedModel": [
            str(alone),
            str(alone / FROZEN),
            str(saved),
            str(saved / os.path.basename(SAVED_MODEL)),
        ],
        "a checkpoint": [
            DETECTOR,
            os.path.join(DETECTOR, "model.ckpt"),
            os.path.join(DETECTOR, "model.ckpt.index"),
            os.path.join(DETECTOR, "model.ckpt.data-00000-of-00001"),
        ],
    }


def test_every_kind_opens(paths):
    assert sorted(paths) == sorted(opener.kind for opener in OPENERS)
    for kind, some in paths.items():
        for path in some:
            first = next(opener for opener in OPENERS if opener.find(path) is not None)
            assert first.kind == kind
            opened = open_source(path, config_path=os.path.join(DETECTOR, CONFIG))
            assert (opened.path, opened.model.classes) == (path, 8)
            assert (opened.unpacked is not None) == (kind == OPENERS[0].kind)


def test_what_does_not_exist_is_a_prefix(tmp_path):
    assert OPENERS[-1].find(str(tmp_path / "x")) == str(tmp_path / "x")
    assert not any(opener.find(str(tmp_path / "x")) for opener in OPENERS[:-1])
