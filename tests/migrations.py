"""Configs translated to another revision of the API, and what they must be then."""

import revision_parser
from google.protobuf import text_format

from graphfix.findings import INFO
from graphfix.formats.textproto import Document
from graphfix.pipeline_config import schema_history
from graphfix.pipeline_config.edits import apply_edits
from graphfix.pipeline_config.migration import translate


def document(text):
    return Document.parse(text.encode("utf-8"), subject="pipeline.config")


def translated(text, revision, **more):
    """The text after its translation, and the translation."""
    found = translate(document(text), revision, schema_history.schema(revision), **more)
    return apply_edits(document(text), found.edits).text, found


def nested(path, inside):
    """A config with something in the block at a dotted path."""
    for name in reversed(path.split(".")):
        inside = f"{name} {{\n{inside}\n}}"
    return inside + "\n"


def check_translation(path, before, revision, after, code, severity):
    """Translates a block's text, and asserts what it becomes and what is said about it."""
    text = nested(path, before)
    out, found = translated(text, revision)
    revision_parser.parse(out, revision)
    with_everything = revision_parser.message_class(revision)()
    # What came out says what was expected: as messages, so that blanks do not count.
    expected = "" if after is None else nested(path, after)
    assert revision_parser.parse(out, revision) == text_format.Parse(expected, with_everything)
    (finding,) = {
        (one.code, one.severity) for one in found.findings if one.code != "DEFAULT_DIFFERS"
    }
    assert finding == (code, severity)
    assert not found.problems
    if code == "FIELD_TRANSLATED" or severity == INFO:
        assert all(one.remedy for one in found.findings)
