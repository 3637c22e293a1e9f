"""Taking apart what a user pastes."""

import itertools

import log_noise
import pytest

from graphfix.doctor.messages.pasted import Pasted, decode, squeeze

TRACEBACK = """\
I1031 21:56:07.055561 12308 supervisor.py:1099] global_step/sec: 0
Traceback (most recent call last):
  File "model_main.py", line 109, in <module>
    tf.app.run()
tensorflow.python.framework.errors_impl.InvalidArgumentError: 2 root error(s) found.
  (0) Invalid argument: Paddings must be non-negative: 0 -12
\t [[{{node Pad_8}}]]
\t [[Node: batch = QueueEnqueueV2[Tcomponents=[DT_STRING, DT_INT32],
timeout_ms=-1](x, y)]]
2020-05-26 10:11:12.123: W tensorflow/core/framework/op_kernel.cc:1401] OP_REQUIRES failed
My own words"""


def kinds(text):
    return [line.kind for line in Pasted(text).lines]


def test_kinds_of_lines():
    assert kinds(TRACEBACK) == (
        "log mark frame source exception exception node node node log plain".split()
    )


def test_what_is_searched_has_no_code_no_nodes_and_no_prefixes():
    squeezed = Pasted(TRACEBACK).squeezed
    assert squeezed.startswith("global_step/sec:0tensorflow.python.framework")
    for hidden in ("tf.app.run", "queueenqueue", "timeout_ms", "supervisor.py", "op_kernel.cc"):
        assert hidden not in squeezed
    assert hidden not in Pasted(TRACEBACK).squeezed
    assert "timeout_ms" in Pasted(TRACEBACK).around(6)


@pytest.mark.parametrize(
    "line, level, left",
    [
        ("I1031 21:56:07.055561 12308 supervisor.py:1099] x", "I", "x"),
        ("2020-05-26 10:11:12.1 W tensorflow/stream/dso_loader.cc:55] x", "W", "x"),
        ("2020-05-26 10:11:12.1: E tensorflow/stream/dso_loader.cc:55] x", "E", "x"),
        ("F tensorflow/lite/toco/tooling_util.cc:1702] x", "F", "x"),
        ("W1129 21:40:57.494643 WARNING:root:x", "W", "x"),
        ("WARNING:tensorflow:x", "W", "x"),
        ("ERROR:root:x", "E", "x"),
        ("2020-05-26T10:11:12.123Z stdout F INFO:tensorflow:x", "I", "x"),
        ("trainer_1  | INFO:tensorflow:x", "I", "x"),
        ("ValueError: x", "", "ValueError: x"),
        ("In my opinion: x", "", "In my opinion: x"),
    ],
)
def test_prefixes_of_logs(line, level, left):
    (found,) = Pasted(line).lines
    assert (found.level, found.text) == (level, left)


def test_exceptions():
    for text, name in (
        ("ValueError: x", "ValueError"),
        ("tensorflow.python.framework.errors_impl.NotFoundError: x", "NotFoundError"),
        ("InvalidArgumentError (see above for traceback): x", "InvalidArgumentError"),
        ("cv2.error: x", "error"),
        ("AssertionError", "AssertionError"),
        ("    ValueError: x", "ValueError"),
        ("> ValueError: x", "ValueError"),
        ("\x1b[1;31mValueError\x1b[0m: x", "ValueError"),
    ):
        assert Pasted(text).last.type == name, text
    assert Pasted("error: a plain one").last is None
    assert Pasted("I had a ValueError: why?").last is None


def test_line_numbers_are_those_of_the_text():
    pasted = Pasted("a\r\nb\rc\nValueError: x")
    assert pasted.last.line == 4
    assert pasted.line_at(pasted.last.start).number == 4


def test_every_position_has_its_line():
    pasted = Pasted(TRACEBACK)
    for line in pasted.lines:
        if line.kind in ("exception", "log", "plain"):
            assert pasted.line_at(pasted.position(line)) == line


def test_breaking_lines_does_not_change_what_is_searched():
    text = "ValueError: one long message, that goes on `and on`\u200b, beyond any console's width"
    for width in range(20, 60):
        for in_mid_word in (True, False):
            assert Pasted(log_noise.broken_into(text, width, in_mid_word)).squeezed == squeeze(text)


def test_quoted_and_indented_texts():
    text = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    y()\nValueError: x'
    for change in (
        lambda line: "> " + line,
        lambda line: "> > " + line,
        lambda line: "    " + line,
        lambda line: "\t" + line,
    ):
        changed = "\n".join(map(change, text.split("\n")))
        assert kinds(changed) == kinds(text)


def test_any_text_of_few_characters_ends():
    # A log of nothing but spaces once never did.
    for size in range(5):
        for letters in itertools.product(" >\n\ta[", repeat=size):
            text = "".join(letters)
            assert Pasted(text).squeezed == squeeze(Pasted(text).squeezed), repr(text)
    assert not Pasted(" " * 9 + "\n").squeezed
    assert Pasted(">" * 200_000).lines


def test_prose():
    assert Pasted("my mAP is 0\nwhy?").is_prose
    assert not Pasted("my mAP is 0\nValueError: x").is_prose
    assert not Pasted("INFO:tensorflow:mAP = 0").is_prose


def test_decode():
    for encoding in ("utf-8", "utf-16", "utf-16-le"):
        assert "Größe 0" in decode("Größe 0 und mehr davon".encode(encoding))
    assert decode(b"\xff\xfa") and decode(b"") == ""
