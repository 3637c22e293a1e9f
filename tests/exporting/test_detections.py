"""Whether two lists of detections are the same."""

from graphfix.exporting.detections import compare


def one(score, box=(0.1, 0.1, 0.5, 0.5), class_id=1):
    return {"box": list(box), "score": score, "class_id": class_id}


def test_order_does_not_count():
    two = [one(0.9), one(0.8, class_id=2)]
    found = compare([two], [two[::-1]], 0.1)
    assert found.equal and (found.total, found.found, found.score, found.edge) == (2, 2, 0, 0)


def test_scores_edges_and_classes_do():
    assert not compare([[one(0.9)]], [[one(0.89)]], 0.1).equal
    assert not compare([[one(0.9)]], [[one(0.9, (0.1, 0.1, 0.5, 0.6))]], 0.1).equal
    assert not compare([[one(0.9)]], [[one(0.9, class_id=2)]], 0.1).equal
    found = compare([[one(0.9)]], [[one(0.9002)]], 0.1)
    assert found.equal and 1e-4 < found.score < 3e-4


def test_each_is_found_once_and_others_count():
    assert not compare([[one(0.9), one(0.9)]], [[one(0.9)]], 0.1).equal
    assert not compare([[one(0.9)]], [[one(0.9), one(0.9)]], 0.1).equal
    assert not compare([[]], [[one(0.9)]], 0.1).equal


def test_what_is_at_the_threshold_may_be_on_one_side():
    assert compare([[one(0.1001)]], [[]], 0.1).equal
    assert compare([[]], [[one(0.1001)]], 0.1).equal
    assert not compare([[one(0.2)]], [[]], 0.1).equal


def test_scores_that_several_have_are_told_where_something_differs():
    tied = [one(0.9), one(0.9, (0.2, 0.2, 0.6, 0.6)), one(0.8)]
    assert "; 2 of the graph's have the score of another one" in str(compare([tied], [[]], 0.1))
    assert "another" not in str(compare([tied], [tied], 0.1))
    assert "another" not in str(compare([tied[1:]], [tied], 0.1))
    assert "another" not in str(compare([[*tied[2:], one(0.05), one(0.05)]], [[]], 0.1))
    assert "another" not in str(compare([[one(0.9)], [one(0.9)]], [[], []], 0.1))
