"""What findings are sorted by, and how sentences count."""

import pytest

from graphfix import findings
from graphfix.findings import Finding


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((1, "class", "classes"), "1 class"),
        ((2, "class", "classes"), "2 classes"),
        ((0, "record"), "0 records"),
        ((1, "record"), "1 record"),
    ],
)
def test_a_noun_agrees_with_its_number(arguments, words):
    assert findings.count(*arguments) == words


def test_the_worst_comes_first_and_equals_keep_their_order():
    found = [Finding(str(n), kind, "", "", "") for n, kind in enumerate(("info", "error", "info"))]
    assert [one.code for one in findings.by_severity(found)] == ["1", "0", "2"]
