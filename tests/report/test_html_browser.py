"""report.html as a browser lays it out: nothing is wider than the page."""

import dataclasses
import os
import re
import shutil
import subprocess

import builders
import pytest

import graphfix
from graphfix.findings import Finding
from graphfix.report import html
from graphfix.report.report import (
    Detection,
    Export,
    MapAnchorsChange,
    OutputFigure,
    Outputs,
    Picture,
    Verification,
)

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
WIDTHS = (320, 390, 1200)
LONG = "a" * 150
# The page itself runs no scripts; the one around it measures it, and says so in its title.
AROUND = """<!DOCTYPE html><title>nothing</title>
%s
<script>
onload = () => {
  document.title = Array.from(document.querySelectorAll("iframe"), (frame) => {
    const page = frame.contentDocument.scrollingElement;
    return `${page.clientWidth} ${page.scrollWidth} ${frame.contentDocument.title}`;
  }).join(", ");
};
</script>
"""


@pytest.fixture(scope="module")
def page(model, tmp_path_factory):
    """The page of a report with something of everything, all of it long."""
    top = tmp_path_factory.mktemp("browser")
    labels = builders.write(top, "labels.pbtxt", builders.label_map(["person", LONG, "dog"]))
    report = graphfix.convert(
        model, top / LONG, graphfix.ConvertOptions(label_map_path=labels, target_api="2019-07")
    )
    finding = Finding("SOME_CODE", "warning", f"--{LONG}", f"is {LONG}", f"write {LONG}")
    found = (Detection((0.1, 0.2, 0.3, 0.4), 0.75, 2),)
    report = dataclasses.replace(
        report,
        source=f"/{LONG}",
        plan=dataclasses.replace(report.plan, findings=(finding, *report.plan.findings)),
        verifications=(Verification("2019-07", "legacy", LONG, False, (f"{LONG}: why",)),),
        outputs=(Outputs("2019-07", LONG, LONG, False, (OutputFigure(LONG, 0.1, 1.0),), (LONG,)),),
        pictures=(Picture(f"{LONG}.jpg", "0123456789abcdef.jpg", 320, 200, found, found),),
        anchors=(MapAnchorsChange(((1.0, 2.0),), ((1.0, 2.0), (300.0, 400.0))),),
        exports=(*report.exports, Export("tf2", LONG, problems=(LONG,))),
    )
    text = html.render(report, {"0123456789abcdef.jpg": b""})
    return builders.write(top, "report.html", text.replace("<details", "<details open"))


@pytest.mark.slow
@pytest.mark.skipif(not BROWSER, reason="there is no Chromium")
def test_nothing_is_wider_than_the_page(page, tmp_path):
    frames = [f"<iframe src='file://{page}' width={width} height=800></iframe>" for width in WIDTHS]
    around = builders.write(tmp_path, "around.html", AROUND % "\n".join(frames))
    words = [BROWSER, "--headless=new", "--disable-gpu", "--hide-scrollbars", "--dump-dom"]
    words += ["--allow-file-access-from-files", "--virtual-time-budget=5000"]
    words += [f"--user-data-dir={tmp_path}/profile", f"file://{around}"]
    words += ["--no-sandbox"] if os.geteuid() == 0 else []  # which root cannot have
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    (title,) = re.findall("<title>(.*?)</title>", done.stdout.decode())
    for width, said in zip(WIDTHS, title.split(", ")):
        inside, needed, name = said.split(" ", 2)
        assert name.startswith("graphfix: ") and int(inside) == width, said
        assert int(needed) <= int(inside), f"{said}: wider than a window of {width}"
