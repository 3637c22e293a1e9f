"""report.html, read as a browser would: what it shows, and that nothing in it gets loose."""

import base64
import collections
import dataclasses
import html.parser
import re

import builders
import pytest

from graphfix.cli import command_line
from graphfix.findings import Finding
from graphfix.planning.edits import Drop, Rename, Stretch, Widen
from graphfix.report import drawing, sections
from graphfix.report import html as pages
from graphfix.report import report as reports
from graphfix.report.report import Detection, Picture, Verification

NAMES = ["Person", "<script>alert(1)</script>", 'dog" onload="x', "gro\u00df & <i>'klein'"]
VOID = {"meta", "br", "image", "use", "rect"}


class Page(html.parser.HTMLParser):
    """Tags with their attributes, all text, and the text of each kind of element."""

    def __init__(self, text):
        html.parser.HTMLParser.__init__(self, convert_charrefs=True)
        self.tags, self.stack, self.texts = [], [], collections.defaultdict(str)
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        while tag not in VOID and self.stack.pop() != tag:
            pass  # td, tr, th and li may stay open

    def handle_data(self, data):
        for tag in set(self.stack):
            self.texts[tag] += data

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def report(model, tmp_path_factory):
    top = tmp_path_factory.mktemp("html")
    labels = builders.write(
        top,
        "new.pbtxt",
        "".join(
            f"item {{ id: {number} name: '{name}' }}\n"
            for number, name in enumerate([name.replace("'", "\\'") for name in NAMES], 1)
        ),
    )
    out = str(top / "a <b>&c")
    assert (
        command_line.main(
            [
                "convert",
                model,
                "--label_map_path",
                labels,
                "--map",
                NAMES[3] + "=cat+dog",
                "--target_api",
                "2019-07",
                "--output_directory",
                out,
            ]
        )
        == 0
    )
    return reports.load(out)


def test_the_page_stands_alone(report):
    text = pages.render(report)
    page = Page(text)
    assert {tag for tag, _ in page.tags} <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "section",
        "h1",
        "h2",
        "h3",
        "p",
        "ul",
        "li",
        "b",
        "span",
        "div",
        "table",
        "tr",
        "th",
        "td",
        "code",
        "pre",
        "details",
        "summary",
    }
    allowed = {"class", "lang", "charset", "name", "content", "http-equiv"}
    assert {name for _, attributes in page.tags for name in attributes} <= allowed
    (policy,) = [one["content"] for one in page.named("meta") if "http-equiv" in one]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert (
        "url(" not in text
        and "@import" not in text
        and "http" not in text.replace("http-equiv", "")
    )
    assert "prefers-color-scheme: dark" in page.texts["style"]
    assert page.named("meta")[1]["content"].startswith("width=device-width")


def test_names_are_shown_as_they_are(report):
    page = Page(pages.render(report))
    for name in NAMES:
        assert name in page.texts["td"]
    assert "a <b>&c/pipeline.config" in page.texts["pre"]
    odd = dataclasses.replace(report, source="a\udcff<i>")
    assert "a\\udcff<i>" in Page(pages.render(odd).encode("utf-8").decode("utf-8")).texts["code"]


def test_every_class_and_tensor_is_there(report):
    page = Page(pages.render(report))
    rows = re.findall(
        r"<tr><td class=number>(\d+)<td>(.*?)<td><span class='tag (\w+)'>.*?<td>(.*)",
        pages.render(report),
    )
    assert [(number, kind) for number, _, kind, _ in rows] == [
        ("1", "carried"),
        ("2", "new"),
        ("3", "new"),
        ("4", "averaged"),
    ]
    assert re.sub("<.*?>", "", rows[0][3]) == "person (id 4)"
    assert re.sub("<.*?>", "", rows[3][3]) == "cat (id 1) + dog (id 2)"
    assert "Left behind: traffic light (id 3)" in page.texts["p"]
    for edit in report.plan.edits:
        assert edit.tensor in page.texts["code"]
    for one in report.plan.additions:
        assert one.name in page.texts["code"]
    assert "[30]" in page.texts["td"]  # as many classes as before, so as many channels
    assert "ClassPredictor/weights: seeded noise" in page.texts["li"]
    assert "ClassPredictor/biases: initial score 0.01" in page.texts["li"]


