"""Text of strangers - names in files, and the files' own - never does anything to a terminal, a
log, a build server or a reader's eye: whatever a verb writes has no control character, and as many
lines as with plain names."""

import io
import json
import os
import re
import shutil
import unicodedata
from xml.etree import ElementTree

import builders
import pytest
import repository
import thorough

from graphfix.batch import batch as batches
from graphfix.formats.graphdef import files
from graphfix.process import console

SHAPES = repository.DETECTOR
# What Unicode calls control characters, separators of lines and paragraphs, surrogates; and what it
# says steers the direction of writing.
STEERING = [
    char
    for char in map(chr, range(0x110000))
    if unicodedata.bidirectional(char)
    in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
] + list("\u200e\u200f\u061c")
CONTROLS = [
    char
    for char in map(chr, range(0x110000))
    if unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs")
] + STEERING
NAMED = "".join(char for char in CONTROLS if not 0xD800 <= ord(char) < 0xE000)
# As it may be in a file's name: no NUL, no /; a byte that is no text.
PATH = NAMED.replace("\0", "") + "\udcff"
FORGED = "\x1b[2K\r\nwarning FORGED: all is well; \u202eevil"
PLAIN, EVIL = "plain", "e" + PATH[:60] + "\n" + "v"
BAD = re.compile(f"[{re.escape(''.join(CONTROLS))}]")


def test_every_such_character_is_escaped():
    for char in CONTROLS:
        shown = console.escaped("a" + char + "b")
        assert not BAD.search(shown) and shown.startswith("a\\") and shown.isascii(), repr(char)
    for char in "a\u00e4\u732b\U0001f600\u0645\u200d'\"\\ ":
        assert console.escaped(char) == char


def test_what_is_not_text_for_the_encoding_is_escaped_once(capsys):
    console.print_result(["\u202e\udcff\n", "b"])
    console.say(["\x1b\n", "b"])
    done = capsys.readouterr()
    assert (done.out, done.err) == ("\\u202e\\udcff\\n\nb\n", "\\x1b\\n\nb\n")


def pair(tmp_path, make):
    """What `make` makes of a directory and a text, for a plain text and an evil one."""
    made = []
    for number, text in enumerate((PLAIN, EVIL)):
        (tmp_path / str(number)).mkdir()
        made.append(make(tmp_path / str(number), text))
    return made


def quoted(text):
    return '"' + "".join(f"\\{byte:03o}" for byte in text.encode("utf-8", "ignore")) + '"'


def raw(text):
    """As it may stand in a text file, on one line."""
    return text.encode("utf-8", "ignore").decode().replace("\n", "").replace("\0", "")


def label_map(top, *names):
    return builders.write(
        top,
        "labels.pbtxt",
        "".join(
            f"item {{ id: {number} name: {quoted(name)} }}\n"
            for number, name in enumerate(names, 1)
        ),
    )


def evil_graph(top, text):
    """A frozen graph with nodes whose names are evil."""
    graph_def = files.read_graph_def(os.path.join(SHAPES, "frozen_inference_graph.pb"))
    graph_def.node.add(op="WriteFile", name=text.encode("utf-8", "ignore").decode())
    shutil.copy(os.path.join(SHAPES, "pipeline.config"), str(top))
    (top / "frozen_inference_graph.pb").write_bytes(files.to_bytes(graph_def))
    return top


def evil_place(top, text):
    """A model's directory of an evil name, with what else is wanted beside it."""
    shutil.copytree(SHAPES, str(top / text))
    return top / text


def of_names(model):
    """Command lines about evil names in files; a function of a directory and a text, each."""

    def inspect(top, text):
        return ["inspect", evil_graph(top, text)]

    def thaw(top, text):
        return ["thaw", evil_graph(top, text), "--output_directory", top / "out"]

    def plan(top, text):
        return ["plan", model, "--label_map_path", label_map(top, "person", text)]

    def convert(top, text):
        return [
            "convert",
            model,
            "--label_map_path",
            label_map(top, "persn" + text, text),
            "--output_directory",
            top / "out",
        ]

    def refused(top, text):
        return [
            "convert",
            model,
            "--label_map_path",
            label_map(top, text, text),
            "--output_directory",
            top / "out",
        ]

    def mapped(top, text):
        return ["plan", model, "--label_map_path", label_map(top, "a"), "--map", "a=" + text]

    def parsed(top, text):
        return [
            "plan",
            model,
            "--label_map_path",
            builders.write(top, "l", f"item {{ id: {raw(text)} }}"),
        ]

    def doctor(top, text):
        return [
            "doctor",
            builders.write(
                top,
                "c",
                (
                    "model { ssd { num_classes: 3 } }\ntrain_config {\n"
                    f"fine_tune_checkpoint: '{raw(text)}' }}"
                ),
            ),
        ]

    def diff(top, text):
        return [
            "diff",
            label_map(top, "a", text),
            builders.write(top, "two.pbtxt", "item { id: 1 name: 'x' }"),
        ]

    def usage(top, text):
        return ["inspect", "x", "--" + text]

    def choice(top, text):
        return ["plan", "x", "--trainer", text]

    return inspect, thaw, plan, convert, refused, mapped, parsed, doctor, diff, usage, choice


