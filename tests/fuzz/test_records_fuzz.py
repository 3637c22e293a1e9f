"""Any bytes at all give boxes or a SourceError: records, COCO JSON, XML, CSV.

As test_fuzz.py has it: seeded, limited in time and memory.
"""

import annotations
import mutations
import pytest
import test_fuzz
import thorough

test_fuzz.INPUTS.update({"record": 400, "example": 700, "coco": 500, "voc": 400, "table": 300})


def framed(made, data):
    """The records of a file, the first with a mutated feature or mutated as a whole, with
    checksums that are right."""
    size, boxes, classes = annotations.IMAGES[0]
    features = annotations.features(size, boxes, classes, packed=made.random() < 0.5)
    whole = made.random() < 0.2
    key = made.choice(sorted(features))
    if not whole:
        features[key] = made.choice(
            (
                mutations.mutate_bytes(made, features[key]),
                annotations.floats([made.random()] * 2),
                annotations.ints([made.choice(mutations.NUMBERS)] * 2),
                features[made.choice(sorted(features))],
            )
        )
    one = annotations.example(features)
    return annotations.record(mutations.mutate_bytes(made, one) if whole else one) + data


KINDS = {
    # No change of a record's bytes goes unseen.
    "record": ("x.record", annotations.tfrecord(), mutations.mutate_bytes, -1, 4),
    "example": ("x.record", annotations.tfrecord(), framed, 100, 4),
    "coco": ("x.json", annotations.coco(), None, 20, 12),
    "voc": ("x.xml", annotations.voc(annotations.IMAGES[0]), None, 20, 6),
    "table": ("x.csv", annotations.table(), None, 20, 6),
}


@pytest.mark.parametrize("kind", thorough.sampled(sorted(KINDS), 3))
def test_boxes_or_an_error(kind, tmp_path):
    name, base, mutate, results, said = KINDS[kind]
    outcome = test_fuzz.Outcome()
    path = tmp_path / name
    for made in test_fuzz.inputs(kind):
        data = mutate(made, base) if mutate else mutations.mutate_text(made, base.decode())
        path.write_bytes(data)
        found = outcome.of(lambda: list(annotations.read_boxes([str(path)])), data)
        for where, size, boxes, classes, _ in found or ():
            assert where.startswith(str(path)) and len(boxes) == len(classes)
            assert size is None or min(size) >= 1
            assert all(isinstance(edge, float) for box in boxes for edge in box)
    assert outcome.results > results and len(outcome.said) >= said, (outcome.results, outcome.said)
