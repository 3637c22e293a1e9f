"""explain in the noise of logs that a console broke: the same answers, none where none is due."""

import random

import log_noise
import pytest

from graphfix.doctor.messages.explain import explain
from graphfix.doctor.messages.message_table import message_table

# Without those that mean nothing where training goes on, as it does in the noise.
ROWS = [row for row in message_table() if not (row.prose or row.harmless or row.until)]


def disguised(text, generator):
    """A message as it stands in a log that went through a console."""
    before = log_noise.lines(generator, generator.randrange(1, 12))
    after = log_noise.lines(generator, generator.randrange(4))
    whole = "\n".join(before + [text] + after)
    whole = log_noise.broken_into(whole, generator.randrange(60, 121), generator.random() < 0.6)
    if generator.random() < 0.3:
        whole = "\n".join("\x1b[31m" + line + "\x1b[0m" for line in whole.split("\n"))
    if generator.random() < 0.3:
        whole = "\n".join("> " + line for line in whole.split("\n"))
    return whole.replace("\n", "\r\n") if generator.random() < 0.3 else whole


def check(rounds, seed):
    generator = random.Random(seed)
    for row in ROWS:
        for text in row.yes[:1] * rounds + row.yes[1:] * (rounds - 1):
            pasted = disguised(text, generator)
            found = explain(pasted)
            row_found = found.unknown.row if found.unknown else found.messages[0]
            assert row_found is row, (row.wording, pasted)


def test_known_messages_are_known_in_noise():
    check(1, 11)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_known_messages_are_known_in_noise_at_length(seed):
    check(12, 100 + seed)


def test_no_line_of_a_healthy_log_is_explained():
    for line in log_noise.every_template():
        assert explain(line).problems == (), line


def test_a_healthy_log_has_no_problems():
    generator = random.Random(5)
    text = "\n".join(log_noise.lines(generator, 500))
    for width in (None, 60, 80, 120):
        pasted = log_noise.broken_into(text, width, True) if width else text
        assert explain(pasted).problems == ()


@pytest.mark.slow
def test_unrelated_lines_have_no_meaning():
    generator = random.Random(6)
    for _ in range(5000):
        text = "\n".join(log_noise.lines(generator, generator.randrange(1, 5)))
        assert explain(text).problems == (), text