def of_paths():
    def inspect(top, text):
        return ["inspect", evil_place(top, text)]

    def missing(top, text):
        return ["inspect", top / text]

    def convert(top, text):
        return ["convert", SHAPES, "--num_classes", "3", "--output_directory", top / text]

    def again(top, text):
        return [
            "convert",
            SHAPES,
            "--num_classes",
            "3",
            "--output_directory",
            evil_place(top, text),
        ]

    def verify(top, text):
        return ["verify", evil_place(top, text)]

    def doctor(top, text):
        return ["doctor", evil_place(top, text) / "pipeline.config"]

    def diff(top, text):
        return ["diff", evil_place(top, text), SHAPES]

    def check(top, text):
        return ["check", SHAPES, "--golden", top / text]

    def update(top, text):
        return ["check", SHAPES, "--golden", top / text, "--update"]

    def anchors(top, text):
        return [
            "anchors",
            "apply",
            SHAPES,
            builders.write(top, "anchors", ("ssd_anchor_generator { num_layers: 6 }")),
            "--output",
            top / text,
        ]

    def batch(top, text):
        os.rename(str(evil_place(top, text)), str(top / "m"))
        return [
            "batch",
            builders.write(
                top,
                "recipe",
                (f"model {{ source: 'm' name: {quoted(text)} target {{ num_classes: 2 }} }}"),
            ),
            "--output_directory",
            top / "out",
        ]

    return inspect, missing, convert, again, verify, doctor, diff, check, update, anchors, batch


# What has nothing to say of the names.
SILENT = ("convert", "convert a path", "diff a path")
# What is a fault of another kind with an evil text than with a plain one, and says more or less.
OTHERS = ("parsed", "doctor")
NAMES = [function.__name__ for function in of_names("")] + [
    function.__name__ + " a path" for function in of_paths()
]


@pytest.mark.parametrize("name", thorough.sampled(NAMES, 6))
def test_no_verb_writes_them(graphfix, model, tmp_path, name):
    functions = {function.__name__ + " a path": function for function in of_paths()}
    functions.update((function.__name__, function) for function in of_names(model))
    words = pair(tmp_path, functions[name])
    plain, evil = [graphfix(*one) for one in words]
    assert plain.code == evil.code
    for before, after in ((plain.out, evil.out), (plain.err, evil.err)):
        assert after.split("\n") == [BAD.sub("", line) for line in after.split("\n")]
        assert after.count("\n") == before.count("\n") or name in OTHERS, (before, after)
    assert "\\x01" in evil.out + evil.err or name in SILENT
    if words[0][0] in ("inspect", "plan", "diff", "doctor") and evil.code < 2:
        done = graphfix(*(words[1] + ["--json"]))
        assert not BAD.search(done.out.replace("\n", "")) and json.loads(done.out)


def test_nor_do_reports(graphfix, model, tmp_path):
    for number, text in enumerate((PLAIN, FORGED + NAMED)):
        top = tmp_path / str(number)
        top.mkdir()
        labels = label_map(top, "person", text)
        assert (
            graphfix(
                "convert",
                model,
                "--label_map_path",
                labels,
                "--train_record",
                "t" + text.replace("\0", ""),
                "--output_directory",
                top / "out",
            ).code
            == 0
        )
        assert graphfix("check", top / "out", "--golden", top / "golden", "--update").code == 0
        label_map(top / "out", "person", text + "2")
        os.rename(str(top / "out" / "labels.pbtxt"), str(top / "out" / "label_map.pbtxt"))
        assert (
            graphfix(
                "check", top / "out", "--golden", top / "golden", "--junit", top / "junit.xml"
            ).code
            == 1
        )
    pages, suites = [], []
    for number in "01":
        pages.append((tmp_path / number / "out" / "report.html").read_text(encoding="utf-8"))
        suites.append((tmp_path / number / "junit.xml").read_text(encoding="utf-8"))
        ElementTree.fromstring(suites[-1])
    for before, after in (pages, suites):
        assert not BAD.search(after.replace("\n", ""))
        assert after.count("\n") == before.count("\n")
        assert "\\u202e" in after


def test_nor_does_progress(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(console.sys, "stderr", terminal)
    with console.one_line() as show:
        show(EVIL)
        show(batches.bar([], 3, [EVIL], 40))
    shown = terminal.getvalue().split("\r\033[K")
    assert shown == ["", console.escaped(EVIL), batches.bar([], 3, [EVIL], 40), ""]
    assert not BAD.search("".join(shown)) and len(shown[2]) == 39


def test_a_json_string_has_no_delete_character(capsys):
    console.print_json(json.dumps({"a": NAMED}))
    out = capsys.readouterr().out
    assert not BAD.search(out[:-1]) and json.loads(out) == {"a": NAMED}
