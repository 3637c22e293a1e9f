"""What export tf2 refuses, measured with the refusal lifted: TensorFlow 2 computes something else,
or builds or restores no such model."""

import json

import judged_tf2
import lifted_tf2
import pytest
import tf2_table
import thorough

from graphfix.exporting.raw_outputs import TOLERANCE


@pytest.fixture(scope="module")
def lifted(tf2_python, stock_python, tmp_path_factory):
    top = str(tmp_path_factory.mktemp("lifted"))
    return judged_tf2.lifted(list(lifted_tf2.CASES), top, tf2_python, stock_python("2021"))


def check(title, found):
    wanted = lifted_tf2.CASES[title][-1]
    if wanted == "exact":
        assert found["largest"] < TOLERANCE, found
    elif wanted == "differs":
        assert found["largest"] > 100 * TOLERANCE, found
    else:
        assert wanted in found["error"], found


@thorough.only
@pytest.mark.parametrize("title", lifted_tf2.CASES)
def test_the_refusal_has_a_reason(lifted, title):
    check(title, lifted[title])


def test_the_figures_in_the_docs_are_of_these_refusals():
    with open(tf2_table.FIGURES) as file:
        found = json.load(file)["refused"]
    assert set(found) == {*lifted_tf2.CASES, "quantization, with --drop_quantization"}
    for title in lifted_tf2.CASES:
        check(title, found[title])


@thorough.only
def test_other_families_have_no_class(tf2_python):
    found = judged_tf2.without_a_class(tf2_python)
    assert len(found) > 15
    for kind, errors in found.items():
        assert all("Unknown" in error or "not supported" in error for error in errors), (
            kind,
            errors,
        )


@thorough.only
def test_ranges_that_are_dropped_change_what_is_computed(tf2_python, stock_python, tmp_path):
    found = judged_tf2.quantized(str(tmp_path), tf2_python, stock_python("2021"))
    assert found["largest"] > 100 * TOLERANCE, found