@pytest.mark.parametrize(
    "rule, words",
    [
        ("mean", {"ClassPredictor/weights: the mean", "ClassPredictor/biases: the mean"}),
        ("zero", {"ClassPredictor/weights: 0", "ClassPredictor/biases: 0"}),
        ("random", {"ClassPredictor/weights: seeded noise", "ClassPredictor/biases: 0"}),
    ],
)
def test_how_new_channels_start(model, tmp_path, rule, words):
    out = str(tmp_path / "out")
    labels = builders.write(tmp_path, "l.pbtxt", builders.label_map(["cat", "owl", "pet"]))
    assert (
        command_line.main(
            [
                "convert",
                model,
                "--label_map_path",
                labels,
                "--new_rows",
                rule,
                "--map",
                "pet=cat+dog",
                "--output_directory",
                out,
            ]
        )
        == 0
    )
    starts = sections.starting_values(reports.load(out).plan)
    assert {name for name, _ in starts} == {"ClassPredictor/weights", "ClassPredictor/biases"}
    for word in words:
        assert any(f"{name}: {text}".startswith(word) for name, text in starts), starts
    assert sections.starting_values(dataclasses.replace(reports.load(out).plan, classes=())) == ()


def test_tensors_of_every_fate(report):
    edits = (
        Drop("gone/<1>", "why & so"),
        Drop("gone/2", "why & so"),
        Rename("ema/x", "x"),
        Widen("w/min", "w", "min"),
        Stretch("s/max", ((1.0, 2.0),), "max"),
    )
    page = Page(
        pages.render(
            dataclasses.replace(
                report, plan=dataclasses.replace(report.plan, edits=report.plan.edits + edits)
            )
        )
    )
    for words in ("2 dropped: why & so", "1 kept under another name"):
        assert words in page.texts["summary"]
    for name in ("gone/<1>", "gone/2", "x from ema/x", "w/min", "s/max"):
        assert name in page.texts["code"]


def test_the_worst_finding_comes_first(report):
    found = tuple(
        Finding("CODE_" + severity, severity, "s<", "m&", "r>")
        for severity in ("info", "error", "warning")
    )
    text = pages.render(
        dataclasses.replace(report, plan=dataclasses.replace(report.plan, findings=found))
    )
    page = Page(text)
    assert re.findall(r"CODE_\w+", text) == ["CODE_error", "CODE_warning", "CODE_info"]
    assert "class='summary error'" in text and "class='summary '" in pages.render(
        dataclasses.replace(report, plan=dataclasses.replace(report.plan, findings=found[:1]))
    )
    assert "s< m&." in page.texts["p"] and "r>." in page.texts["p"]


def test_what_the_stock_api_did(report):
    text = pages.render(
        report.with_results(
            [
                Verification(
                    "2019-07",
                    "legacy",
                    "stock <API>: restored 198 of 199",
                    False,
                    ("Conv/weights: why",),
                )
            ]
        )
    )
    page = Page(text)
    assert "stock <API>: restored 198 of 199" in page.texts["div"]
    assert "Conv/weights: why" in page.texts["details"]
    assert "class='summary error'" in text and "not complete" in page.texts["span"]


def test_the_config_diff_is_coloured_line_by_line(report):
    lines = re.findall(
        r"<span(?: class=(\w+))?>([^<]*)</span>",
        re.search(r"<pre class=diff>(.*)</pre>", pages.render(report), re.S).group(1),
    )
    assert [html_text(text) for _, text in lines] == [line or " " for line in report.config_diff]
    for kind, text in lines:
        start = text[:1] if not text.startswith(("---", "+++", "@@")) else "@"
        assert kind == {"+": "add", "-": "del", "@": "place"}.get(start, "")
    assert {"add", "del", "place", ""} == {kind for kind, _ in lines}
    nothing = Page(pages.render(dataclasses.replace(report, config_diff=())))
    assert "Nothing changed." in nothing.texts["p"]


