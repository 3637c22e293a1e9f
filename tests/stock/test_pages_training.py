"""The commands of docs/ that need the stock API, Pillow or matplotlib."""

import os
import re
import sys

import pytest
import thorough

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import judging
import pages
import readme


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where pages are run: a directory, the environment, and a detector converted there."""
    directory = tmp_path_factory.mktemp("docs")
    environment = pages.make_sources(directory, judging.convert)
    environment["PATH"] += os.pathsep + os.path.dirname(sys.executable)
    out, records = str(directory / "converted"), directory / "records"
    judging.convert(
        str(directory / (readme.MODEL + ".tar.gz")),
        out,
        "--classes",
        "person,van,forklift",
        "--train_record",
        str(records / "train.record"),
        "--eval_record",
        str(records / "val.record"),
    )
    return directory, environment, out


def ran(name, place):
    """What a page's commands print in the Python of the stock API, and its directory."""
    sources, environment, converted = place
    directory = pages.directory_of(name, sources, converted)
    printed = [
        pages.run(language, body, directory, environment)
        for language, body, _ in pages.blocks(pages.text(name))
        if not pages.elsewhere(body)
    ]
    return "".join(printed), directory


@thorough.only
def test_the_page_about_anchors(place):
    _, directory = ran("howto_anchors.md", place)
    there = os.listdir(os.path.join(directory, "plots"))
    assert {"grid.png", "boxes.png", "coverage.png"} <= set(there)


def test_the_page_about_records(place):
    """Each way makes the same box of the same picture."""
    from graphfix.datasets.tf_example import read_examples

    printed, directory = ran("howto_records.md", place)
    assert "1 class carried" in printed or "2 classes carried" in printed
    assert os.path.exists(os.path.join(directory, "my_sheets", "index.html"))
    found = []
    for name in ("mine.record", "voc.record", "coco_records/coco_train.record-00000-of-00100"):
        (image,) = read_examples(os.path.join(directory, name))
        found.append((len(image.boxes), list(image.classes)))
    assert found == [(1, ["van"])] * 3


def test_the_page_about_doctor(place):
    _, directory = ran("howto_doctor.md", place)
    assert os.path.exists(os.path.join(directory, "sheets", "index.html"))


@thorough.only
def test_the_page_about_fewer_classes(place):
    printed, _ = ran("howto_keep_three.md", place)
    assert printed.count("outputs equal: ") == 2


@thorough.only
def test_the_tutorial(place):
    """All of it: the file that it ends with finds what the detector knew, by its new name."""
    printed, directory = ran("tutorial.md", place)
    assert printed.count("outputs equal: ") == 2
    assert os.path.exists(os.path.join(directory, "tutorial", "exported", "saved_model"))
    found = re.findall(r"^testdata/\S+ (\w+) (\d\.\d\d)", printed, re.M)
    assert re.search(r"(\d+) of \1 detections found alike", printed)
    assert {"donut", "triangle"} <= {name for name, _ in found} <= {"donut", "triangle", "badge"}


def test_what_needs_the_api_is_run_here():
    """Every block that tests/test_pages.py leaves to this module is on a page that it runs."""
    here = {
        "howto_anchors.md",
        "howto_records.md",
        "howto_doctor.md",
        "howto_keep_three.md",
        "tutorial.md",
    }
    needing = {
        name
        for name in pages.PLAYED
        for _, body, _ in pages.blocks(pages.text(name))
        if pages.STOCK.search(body) and not pages.elsewhere(body)
    }
    assert needing == here
