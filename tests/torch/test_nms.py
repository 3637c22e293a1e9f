"""Suppression by torchvision's operator against plain PyTorch, bit for bit.

torchvision itself is judged where it is installed (`make torchvision`), elsewhere only a stand-in.
"""

import itertools
import sys
import types

import pytest

# Its submodule: `torch` alone may be this folder.
pytest.importorskip("torch.nn", reason="there is no PyTorch in this environment")

import torch

from graphfix.torch import nms, suppression
from graphfix.torch.suppression import Limits, keep_apart, suppress

WINDOW = torch.tensor([0.0, 0.0, 1.0, 0.75])
NAN, INFINITE = float("nan"), float("inf")


def stand_in(boxes, scores, threshold, fused=False):
    """torchvision's operator: its arithmetic, which compares in float64; `fused` does as compilers
    that make one rounding of a product and a sum."""
    assert boxes.dtype == scores.dtype == torch.float32
    left, kept = torch.argsort(scores, descending=True).tolist(), []
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    while left:
        best, *rest = left
        kept.append(best)
        own, others = boxes[best], boxes[rest]
        low, high = torch.fmax(own[:2], others[:, :2]), torch.fmin(own[2:], others[:, 2:])
        sides = torch.fmax(high - low, torch.zeros(()))
        shared, both = sides[:, 0] * sides[:, 1], areas[best] + areas[rest]
        union = both - shared
        if fused:
            union = (both.double() - sides[:, 0].double() * sides[:, 1].double()).float()
        gone = (shared / union).double() > threshold
        left = [place for place, is_gone in zip(rest, gone.tolist()) if not is_gone]
    return torch.tensor(kept, dtype=torch.int64)


def fused(boxes, scores, threshold):
    return stand_in(boxes, scores, threshold, fused=True)


@pytest.fixture
def installed(monkeypatch):
    """installed(operator) makes it that of an installed torchvision."""
    nms._installed.cache_clear()

    def install(operator):
        package, ops = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
        package.ops, ops.nms = ops, operator
        monkeypatch.setitem(sys.modules, "torchvision", package)
        monkeypatch.setitem(sys.modules, "torchvision.ops", ops)

    yield install
    nms._installed.cache_clear()


@pytest.fixture(params=["stand-in", "torchvision"])
def operator(request, installed):
    if request.param == "stand-in":
        installed(stand_in)
    else:
        pytest.importorskip("torchvision", reason="there is no torchvision here: make torchvision")
    assert nms.operator_for(WINDOW) is not None
    return request.param


def plain(monkeypatch, function, *arguments):
    with monkeypatch.context() as context:
        context.setattr(suppression, "operator_for", lambda boxes: None)
        return function(*arguments)


def same(ones, others):
    """Equal to the last bit: a NaN equals itself, and 0.0 is not -0.0."""
    for one, other in zip(ones, others):
        assert one.dtype == other.dtype and one.shape == other.shape
        assert one.numpy().tobytes() == other.numpy().tobytes()


def made(seed, kinds_of_boxes, classes, number):
    """Boxes and scores: by turns scattered, crowded, on a grid (so that overlaps are thresholds),
    without an area, inverted, and with numbers that are none."""
    random = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(*shape, generator=random)

    sides = uniform(kinds_of_boxes, number, 2) * 0.5
    low = uniform(kinds_of_boxes, number, 2) * 1.3 - 0.3
    scores = uniform(classes, number)
    if seed % 4 == 1:
        low = low[:, torch.randint(0, min(3, number), (number,), generator=random)] + low * 0.05
    if seed % 4 == 2:
        low, sides = (low * 5).floor() / 5, (sides * 10).floor() / 5
    if seed % 3 == 1:
        scores = (scores * 6).floor() / 5  # many are equal, and some are 0 and above 1
    if seed % 3 == 2:
        scores = scores * 2 - 1
    boxes = torch.cat([low, low + sides], dim=-1)
    if seed % 5 == 3:
        odd = torch.tensor([NAN, INFINITE, -INFINITE, -0.0, 3e38, 1e-40])
        places = uniform(*boxes.shape) < 0.05
        drawn = odd[torch.randint(0, len(odd), boxes.shape, generator=random)]
        boxes = torch.where(places, drawn, boxes)
        scores = torch.where(uniform(*scores.shape) < 0.05, odd[seed % 6], scores)
    if seed % 5 == 4:
        boxes = torch.where(uniform(kinds_of_boxes, number, 1) < 0.2, boxes.roll(2, -1), boxes)
    return boxes, scores


OVERLAPS = (0.0, 0.2, 1 / 3, 0.5, 0.6, 0.7, 0.99, 1.0)
LEAST = (0.0, 1e-8, 0.3, -1.0, 2.0)


