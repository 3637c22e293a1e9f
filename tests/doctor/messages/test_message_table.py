"""The table of messages: every row is whole, and its own examples get the right answer."""

import re

from graphfix.doctor import diagnosis
from graphfix.doctor.messages.explain import explain
from graphfix.doctor.messages.message_table import LEAST_LITERAL, message_table
from graphfix.doctor.messages.pasted import squeeze

ROWS = message_table()


def answer(text):
    """The row that a text is answered with; one of several causes, too."""
    found = explain(text)
    if found.unknown:
        return found.unknown.row
    return found.messages[0]


def test_its_messages_get_a_rows_answer():
    frame = 'Traceback (most recent call last):\n  File "x.py", line 18, in f\n'
    wrong = []
    for row in ROWS:
        assert row.yes, row.wording
        for text in row.yes:
            wholes = (text,) if row.prose else (text, frame + text)
            wrong += [(row.wording, whole) for whole in wholes if answer(whole) is not row]
    assert not wrong


def test_other_messages_do_not():
    wrong = []
    for row in ROWS:
        for text in row.no:
            found = explain(text)
            rows = [one.row for one in found.problems] + [found.unknown and found.unknown.row]
            if row in rows:
                wrong.append((row.wording, text))
    assert not wrong


def test_wordings_are_those_of_one_row_each():
    wordings = [row.wording for row in ROWS]
    assert len(wordings) == len(set(wordings))


def test_rows_are_whole():
    codes = {check.code for check in diagnosis.CHECKS}
    for row in ROWS:
        assert set(row.codes) <= codes, row.wording
        assert row.phrases or row.lines or row.prose, row.wording
        assert row.cause.endswith((".", ")")) and not row.remedy.endswith("."), row.wording
        for phrase in row.phrases:
            assert len(phrase.literal) >= LEAST_LITERAL, phrase
            re.compile(phrase.pattern)


def test_what_a_check_quotes_leads_to_it():
    """It is answered with a row that names the check, or is part of such a row's messages."""
    for check in diagnosis.CHECKS:
        for quoted in re.findall(r'\("(.+?)"', check.cause):
            leading = [row for row in ROWS if check.code in row.codes]
            texts = [squeeze(text) for row in leading for text in (row.wording,) + row.yes]
            assert any(squeeze(quoted) in text for text in texts) or any(
                check.code in row.codes for row in explain(quoted).messages
            ), (check.code, quoted)
