"""records show: the sheets (Pillow is installed where the stock API is)."""

import io
import json
import os
import random
import re

import numpy as np
import pytest

pytest.importorskip("PIL", reason="Pillow is not installed here")

import annotations
import mutations
import repository
from PIL import Image

from graphfix.cli import command_line
from graphfix.record_sheets import drawing

RECORDS = os.path.join(repository.TESTDATA, "shapes", "val.record")
LABELS = os.path.join(repository.DETECTOR, "shapes_label_map.pbtxt")
BOX = (0.25, 0.25, 0.75, 0.75)


def show(*words):
    return command_line.main(["records", "show", *map(str, words)])


def a_record(path, picture, boxes=(BOX,), **features):
    """A file of one record of 120 x 160 pixels, whose boxes are of class 1."""
    made = annotations.features((120, 160), (), ())
    for number, edge in enumerate(("ymin", "xmin", "ymax", "xmax")):
        made["image/object/bbox/" + edge] = annotations.floats([box[number] for box in boxes])
    made["image/object/class/label"] = annotations.ints([1] * len(boxes))
    made["image/encoded"] = annotations.texts([picture])
    made.update(features)
    path.write_bytes(annotations.record(annotations.example(made)))
    return path


def png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


GREY = png(np.full((120, 160, 3), 128, np.uint8))


def pixels_of(path, colour, near=40):
    """Where a sheet has nearly a colour."""
    wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
    pixels = np.asarray(Image.open(str(path)).convert("RGB")).astype(int)
    return np.abs(pixels - wanted).max(-1) < near


def test_sheets_and_their_page(tmp_path, capsys):
    out = tmp_path / "out"
    words = (RECORDS, "--label_map_path", LABELS, "--output_directory", out, "--pictures", "14")
    assert show(*words) == 0
    assert "14 pictures of 120 records on 2 sheets, 0 with findings" in capsys.readouterr().out
    names = ["index.html", "manifest.json", "sheet-001.jpg", "sheet-002.jpg"]
    assert sorted(os.listdir(str(out))) == names
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "<script" not in page and "triangle" in page
    assert re.findall(r"<img src='([^']*)'", page) == names[2:]
    for name, width, height in re.findall(r"<img src='(\S+)' width='(\d+)' height='(\d+)'", page):
        assert Image.open(str(out / name)).size == (int(width), int(height))
    # Every class that is seen has its colour.
    for label in range(1, 9):
        assert pixels_of(out / names[2], drawing.colour(label)).sum() > 200
    assert show(*words) == 3  # it is there already
    assert show(*words, "--overwrite", "--json") == 0
    assert json.loads(capsys.readouterr().out)["sheets"] == names[2:]


def test_a_box_is_drawn_where_it_is(tmp_path):
    a_record(tmp_path / "x.record", GREY)
    assert show(tmp_path / "x.record", "--output_directory", tmp_path / "out") == 0
    grey = pixels_of(tmp_path / "out" / "sheet-001.jpg", "#808080", 8)
    red = pixels_of(tmp_path / "out" / "sheet-001.jpg", drawing.colour(1))
    rows, columns = (np.flatnonzero(grey.sum(axis) > 60) for axis in (1, 0))
    # The frame: rows and columns that are red for about half of the picture.
    across = np.flatnonzero(red.sum(1) > 0.45 * len(columns))
    down = np.flatnonzero(red.sum(0) > 0.45 * len(rows))
    for found, picture in ((across, rows), (down, columns)):
        for end, part in ((found[0], 0.25), (found[-1], 0.75)):
            place = (end - picture[0]) / float(picture[-1] - picture[0])
            assert abs(place - part) < 0.02, (place, part)


@pytest.mark.parametrize("kind", ["png", "floats"])
def test_a_mask_covers_what_it_says(tmp_path, kind):
    mask = np.zeros((120, 160), np.uint8)
    mask[:, :80] = 1
    values = annotations.texts([png(mask)])
    if kind == "floats":
        values = annotations.floats(mask.ravel().astype(float).tolist())
    a_record(tmp_path / "x.record", GREY, **{"image/object/mask": values})
    assert show(tmp_path / "x.record", "--output_directory", tmp_path / "out") == 0
    grey = pixels_of(tmp_path / "out" / "sheet-001.jpg", "#808080", 8)
    columns = np.flatnonzero(grey.sum(0) > 60)
    width = Image.open(str(tmp_path / "out" / "sheet-001.jpg")).size[0]
    assert columns[0] > width / 2 - 5  # only the right half is still grey


@pytest.mark.parametrize(
    "box, code",
    [
        ((0.2, 0.2, 1.6, 0.9), "BOX_FAR"),
        ((-40.0, 5.0, 60.0, 90.0), "BOX_PIXELS"),
        ((0.8, 0.7, 0.2, 0.1), "BOX_INVERTED"),
        ((float("nan"), 0.7, 0.2, 0.1), "BOX_NO_NUMBER"),
        ((0.5, 0.5, 0.5, 0.5), "BOX_EMPTY"),
    ],
)
def test_boxes_at_fault_are_drawn_too(tmp_path, capsys, box, code):
    a_record(tmp_path / "x.record", GREY, boxes=[BOX, box])
    assert show(tmp_path / "x.record", "--output_directory", tmp_path / "out") == 0
    assert code in capsys.readouterr().out
    assert code in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_names_from_strangers_are_text(tmp_path, capsys):
    name = "<script>\x1b[2Jalert\u202e</script> \u732b"
    texts = {"image/object/class/text": annotations.texts([name.encode()])}
    a_record(tmp_path / "x.record", GREY, **texts)
    words = ("--label_map_path", LABELS, "--output_directory", tmp_path / "out")
    assert show(tmp_path / "x.record", *words) == 0
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "<script" not in page and "\x1b" not in page and "\u202e" not in page
    assert "\u732b" in page


def test_any_picture_gives_a_sheet(tmp_path):
    chance = random.Random(0)
    whole = [GREY, open(RECORDS, "rb").read()[100:4000]]
    records = []
    for _ in range(30):
        picture = mutations.mutate_bytes(chance, chance.choice(whole))
        mask = mutations.mutate_bytes(chance, GREY)
        a_record(tmp_path / "one", picture, **{"image/object/mask": annotations.texts([mask])})
        records.append((tmp_path / "one").read_bytes())
    (tmp_path / "x.record").write_bytes(b"".join(records))
    words = (tmp_path / "x.record", "--output_directory", tmp_path / "out", "--json")
    assert show(*words) == 0
    assert len(os.listdir(str(tmp_path / "out"))) == 5


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda path: path.write_bytes(b""), "has no record"),
        (lambda path: path.write_bytes(b"\x00" * 99), "has no record's header"),
        (lambda path: None, "does not exist"),
    ],
)
def test_what_has_no_pictures_is_refused(tmp_path, capsys, make, said):
    make(tmp_path / "x.record")
    assert show(tmp_path / "x.record", "--output_directory", tmp_path / "out") == 3
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and not told.out
    assert not (tmp_path / "out").exists()


def test_annotations_have_no_pictures(tmp_path, capsys):
    (tmp_path / "x.json").write_text("{}")
    assert show(tmp_path / "x.json", "--output_directory", tmp_path / "out") == 3
    assert "has no pictures" in capsys.readouterr().err
