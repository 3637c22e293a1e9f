"""What `--explain ARGUMENT` reads: a message, a log, stdin."""

import io
import sys

import pytest

from graphfix.doctor.messages import given_text
from graphfix.doctor.messages.explain import explain
from graphfix.errors import RequestError, SourceError

STEP = "ValueError: First step cannot be zero."


def test_a_message_is_itself():
    for text in (STEP, "", "KeyError: 'a.log'", "a\0b", "x" * 5000, "see train.log for more"):
        assert given_text.text_of(text) == text


def test_a_log_is_read(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("INFO:tensorflow:Starting Session.\n" + STEP + "\n")
    assert [one.line for one in explain(given_text.text_of(str(path))).problems] == [2]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-8-sig"])
def test_a_log_as_a_shell_of_windows_writes_it(tmp_path, encoding):
    path = tmp_path / "train.log"
    path.write_bytes(f"INFO:tensorflow:Starting\r\n{STEP}\r\n".encode(encoding))
    assert explain(given_text.text_of(str(path))).messages


def test_any_bytes_are_a_text(tmp_path):
    path = tmp_path / "train.log"
    path.write_bytes(bytes(range(256)) * 20 + b"\n" + STEP.encode())
    assert explain(given_text.text_of(str(path))).messages


@pytest.mark.parametrize("name", ["none.log", "none.txt", "folder"])
def test_what_is_no_log_is_refused(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError) as refused:
        given_text.text_of(str(tmp_path / name))
    assert name in str(refused.value)


def test_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(STEP.encode() + b"\xff")))
    assert explain(given_text.text_of("-")).messages
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(RequestError):
        given_text.text_of("-")


def test_a_log_without_end_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(given_text, "_LIMIT", 100)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 101)))
    with pytest.raises(RequestError, match="more than 100 bytes"):
        given_text.text_of("-")
    path = tmp_path / "train.log"
    path.write_bytes(b"x" * 101)
    with pytest.raises(SourceError):
        given_text.text_of(str(path))
