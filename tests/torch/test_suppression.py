"""Suppression against the API's way of doing it: each class by itself, then sorted."""

import numpy as np
import pytest

# Its submodule: `torch` alone may be this folder.
pytest.importorskip("torch.nn", reason="there is no PyTorch in this environment")

import torch

from graphfix.torch.suppression import Limits, keep_apart, suppress


def iou(one, other):
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = np.prod(np.maximum(sides, 0))
    areas = [np.prod(box[2:] - box[:2]) for box in (one, other)]
    return shared / (sum(areas) - shared) if min(areas) > 0 else 0.0


def greedy(boxes, scores, threshold, overlap, most):
    """tf.image.non_max_suppression."""
    kept = []
    for place in sorted(range(len(boxes)), key=lambda place: (-scores[place], place)):
        if len(kept) == most or scores[place] <= threshold:
            break
        if all(iou(boxes[place], boxes[other]) <= overlap for other in kept):
            kept.append(place)
    return kept


def multiclass(boxes, scores, window, limits):
    rows = []
    for kind, own in enumerate(scores):
        of_kind = boxes[kind % len(boxes)]
        kept = greedy(of_kind, own, limits.score, limits.overlap, limits.per_class)
        rows.extend((own[place], kind, place) for place in kept)
    rows.sort(key=lambda row: -row[0])  # a stable sort
    found = []
    for score, kind, place in rows:
        box = np.clip(
            boxes[kind % len(boxes)][place], np.tile(window[:2], 2), np.tile(window[2:], 2)
        )
        if np.prod(box[2:] - box[:2]) > 0:
            found.append((box, score, kind))
    return found[: limits.total]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kinds_of_boxes", [1, 3])
def test_it_is_the_api_s(seed, kinds_of_boxes):
    random = np.random.RandomState(seed)
    low = random.uniform(-0.4, 0.9, (kinds_of_boxes, 60, 2))
    high = low + random.uniform(0, 0.5, low.shape)
    boxes = np.concatenate([low, high], -1).astype(np.float32)
    # Few values, so that many are equal.
    scores = (random.randint(0, 12, (3, 60)) / 12).astype(np.float32)
    window = np.float32([0, 0, 1, 0.75])
    limits = Limits(0.2, [0.3, 0.6, 1.0][seed % 3], [5, 100][seed % 2], [8, 40][seed // 3])
    wanted = multiclass(boxes, scores, window, limits)
    kept, values, kinds, count, _ = suppress(
        torch.from_numpy(boxes), torch.from_numpy(scores), torch.from_numpy(window), limits
    )
    assert int(count) == len(wanted) > 0
    assert kinds.tolist() == [kind for _, _, kind in wanted] + [0] * (limits.total - len(wanted))
    assert values[: len(wanted)].tolist() == [score for _, score, _ in wanted]
    assert np.array_equal(kept[: len(wanted)].numpy(), [box for box, _, _ in wanted])
    assert not kept[len(wanted) :].any()


def test_nothing_above_the_threshold():
    limits = Limits(0.5, 0.5, 10, 10)
    found = suppress(torch.rand(1, 5, 4), torch.zeros(2, 5), torch.tensor([0.0, 0, 1, 1]), limits)
    assert found.count == 0 and not any(one.any() for one in found[:4])


@pytest.mark.parametrize("overlap, most", [(0.9, 700), (0.99, 50), (0.5, 700)])
def test_hard_examples_are_kept_apart(overlap, most):
    random = np.random.RandomState(1)
    low = random.randint(0, 4, (700, 2)) / 10
    boxes = np.concatenate([low, low + random.randint(1, 4, (700, 2)) / 10], 1).astype(np.float32)
    scores = (random.randint(0, 50, 700) / 50).astype(np.float32)
    found = keep_apart(torch.from_numpy(boxes), torch.from_numpy(scores), overlap, most)
    assert found.tolist() == greedy(boxes, scores, -1.0, overlap, most)
