"""A small part of benchmarks/robustness; and that it would see what it looks for."""

import os
import sys

import pytest
import repository

from graphfix.modeldir import ownership
from graphfix.verification import judge, verify

sys.path.insert(0, repository.BENCHMARKS)
from robustness import __main__ as robustness
from robustness.common import convert_words, whole


def options(tmp_path, *more):
    return robustness.flags().parse_args(["--scratch", str(tmp_path)] + [str(one) for one in more])


@pytest.mark.slow
@pytest.mark.parametrize(
    "section, more, least",
    [
        ("archives", ["--flips", 6], 6),
        ("killed_convert", ["--kills", 6], 6),
        ("killed_batch", ["--batch_kills", 2], 2),
        ("concurrency", ["--rounds", 1], 1),
        ("soak", ["--minutes", 0.03], 1),
    ],
)
def test_no_fault(tmp_path, section, more, least):
    rows, faults = robustness.run(section, options(tmp_path, *more))
    assert faults == [] and os.listdir(str(tmp_path)) == []
    text = " ".join(word for _, said in rows for word in said.split(", "))
    count = {
        "archives": "flips",
        "killed_convert": "killed",
        "killed_batch": "killed",
        "concurrency": "rounds",
        "soak": "conversions",
    }[section]
    words = text.split()
    assert int(words[words.index(count) - 1]) >= least, text


@pytest.mark.slow
@pytest.mark.parametrize(
    "section, more",
    [("ownership", ["--directories", 4]), ("tampering", ["--changes", 20, "--harmless", 11])],
)
def test_no_fault_of_random_directories(tmp_path, section, more):
    rows, faults = robustness.run(section, options(tmp_path, *more))
    assert faults == [] and os.listdir(str(tmp_path)) == []
    assert sum(int(word) for _, said in rows for word in said.split() if word.isdigit()) >= 6


@pytest.mark.slow
def test_a_lost_file_would_be_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(ownership, "replacing_problem", lambda *_: None)
    _, faults = robustness.run("ownership", options(tmp_path, "--directories", 8))
    assert any("is None" in one for one in faults)


@pytest.mark.slow
def test_what_verify_passes_would_be_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "judge", lambda *_: judge.Judgement((), 0, None))
    _, faults = robustness.run("tampering", options(tmp_path, "--changes", 20, "--harmless", 0))
    assert len(faults) > 20


def test_a_half_written_output_would_be_seen(tmp_path, model, graphfix):
    out = str(tmp_path / "out")
    assert whole(out) == (False, None)
    words = convert_words(str(tmp_path), out)
    assert graphfix(*words).code == 0
    assert whole(out) == (True, None)
    with open(os.path.join(out, "model.ckpt.data-00000-of-00001"), "r+b") as file:
        file.truncate(1000)
    there, fault = whole(out)
    assert there and "truncated" in fault
    os.remove(os.path.join(out, "plan.json"))
    assert whole(out)[1]


def test_the_page_shows_faults_and_keeps_other_sections():
    text = robustness.section("soak", [("a", "b")], ["x", "y"], 3, "today")
    assert "| a | b |" in text and "2 faults; 3 s, today." in text
    with open(robustness.PAGE, encoding="utf-8") as file:
        page = file.read()
    shown = robustness.sections_of(page)
    assert set(shown) == set(robustness.SECTIONS) and robustness.page(shown) == page
    again = robustness.page(dict(shown, soak=text))
    assert robustness.sections_of(again) == dict(shown, soak=text)
