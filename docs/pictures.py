#!/usr/bin/env python3
"""Makes the pictures in docs/ that show what graphfix draws: `make pictures`.

    PYTHONPATH=. python docs/pictures.py

Takes what `make demo` left in demo-output/, and testdata/.  Needs Pillow and matplotlib; that
of the report needs Chromium, too, and is left as it is without.  The plots of
docs/transfer.md are benchmarks/transfer's, the diagram of docs/tutorial.md is drawn by hand.
"""

import glob
import io
import os
import shutil
import subprocess
import sys
import tempfile

from PIL import Image, ImageDraw, ImageFont

from graphfix.report import drawing
from graphfix.report.report import load

HERE = os.path.dirname(os.path.abspath(__file__))
TESTDATA = os.path.join(os.path.dirname(HERE), "testdata")
DETECTOR = os.path.join(TESTDATA, "shapes_detector")
RECORD = os.path.join(TESTDATA, "shapes", "train.record")
DEMO = os.path.join("demo-output", "converted")
# The width of a picture in demo.png, the space around it, and what is written: in pixels.
SIDE, GAP, TEXT = 232, 10, 15
WIDEST = 900  # of the others
SCREEN = (900, 1000)
INK = "#263238"


def font(size):
    """DejaVu Sans, which matplotlib brings."""
    import matplotlib

    return ImageFont.truetype(
        os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size
    )


def demo(path):
    """The demo's pictures in two rows, with what the two models find, as the report shows them."""
    report = load(DEMO)
    contents = {}
    for one in report.pictures:
        with open(os.path.join(DEMO, "pictures", one.file), "rb") as file:
            contents[one.file] = file.read()
    drawn = drawing.draw_pictures(report, contents)
    across, step = len(drawn), SIDE + GAP
    # Each row has a line of text above it.
    high = TEXT + 2 * GAP
    sheet = Image.new("RGB", (GAP + across * step, 2 * (high + SIDE + GAP)), "white")
    for row, name in enumerate(("Before: eight shapes", "After: donut, triangle and arrow (new)")):
        top = row * (high + SIDE + GAP)
        ImageDraw.Draw(sheet).text((GAP, top + GAP), name, INK, font(TEXT))
        for column, (one, picture) in enumerate(zip(drawn, report.pictures)):
            place = (GAP + column * step, top + high)
            sheet.paste(detections(one, contents[picture.file], row), place)
    save(sheet, path)


def detections(one, jpeg, side):
    """A picture of a report with the boxes of one side, SIDE pixels wide."""
    image = Image.open(io.BytesIO(jpeg)).convert("RGB").resize((SIDE, SIDE), Image.BICUBIC)
    scale, draw = SIDE / one.width, ImageDraw.Draw(image)
    for box in one.sides[side].boxes:
        draw.rectangle(edges(box, scale), outline=box.colour, width=3)
    for label in one.sides[side].labels:
        x, y, *_ = edges(label.box, scale)
        word = font(TEXT - 2).getsize(label.text)
        x = min(x, SIDE - word[0] - 4)
        draw.rectangle((x, y, x + word[0] + 4, y + word[1] + 3), fill=label.box.colour)
        draw.text((x + 2, y), label.text, "black", font(TEXT - 2))
    return image


def edges(box, scale):
    x, y, width, height = (float(one) * scale for one in (box.x, box.y, box.width, box.height))
    return [x, y, x + width, y + height]


def save(image, path):
    """A small PNG: few colours are enough."""
    if image.width > WIDEST + 100:
        image = image.resize((WIDEST, image.height * WIDEST // image.width), Image.LANCZOS)
    image.convert("RGB").quantize(128).save(path, optimize=True)
    print(f"{path}: {image.width} x {image.height}, {os.path.getsize(path)} bytes")


def graphfix(*words):
    subprocess.run([sys.executable, "-m", "graphfix", *words, "--quiet"], check=True)


def report(chromium, directory, path):
    """The first screen of the demo's report."""
    shot = os.path.join(directory, "shot.png")
    page = "file://" + os.path.abspath(os.path.join(DEMO, "report.html"))
    flags = ["--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu"]
    flags += [f"--user-data-dir={directory}/profile", "--window-size={},{}".format(*SCREEN)]
    command = [chromium, *flags, f"--screenshot={shot}", page]
    # It complains of a desktop that is not there.
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    save(Image.open(shot), path)


def main():
    if not os.path.isdir(DEMO):
        sys.exit(f"{DEMO} is not there; make it with `make demo`")
    demo(os.path.join(HERE, "demo.png"))
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as directory:
        plots, sheets = os.path.join(directory, "plots"), os.path.join(directory, "sheets")
        graphfix("anchors", "show", DETECTOR, "--train_record", RECORD, "-o", plots)
        save(Image.open(os.path.join(plots, "boxes.png")), os.path.join(HERE, "anchors_boxes.png"))
        labels = os.path.join(DETECTOR, "shapes_label_map.pbtxt")
        most = ("--pictures", "12")
        graphfix("records", "show", RECORD, "--label_map_path", labels, *most, "-o", sheets)
        (sheet,) = glob.glob(os.path.join(sheets, "sheet-*.jpg"))
        save(Image.open(sheet), os.path.join(HERE, "contact_sheet.png"))
        if chromium:
            report(chromium, directory, os.path.join(HERE, "report.png"))
        else:
            print("Chromium is not on PATH: report.png stays as it is")


if __name__ == "__main__":
    main()
