"""The data sets to fine-tune on: which shapes they have, in which order, and how new ones look.

The detector in testdata/ was trained on eight shapes.  Pictures here come from the same generator,
by another seed; shapes that the detector never saw have outlines of their own.
"""

import collections
import os

import numpy as np
import training

Target = collections.namedtuple("Target", "title classes kept")

TARGETS = collections.OrderedDict(
    (
        (
            "kept",
            Target(
                "3 kept, reordered", ("crescent", "star", "circle"), ("crescent", "star", "circle")
            ),
        ),
        (
            "mixed",
            Target(
                "2 kept and 2 new", ("arrow", "ring", "heart", "triangle"), ("ring", "triangle")
            ),
        ),
        ("new", Target("4 new", ("arrow", "heart", "bolt", "drop"), ())),
    )
)
SEED = 20201124  # not make_shapes' own: pictures the detector has not seen, of kept shapes, too


def _heart():
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.stack(
        [
            16 * np.sin(turn) ** 3,
            13 * np.cos(turn)
            - 5 * np.cos(2 * turn)
            - 2 * np.cos(3 * turn)
            - np.cos(4 * turn)
            + 2.5,
        ],
        axis=1,
    )


def _drop():
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.stack([np.cos(turn) + 0.1, 0.75 * np.sin(turn) * np.sin(turn / 2) ** 1.5], axis=1)


ARROW = [(1, 0), (0.1, 0.8), (0.1, 0.3), (-0.9, 0.3), (-0.9, -0.3), (0.1, -0.3), (0.1, -0.8)]
BOLT = [(-0.25, 1), (0.5, 1), (0.15, 0.25), (0.6, 0.25), (-0.35, -1), (-0.05, -0.1), (-0.6, -0.1)]


def _within_the_unit_circle(points):
    points = np.asarray(points, dtype=float)
    return points / np.linalg.norm(points, axis=1).max()


def outlines():
    """{name: (outline, hole)} of the shapes that make_shapes does not have."""
    return {
        name: (_within_the_unit_circle(points), None)
        for name, points in (
            ("arrow", ARROW),
            ("bolt", BOLT),
            ("drop", _drop()),
            ("heart", _heart()),
        )
    }


def label_map(target):
    return "".join(
        f"item {{\n  id: {number}\n  name: '{name}'\n}}\n"
        for number, name in enumerate(target.classes, start=1)
    )


def draw(directory, target, pictures):
    """Records {split: path} of a target, and its label map's path."""
    import make_shapes

    os.makedirs(directory, exist_ok=True)
    labels = os.path.join(directory, "label_map.pbtxt")
    with open(labels, "w") as file:
        file.write(label_map(target))
    before = make_shapes.CLASSES, dict(make_shapes.OUTLINES)
    make_shapes.OUTLINES.update(outlines())
    make_shapes.CLASSES = target.classes
    try:
        return training.write_records(directory, pictures, SEED), labels
    finally:
        make_shapes.CLASSES, make_shapes.OUTLINES = before