@pytest.mark.parametrize("start", range(0, 120, 40))
def test_results_are_those_of_plain_pytorch(start, operator, monkeypatch):
    for seed in range(start, start + 40):
        classes = (1, 2, 7)[seed % 3]
        kinds = classes if seed % 2 else 1
        boxes, scores = made(seed, kinds, classes, (1, 9, 40, 90)[seed // 3 % 4])
        limits = Limits(
            LEAST[seed // 2 % 5], OVERLAPS[seed // 5 % 8], (1, 5, 100)[seed // 7 % 3], 1 + seed % 30
        )
        wanted = plain(monkeypatch, suppress, boxes, scores, WINDOW, limits)
        same(suppress(boxes, scores, WINDOW, limits)[:4], wanted[:4])


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_hard_examples_are_those_of_plain_pytorch(overlap, operator, monkeypatch):
    for seed, most in itertools.product(range(12), (3, 1000)):
        boxes, scores = made(seed, 1, 1, 90)
        wanted = plain(monkeypatch, keep_apart, boxes[0], scores[0], overlap, most)
        same([keep_apart(boxes[0], scores[0], overlap, most)], [wanted])


@pytest.mark.parametrize("above", [False, True])
def test_an_overlap_of_just_the_threshold_suppresses_nothing(above, operator):
    """0.6 of float32 is above 0.6 of float64."""
    boxes = torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 0.6]])
    boxes[1, 3] = torch.nextafter(boxes[1, 3], torch.ones(())) if above else boxes[1, 3]
    kept = keep_apart(boxes, torch.tensor([2.0, 1.0]), 0.6, 2)
    assert kept.tolist() == ([0] if above else [0, 1])


def test_gradients_of_scores_are_those_of_plain_pytorch(operator, monkeypatch):
    def gradients(boxes, scores, *rest):
        boxes, scores = (one.clone().requires_grad_() for one in (boxes, scores))
        found = suppress(boxes, scores, *rest)
        (found.boxes.sum() + (found.scores**2).sum()).backward()
        return boxes.grad, scores.grad

    given = (*made(0, 1, 3, 60), WINDOW, Limits(0.1, 0.5, 5, 20))
    same(gradients(*given), plain(monkeypatch, gradients, *given))


class Suppression(torch.nn.Module):
    def forward(self, boxes, scores):
        return suppress(boxes, scores, WINDOW, Limits(0.1, 0.5, 5, 20))[:4]


@pytest.mark.slow
@pytest.mark.parametrize("trace", ["export", "compile", "jit"])
def test_traced_programs_have_none_of_it(trace, operator, monkeypatch):
    """They run without torchvision."""
    given = made(0, 1, 3, 60)
    wanted = plain(monkeypatch, Suppression(), *given)
    asked = []
    found_for = suppression.operator_for
    monkeypatch.setattr(suppression, "operator_for", lambda boxes: asked.append(found_for(boxes)))
    if trace == "export":
        program = torch.export.export(Suppression(), given).module()
    elif trace == "compile":
        program = torch.compile(Suppression(), backend="eager")
    else:
        with pytest.warns(torch.jit.TracerWarning):
            program = torch.jit.trace(Suppression(), given, check_trace=False)
    same(program(*given), wanted)
    assert asked and not any(asked)


@pytest.mark.parametrize("rounds", [fused, lambda *given: stand_in(*given)[:1]])
def test_an_operator_that_rounds_otherwise_is_not_used(rounds, installed, recwarn):
    installed(rounds)
    assert nms.operator_for(WINDOW) is None and not recwarn


@pytest.mark.parametrize(
    "given",
    [WINDOW.double(), WINDOW.half(), torch.zeros(4, device="meta")],
    ids=lambda one: str(one.dtype) + one.device.type,
)
def test_boxes_of_another_type_are_left_to_plain_pytorch(given, installed):
    installed(stand_in)
    assert nms.operator_for(given) is None


def test_torchvision_that_does_not_work_is_told_once(installed, recwarn):
    def broken(*_):
        raise RuntimeError("Couldn't load custom C++ ops")

    installed(broken)
    boxes, scores = made(0, 1, 2, 20)
    found = [suppress(boxes, scores, WINDOW, Limits(0.1, 0.5, 5, 20)) for _ in range(2)]
    assert found[0].count == found[1].count > 0
    (told,) = recwarn
    assert "torchvision is installed and does not work" in str(told.message)
    assert "Couldn't load custom C++ ops" in str(told.message)


def test_torchvision_that_cannot_be_imported_is_told(installed, recwarn, monkeypatch, tmp_path):
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("import a_module_that_it_needs\n")
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.delitem(sys.modules, "torchvision.ops", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert nms.operator_for(WINDOW) is None
    (told,) = recwarn
    assert "No module named 'a_module_that_it_needs'" in str(told.message)


def test_nothing_is_told_where_there_is_no_torchvision(installed, recwarn, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert nms.operator_for(WINDOW) is None and not recwarn
