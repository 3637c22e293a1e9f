"""docs/troubleshooting.md is what the tables say."""

import os

import repository

from graphfix.doctor import manual
from graphfix.doctor.diagnosis import CHECKS

PATH = os.path.join(repository.TOP, "docs", "troubleshooting.md")


def test_it_is_current():
    with open(PATH, encoding="utf-8") as file:
        assert file.read() == manual.text(), (
            "run: python -m graphfix.doctor.manual > docs/troubleshooting.md"
        )


def test_it_has_every_check_once():
    codes = [check.code for check in CHECKS]
    assert len(codes) == len(set(codes))
    for code in codes:
        assert manual.text().count(f"### {code}\n") == 1
