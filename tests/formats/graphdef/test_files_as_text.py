"""Graphs that are written as text, and what refuses them."""

import pytest
from google.protobuf import text_format
from handgraphs import Made

from graphfix.errors import SourceError
from graphfix.formats import extents
from graphfix.formats.graphdef import files, kinds


def made():
    return Made().constant("w", (2000,)).node("x", "Neg", "w").message


@pytest.mark.parametrize("before", ["", "# by hand\n\n", "# one\n  # two\n"])
def test_a_graph_as_text(before, tmp_path):
    path = tmp_path / "graph.pbtxt"
    path.write_text(before + text_format.MessageToString(made()))
    file = files.open_frozen(str(path))
    assert file.message == file.whole() == made() and file.graph_defs == [file.message]
    written = extents.joined(files.graph_pieces(file.graph().copy()))
    assert type(file.message).FromString(written) == made()


@pytest.mark.parametrize(
    "text, said",
    [
        ("node { name: 'a' op: 'NoOp' ", "as text: "),
        ("node { nome: 'a' }", 'as text: 1:8.*"nome"'),
        ("node { name: 'a' }", "without a name or an operation"),
        (
            "node { attr { value { func { " + "attr { value { func { " * 2000,
            "as text: nests too deep",
        ),
        ("node { name: '\udcff' op: 'NoOp' }", "as text: is not UTF-8"),
        ("node { name: 'a' op: 'A' } node { name: 'a' op: 'A' }", "several nodes named 'a'"),
    ],
    ids=["end", "field", "no operation", "depth", "letters", "names"],
)
def test_what_is_no_graph_as_text(text, said, tmp_path):
    path = tmp_path / "graph.pbtxt"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert kinds.is_text(str(path))
    with pytest.raises(SourceError, match=said) as error:
        files.open_frozen(str(path)).graph()
    assert len(error.value.problems) == 1 and error.value.problems[0].subject == str(path)


@pytest.mark.parametrize("text", ["item { id: 1 }", "nodes {", "model { ssd {} }", "", "node"])
def test_other_texts(text, tmp_path):
    (tmp_path / "it.pbtxt").write_text(text)
    assert not kinds.is_text(str(tmp_path / "it.pbtxt"))
    assert not kinds.is_text(str(tmp_path / "not there"))
