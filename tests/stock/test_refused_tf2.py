"""What export tf2 refuses, measured with the refusal lifted: TensorFlow 2 computes something else,
or builds or restores no such model."""

import judged_tf2
import lifted_tf2
import pytest
import thorough

from graphfix.exporting.tf2.trial import TOLERANCE


@thorough.only
@pytest.mark.parametrize("title", lifted_tf2.CASES)
def test_the_refusal_has_a_reason(tf2_python, stock_python, title, tmp_path):
    wanted = lifted_tf2.CASES[title][-1]
    found = judged_tf2.lifted(title, str(tmp_path), tf2_python, stock_python("2021"))
    if wanted == "exact":
        assert found["largest"] < TOLERANCE, found
    elif wanted == "differs":
        assert found["largest"] > 100 * TOLERANCE, found
    else:
        assert wanted in found["error"], found


@thorough.only
def test_other_families_have_no_class(tf2_python):
    found = judged_tf2.without_a_class(tf2_python)
    assert len(found) > 15
    for kind, errors in found.items():
        assert all("Unknown" in error or "not supported" in error for error in errors), (
            kind,
            errors,
        )
