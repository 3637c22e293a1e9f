"""`graphfix doctor --fix`: the config that it writes, and the label maps beside it."""

import os

import pytest
import repository

from graphfix.pipeline_config.label_map import parse_label_map

TESTDATA = os.path.join(repository.TOP, "testdata")


@pytest.fixture(autouse=True)
def in_testdata(monkeypatch):
    monkeypatch.chdir(TESTDATA)


def config(name):
    return f"broken/{name}/pipeline.config"


def test_fix_writes_what_trains(graphfix, tmp_path):
    out = tmp_path / "fixed.config"
    done = graphfix("doctor", config("detector_taken_for_classifier"), "--fix", out)
    assert done.code == 0
    assert done.out.startswith(f"{out} written, with 1 remedy:\n  RESTORE_KIND")
    with open(config("detector_taken_for_classifier")) as file:
        before = file.read().splitlines()
    added = [line for line in out.read_text().splitlines() if line not in before]
    assert added == ["  from_detection_checkpoint: true"]
    assert graphfix("doctor", out).code == 0


def test_fix_leaves_what_it_cannot_cure(graphfix, tmp_path):
    out = tmp_path / "fixed.config"
    done = graphfix("doctor", config("boxes_in_pixels"), "--fix", out)
    assert done.code == 1 and not out.exists() and "is not written" in done.err


def test_fix_goes_on_behind_the_parser(graphfix, tmp_path):
    # The path that could not be parsed, and then the misspelled field behind it.
    with open(config("typographic_quotes"), encoding="utf-8") as file:
        text = file.read().replace("num_steps: 6000", "num_stepz: 6000")
    (tmp_path / "two.config").write_text(text, encoding="utf-8")
    done = graphfix("doctor", tmp_path / "two.config", "--fix", tmp_path / "out.config")
    assert done.code == 0 and "QUOTES" in done.out and "FIELD_UNKNOWN" in done.out
    assert "num_steps: 6000" in (tmp_path / "out.config").read_text()


def test_fix_writes_whole_or_not_at_all(graphfix, tmp_path):
    done = graphfix("doctor", config("misspelled_field"), "--fix", tmp_path / "none" / "out.config")
    assert done.code == 3 and "cannot be written" in done.err


def test_the_bracket_that_is_too_many(graphfix, tmp_path):
    out = tmp_path / "fixed.config"
    done = graphfix("doctor", config("brace_too_many"), "--fix", out)
    assert done.code == 0 and "remove the closing bracket in line 17" in done.out
    with open(config("rate_stays")) as file:
        assert len(out.read_text().split("}")) == len(file.read().split("}"))


def test_a_bracket_that_may_be_one_of_several(graphfix, tmp_path):
    # Two that are too many: without one, the other still closes what it should not.
    with open(config("brace_too_many")) as file:
        text = file.read()
    path = tmp_path / "two.config"
    path.write_text(text + "}\n")
    done = graphfix("doctor", path, "--fix", tmp_path / "fixed.config")
    assert done.code == 1 and not (tmp_path / "fixed.config").exists()
    assert "remove a closing bracket: this, or one above" in done.out


@pytest.mark.parametrize(
    "case", ["label_map_with_bom", "label_ids_quoted", "label_items", "labels_in_one_item"]
)
def test_a_label_map_is_mended_in_a_copy(graphfix, tmp_path, case):
    theirs = f"broken/{case}/labels.pbtxt"
    with open(theirs, "rb") as file:
        before = file.read()
    out, copy = tmp_path / "fixed.config", tmp_path / "fixed_labels.pbtxt"
    done = graphfix("doctor", config(case), "--fix", out)
    assert done.code == 0, done.out
    assert done.err == (
        f"graphfix: {copy} written, a mended copy of {theirs}, which the config names instead\n"
    )
    with open(theirs, "rb") as file:
        assert file.read() == before
    with open("shapes_detector/shapes_label_map.pbtxt", "rb") as file:
        sound = parse_label_map(file.read(), "sound")
    assert parse_label_map(copy.read_bytes(), "copy") == sound
    assert out.read_text().count(f'label_map_path: "{copy}"') == 2


@pytest.mark.parametrize(
    "text, mended",
    [
        (
            "item: < id: 1, name: 'a', id: 2, name: 'b' >",
            "item: < id: 1, name: 'a', > item < id: 2, name: 'b' >",
        ),
        (
            "item {\n  name: 'a'  # first\n  id: 1\n  name: 'b'\n  id: 2\n}",
            "item {\n  name: 'a'  # first\n  id: 1\n}\nitem {\n  name: 'b'\n  id: 2\n}",
        ),
        # Whose name is which, or that one has none, is not for doctor to say.
        ("item {\n  id: 1\n  id: 2\n  name: 'a'\n  name: 'b'\n}", None),
        ("item {\n  id: 1\n  name: 'a'\n  id: 2\n}", None),
        ("item {\n  id: 1\n  name: 'a'\n  name: 'b'\n  id: 2\n}", None),
    ],
)
def test_classes_that_share_brackets(graphfix, tmp_path, text, mended):
    labels, out = tmp_path / "labels.pbtxt", tmp_path / "fixed.config"
    labels.write_text(text)
    with open(config("labels_in_one_item")) as file:
        theirs = file.read().replace("broken/labels_in_one_item/labels.pbtxt", str(labels))
    (tmp_path / "their.config").write_text(theirs)
    graphfix("doctor", tmp_path / "their.config", "--fix", out)
    copy = tmp_path / "fixed_labels.pbtxt"
    assert (copy.read_text() if copy.exists() else None) == mended


@pytest.mark.slow
def test_no_file_is_replaced_by_a_mended_label_map(graphfix, tmp_path):
    out, copy = tmp_path / "fixed.config", tmp_path / "fixed_labels.pbtxt"
    copy.write_text("mine")
    done = graphfix("doctor", config("label_items"), "--fix", out)
    assert done.code == 3 and f"{copy}: exists" in done.err
    assert copy.read_text() == "mine" and not out.exists()
    assert graphfix("doctor", config("label_items"), "--fix", out, "--overwrite").code == 0
    assert copy.read_text() != "mine"


def test_nothing_is_written_beside_a_link(graphfix, tmp_path):
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.config"
    link.symlink_to(tmp_path / "there" / "fixed.config")
    done = graphfix("doctor", config("label_items"), "--fix", link)
    assert done.code == 1 and "is not written" in done.err
    assert os.listdir(tmp_path) != [] and not os.listdir(tmp_path / "there")


def test_ids_that_would_be_twice_are_left(graphfix, tmp_path):
    out = tmp_path / "fixed.config"
    done = graphfix("doctor", config("label_ids_quoted_twice"), "--fix", out)
    assert done.code == 1 and not out.exists()
