"""Lists of names as other tools have them, read as the label map they mean."""

import contextlib
import random

import pytest

from graphfix.errors import SourceError
from graphfix.pipeline_config.label_map import parse_classes

ITEMS = "item { id: 1 name: 'cat' }\nitem { id: 3 name: 'dog' }\n"


def read(text, suffix):
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    found = parse_classes(data, "x" + suffix)
    return {label.id: label.name for label in found.labels.labels}, found.listed


@pytest.mark.parametrize("suffix", [".txt", ".names", ".TXT"])
@pytest.mark.parametrize(
    "text, names",
    [
        ("cat\ndog\n", {1: "cat", 2: "dog"}),
        ("\ufeffcat\r\ndog", {1: "cat", 2: "dog"}),
        ("\n  traffic light \ncaf\u00e9\n\n", {1: "traffic light", 2: "caf\u00e9"}),
        ("cat, the animal\ndog\n", {1: "cat, the animal", 2: "dog"}),
        ("background\ncat\ndog", {1: "cat", 2: "dog"}),
        ("__background__\ncat", {1: "cat"}),
        ("???\nperson\n???\ncar", {1: "person", 3: "car"}),
        ("0 cat\n1 dog", {1: "cat", 2: "dog"}),
        ("0  cat\n2: big dog\n", {1: "cat", 3: "big dog"}),
        ("1, cat\n2, dog", {1: "cat", 2: "dog"}),
        ("0 background\n1 cat", {1: "cat"}),
        ("7 up\ncola", {1: "7 up", 2: "cola"}),
        ("3 up\n4 you", {1: "3 up", 2: "4 you"}),
    ],
)
def test_a_name_a_line(text, names, suffix):
    assert read(text, suffix) == (names, True)


@pytest.mark.parametrize("suffix", [".yaml", ".yml"])
@pytest.mark.parametrize(
    "text",
    [
        "nc: 3\nnames: ['person', 'hard hat', \"it's\"]\n",
        "names: [person, hard hat, it's]  # three\nnc: 3",
        "train: ../a/images  # 3 images\nval: x\n\nnames:\n  - person\n  - hard hat\n  - 'it''s'\n",
        "names:\n- person\n- hard hat\n- it's\ndownload: x\n",
        "path: x\nnames:\n  0: person\n  1: hard hat\n  # two\n\n  2: it's\nnc: 3\n",
        "names: {0: person, 1: 'hard hat', 2: \"it's\"}",
        "names: [\n  'person', 'hard hat',\n  \"it's\",\n]\nroboflow:\n  workspace: x\n",
    ],
)
def test_yolos_data_yaml(text, suffix):
    assert read(text, suffix) == ({1: "person", 2: "hard hat", 3: "it's"}, True)


@pytest.mark.parametrize("suffix", [".pbtxt", ".txt", "", ".config"])
def test_a_label_map_is_one_whatever_it_is_called(suffix):
    assert read("# mine\n" + ITEMS, suffix) == ({1: "cat", 3: "dog"}, False)


@pytest.mark.parametrize(
    "text, suffix, words",
    [
        ("", ".txt", "holds no classes"),
        ("\n\n", ".names", "holds no classes"),
        ("???", ".txt", "holds no classes"),
        ("cat\n\ndog", ".txt", "x.txt:2: is empty"),
        ("# classes\ncat", ".txt", "x.txt:1: looks like a comment"),
        ("cat,dog,person", ".txt", "in one line; .* or use classes="),
        ("cat\ndog\ncat", ".txt", "has the name 'cat' twice, for the ids 1 and 3"),
        (b"caf\xe9\ncat", ".txt", "is not UTF-8 text \\(offset 3\\)"),
        ("cat\ndog", ".pbtxt", "x.pbtxt:2"),
        ("nc: 3", ".yaml", "has no `names`"),
        ("names: 3", ".yaml", "that graphfix can read"),
        ("names:\n  a: {0: cat}", ".yaml", "that graphfix can read"),
        ("names: [cat, [dog]]", ".yaml", "that graphfix can read"),
        ("names: [cat, dog", ".yaml", "that graphfix can read"),
        ("names: *other", ".yaml", "that graphfix can read"),
        ("names: [cat, dog]\nnc: 3", ".yaml", "has 2 names, and nc 3"),
        ("names: {0: cat, 0: dog}", ".yaml", "one number twice"),
        ("names:\n  - cat\n  bad line\n", ".yaml", "that graphfix can read"),
        ("names: [cat, cat]", ".yaml", "has the name 'cat' twice"),
    ],
)
def test_what_is_no_list_of_names_is_refused(text, suffix, words):
    with pytest.raises(SourceError, match=words) as caught:
        read(text, suffix)
    assert all(problem.remedy for problem in caught.value.problems)


def test_too_many_are_refused():
    with pytest.raises(SourceError, match="give at most 10000"):
        read("\n".join(map(str, range(2, 20000))), ".txt")


def test_any_text_is_read_or_refused():
    """And soon: nothing in it is searched twice."""
    chooser = random.Random(0)
    pieces = ["names:", "\n", "  - ", "[", "]", "{", "}", "0: ", "'", '"', "cat", ", ", "#", "???"]
    for number in range(3000):
        text = "".join(chooser.choice(pieces) for _ in range(chooser.randrange(12)))
        for suffix in (".yaml", ".txt"):
            try:
                names, _ = read(("names: " if number % 2 else "") + text, suffix)
                assert names and all(names.values())
            except SourceError:
                pass
    blanks, marks = " " * 100000, "# " * 50000
    rows = ["[" + "a" * 100000, "[" + "'a', " * 50000, "[a" + blanks + "{", "[a" + blanks + "\n,b]"]
    rows += ["\n- a" + blanks + ":", "\n-" + blanks, blanks, marks, "[" + "0:" * 50000]
    for text in rows + ["a: " * 50000]:
        for suffix in (".yaml", ".txt"):
            with contextlib.suppress(SourceError):
                read("names: " + text, suffix)
            with contextlib.suppress(SourceError):
                read(text, suffix)
