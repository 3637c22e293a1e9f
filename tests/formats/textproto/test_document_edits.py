"""Every edit at every place of a document: what it says changes by that edit and nothing else."""

import pytest
import zoo
from textproto_cases import DOCUMENTS

from graphfix.formats.textproto import Block, Document


def said(block):
    """What a document says, without how it looks."""
    return [
        (
            field.name,
            field.listed,
            [said(value) if isinstance(value, Block) else value.raw for value in field.values],
        )
        for field in block.fields
    ]


def without(block, gone):
    """What it says without one field."""
    return [
        (
            field.name,
            field.listed,
            [
                without(value, gone) if isinstance(value, Block) else value.raw
                for value in field.values
            ],
        )
        for field in block.fields
        if field is not gone
    ]


def comments(document):
    return [line.partition("#")[2] for line in document.text.splitlines() if "#" in line]


def blocks(document):
    yield document.root
    for _, field in document.walk():
        for value in field.values:
            if isinstance(value, Block):
                yield value


def check(document):
    for _, field in document.walk():
        edited = document.delete(field)
        assert said(edited.root) == without(document.root, field)
        kept = comments(edited)
        behind = document.text[field.end :].split("\n")[0]
        gone = [comment for comment in comments(document) if comment not in kept]
        inside = field.raw + behind
        assert all(comment.strip() in inside for comment in gone)
        if not any(isinstance(value, Block) for value in field.values):
            literal = document.text[field.value_start : field.value_end]
            if "#" not in literal:  # a string in two parts with a comment between
                assert document.replace(field, literal).text == document.text
            edited = document.replace(field, '"new"')
            assert edited.text == (
                document.text[: field.value_start] + '"new"' + document.text[field.value_end :]
            )
    for at, block in enumerate(blocks(document)):
        for after in (None,) + block.fields:
            edited = document.insert(block, "new", [("deep", "1"), ("er", [])], after=after)
            (made,) = [field for _, field in edited.walk() if field.name == "new"]
            assert said(made.values[0]) == [("deep", False, ["1"]), ("er", False, [[]])]
            assert without(edited.root, made) == said(document.root)
            assert comments(edited) == comments(document)
            home = list(blocks(edited))[at]
            if after is not None:
                place = home.fields.index(made) - 1
                assert place == block.fields.index(after)
            else:
                assert home.fields[-1] is made
            line_ends = document.text.count("\n"), document.text.count("\r\n")
            if line_ends[0] and line_ends[0] == line_ends[1]:
                assert edited.text.count("\n") == edited.text.count("\r\n")
            assert edited.delete(made).text.count("\n") >= document.text.count("\n")


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_odd_documents(name):
    check(Document.parse(DOCUMENTS[name], subject="it"))


@pytest.mark.parametrize(
    "path",
    zoo.files(
        "ssd_mobilenet_v1_coco_2018_01_28/pipeline.config", "label_maps/kitti_label_map.pbtxt"
    ),
)
def test_published_documents(path):
    with open(path, "rb") as file:
        check(Document.parse(file.read(), subject=path))


def test_nodes_belong_to_their_document():
    document = Document.parse("a { b: 1 }", subject="it")
    other = Document.parse("a { b: 1 }", subject="it")
    field = document.find(("a", "b"))[0]
    edited = document.replace(field, "2")
    for stranger in (other, edited):
        for edit in (
            lambda: stranger.delete(field),
            lambda: stranger.replace(field, "1"),
            lambda: stranger.replace(field.values[0], "1"),
            lambda: stranger.insert(document.find(("a",))[0].values[0], "x", "1"),
        ):
            with pytest.raises(ValueError, match="another document"):
                edit()


def test_paths():
    document = Document.parse("a { b: 1 b: [2, 3] } a [{ b: 4 }, {}] a: 5 c { b: 6 }", subject="it")
    assert [field.raw for field in document.find(("a", "b"))] == ["b: 1", "b: [2, 3]", "b: 4"]
    assert [value.value for value in document.values(("a", "b"))] == [1, 2, 3, 4]
    assert document.find(("x", "y")) == () == document.find(("a", "b", "c"))
    assert [path for path, _ in document.walk()] == [
        ("a",),
        ("a", "b"),
        ("a", "b"),
        ("a",),
        ("a", "b"),
        ("a",),
        ("c",),
        ("c", "b"),
    ]
    with pytest.raises(TypeError):
        document.find("a")
    with pytest.raises(ValueError):
        document.find(())