def html_text(text):
    return Page(f"<p>{text}</p>").texts["p"]


# Old ids: cat 1, dog 2, traffic light 3, person 4.  New: Person 1 (of 4), 2 and 3 new, 4 of 1 and
# 2.
BEFORE = (
    Detection((0.5, 0.25, 1.0, 0.75), 0.9, 4),
    Detection((0, 0, 0.5, 0.5), 0.8, 3),
    Detection((0, 0, 1, 1), 0.29, 1),
    Detection((0.1, 0.1, 0.2, 0.2), 0.4, 2),
)
AFTER = (
    Detection((0.5, 0.25, 1.0, 0.75), 0.9, 1),
    Detection((0, 0, 0.1, 0.1), 0.99, 2),
    Detection((-0.1, 0.9, 0.5, 1.2), 0.31, 4),
    Detection((0, 0, 1, 1), 0.1, 3),
)


@pytest.fixture
def pictured(report):
    return dataclasses.replace(
        report, pictures=(Picture("<cat>.jpg", "0123456789abcdef.jpg", 200, 100, BEFORE, AFTER),)
    )


def boxes(page):
    """(x, y, width, height, colour) of what is drawn on each side of the only picture."""
    sides = re.findall(r"<svg viewBox='0 0 200 100'.*?</svg>", page, re.S)
    assert len(sides) == 2
    return [
        [
            tuple(map(float, found[:4])) + (found[4],)
            for found in re.findall(
                r"<rect x='([^']*)' y='([^']*)' width='([^']*)' height='([^']*)' fill=none "
                r"stroke='(#\w{6})'",
                side,
            )
        ]
        for side in sides
    ]


def test_detections_are_drawn_where_they_are(pictured):
    before, after = boxes(pages.render(pictured, {"0123456789abcdef.jpg": b"jpeg"}))
    (person,) = [box for box in before if box[:4] == (50, 50, 100, 50)]
    assert [box for box in after if box[:4] == (50, 50, 100, 50)] == [person]
    # What reaches out of the picture is drawn to its edge; scores below the threshold are not.
    assert [box[:4] for box in after] == [(180, 0, 20, 50), (50, 50, 100, 50)]
    assert sorted(box[:4] for box in before) == [
        (0, 0, 100, 50),
        (20, 10, 20, 10),
        (50, 50, 100, 50),
    ]


def test_a_class_has_one_colour_on_both_sides(pictured):
    before, after = drawing.colours(pictured)
    assert before[4] == after[1] and before[1] == before[2] == after[4] and 3 not in before
    assert len(set(after.values())) == 4
    drawn, _ = boxes(pages.render(pictured, {"0123456789abcdef.jpg": b"jpeg"}))
    assert [box[4] for box in drawn if box[:4] == (0, 0, 100, 50)] == [drawing.GREY]


def test_the_picture_is_embedded_once(pictured):
    text = pages.render(pictured, {"0123456789abcdef.jpg": b"\xff\xd8 bytes"})
    page = Page(text)
    (image,) = page.named("image")
    assert base64.b64decode(image["href"].split(",", 1)[1]) == b"\xff\xd8 bytes"
    assert image["href"].startswith("data:image/jpeg;base64,")
    assert [one["href"] for one in page.named("use")] == ["#" + image["id"]] * 2
    labels = page.texts["text"]
    for words in (
        "person 90%",
        "traffic light 80%",
        "dog 40%",
        "Person 90%",
        "gro\u00df & <i>'klein' 31%",
    ):
        assert words in labels
    assert (
        "<cat>.jpg: 3 before, 2 after, and 1 of classes that are not trained yet."
        in page.texts["figcaption"]
    )
    assert "There was no training in between." in page.texts["p"]
    assert f"not drawn: {NAMES[1]}, {NAMES[2]}." in page.texts["p"]
