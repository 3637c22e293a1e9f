"""Gathers against a loop over channels; draws against recorded bytes and their distribution."""

import hashlib
import math
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import repository

from graphfix.detectors.initializer import Initializer, draw
from graphfix.planning import kernels
from graphfix.planning.edits import ADDED_NOISE, CONSTANT, MEAN, NOISE, Fill, Gather
from graphfix.planning.kernels import gather

NORMAL = Initializer("normal", 0.0, 1.0)
TRUNCATED = Initializer("truncated_normal", 0.0, 0.03)
UNIFORM = Initializer("uniform", 0.0, 0.5)


def random(shape, seed=0, dtype=np.float32):
    return np.random.RandomState(seed).standard_normal(shape).astype(dtype)


def edit(index, *fills):
    return Gather("t", "t", tuple(index), tuple(fills))


@pytest.mark.parametrize("shape", [(12,), (1, 1, 5, 12), (3, 3, 2, 12), (0, 12)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_a_gather_takes_channel_after_channel(shape, dtype):
    value = random(shape, dtype=dtype)
    for seed in range(20):
        index = np.random.RandomState(seed).randint(-1, 12, size=seed)
        out = gather(
            value,
            edit(
                index.tolist(), Fill(CONSTANT, tuple(np.flatnonzero(index < 0).tolist()), value=2.5)
            ),
        )
        assert out.dtype == value.dtype and out.shape == shape[:-1] + (seed,)
        for at in np.ndindex(*shape[:-1]):
            for channel, origin in enumerate(index):
                expected = value[at + (origin,)] if origin >= 0 else dtype(2.5)
                assert out[at + (channel,)] == expected


def test_a_gather_carries_bits_and_not_numbers():
    value = np.array([0x7FC00001, 0xFFC0ABCD, 0x80000000, 0x00000001], "<u4").view("<f4")
    out = gather(value, edit([3, 2, 1, 0]))
    assert out.view("<u4").tolist() == [1, 0x80000000, 0xFFC0ABCD, 0x7FC00001]


def test_a_mean_is_the_true_mean_rounded_once_more():
    value = random((2, 3, 8), seed=3)
    sources = (7, 0, 3, 3, 5)
    out = gather(value, edit([1, -1, 2, -1], Fill(MEAN, (1, 3), sources)))
    assert (out[..., 0] == value[..., 1]).all() and (out[..., 2] == value[..., 2]).all()
    for at in np.ndindex(2, 3):
        exact = sum(Fraction(float(value[at + (one,)])) for one in sources) / len(sources)
        for channel in (1, 3):
            got = float(out[at + (channel,)])
            # Within half a unit in the last place of float32, but for the float64 sum's own error.
            assert abs(Fraction(got) - exact) <= Fraction(
                float(np.spacing(np.float32(abs(got))))
            ) * Fraction(501, 1000)


def test_a_mean_is_summed_in_the_order_of_its_sources():
    """What a library's reduction would do depends on the library: pairwise, or in lanes."""
    value = np.array([1e16, 1.0, -1e16, 1.0], np.float64)
    assert gather(value, edit([-1], Fill(MEAN, (0,), (0, 1, 2, 3)))).tolist() == [0.25]
    assert gather(value, edit([-1], Fill(MEAN, (0,), (0, 2, 1, 3)))).tolist() == [0.5]


def test_several_fills_fill_their_own_channels():
    value = random((4, 6))
    out = gather(
        value,
        edit(
            [-1, 5, -1, -1, 0],
            Fill(CONSTANT, (0,), value=-4.5),
            Fill(MEAN, (2,), (1, 2)),
            Fill(NOISE, (3,), initializer=TRUNCATED, key="k"),
        ),
    )
    assert (out[:, 0] == -4.5).all()
    assert (out[:, 1] == value[:, 5]).all() and (out[:, 4] == value[:, 0]).all()
    assert (out[:, 2] == ((value[:, 1].astype(float) + value[:, 2]) / 2).astype("f4")).all()
    assert (out[:, 3] == draw(TRUNCATED, "k", (4, 1))[:, 0].astype("f4")).all()


def test_noise_is_added_to_what_is_there():
    value = random((4, 6))
    out = gather(
        value,
        edit(
            [-1, 5, -1],
            Fill(MEAN, (0, 2), (1, 2)),
            Fill(ADDED_NOISE, (2,), initializer=TRUNCATED, key="k"),
        ),
    )
    assert (out[:, 1] == value[:, 5]).all()
    noise = draw(TRUNCATED, "k", (4, 1))[:, 0].astype("f4")
    assert (out[:, 2] == out[:, 0] + noise).all() and noise.any()


@pytest.mark.parametrize("rule", [NOISE, ADDED_NOISE])
@pytest.mark.parametrize("at_once", [1, 40, 1 << 16])
def test_fills_drawn_together_are_those_drawn_alone(monkeypatch, rule, at_once):
    """Of other distributions, of other numbers of channels, and of a channel that was filled."""
    monkeypatch.setattr(kernels, "_DRAWN_AT_ONCE", at_once)
    value = random((2, 3, 6))
    places = [(0, 4), (1, 5), (2, 9), (3, 6), (7,), (8,), (10, 11), (12, 13), (14, 0)]
    kinds = [TRUNCATED] * 6 + [NORMAL] * 2 + [UNIFORM]
    fills = [
        Fill(rule, channels, initializer=kind, key=f"key {number}")
        for number, (channels, kind) in enumerate(zip(places, kinds))
    ]
    fills[3:3] = [Fill(CONSTANT, (2,), value=7.0)]
    out = gather(value, edit([-1] * 15, *fills))
    wanted = np.zeros((2, 3, 15), "f4")
    for fill in fills:
        if fill.rule == CONSTANT:
            wanted[..., list(fill.channels)] = 7.0
            continue
        drawn = draw(fill.initializer, fill.key, (2, 3, len(fill.channels))).astype("f4")
        before = wanted[..., list(fill.channels)] if rule == ADDED_NOISE else 0
        wanted[..., list(fill.channels)] = before + drawn
    assert out.tobytes() == wanted.tobytes()


# SHA-256 of the drawn float64 values' little-endian bytes: the same on every machine, under every
# Python and NumPy, for ever.  If one changes, plans replay to other weights: give the new way of
# drawing another name instead.
GOLDEN = [
    (
        "normal",
        "graphfix/0/Class/weights/zebra",
        "82dd25187163f1f03cde9910d550b5aa8e9b7c1faf2645b8aa805a4dc96bc17d",
    ),
    (
        "truncated_normal",
        "graphfix/0/Class/weights/zebra",
        "a2dd30f9fb12ce591b06b9569dc1e27bff3665964ef2bfa0b011ec1d835758ca",
    ),
    (
        "truncated_normal",
        "graphfix/1/Class/weights/zebra",
        "94337aa9544eb0350974f5b103d202992d8cfce06241f88ac8d5e447e60f5540",
    ),
    (
        "truncated_normal",
        "graphfix/0/Class_1/weights/zebra",
        "7b5a3ac778affff0df90fd0d33b879799028fbc7a60d1975f5acf05c543d6539",
    ),
    (
        "truncated_normal",
        "graphfix/0/Class/weights/caf\u00e9",
        "4dec260408a8f45d3a23f32f70933757700598de0ba5b630a05a65003dcd62d3",
    ),
    (
        "uniform",
        "graphfix/0/Class/weights/zebra",
        "83535bbf667ba21d4d5565a444ed95e6d11fdba0e9540ad13514b304b16f941c",
    ),
]


def digest(kind, key):
    values = draw(Initializer(kind, 0.01, 0.03), key, (10, 100))
    return hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()


@pytest.mark.parametrize("kind, key, expected", GOLDEN)
def test_drawn_values_are_the_recorded_ones(kind, key, expected):
    assert digest(kind, key) == expected


def exactly(kind, key, count, scale, mean):
    """The draw in whole numbers, from its description: an oracle without NumPy."""

    def words(turn, number):
        data = hashlib.shake_256((f"{key}/{turn}").encode()).digest(4 * number)
        return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]

    if kind == "uniform":
        units = [Fraction(word, 2**31) - 1 for word in words(0, count)]
    else:
        units, turn = [], 0
        while len(units) < count:
            drawn = words(turn, 12 * (count - len(units)))
            found = [
                Fraction(sum(drawn[at : at + 12]), 2**32) - 6 for at in range(0, len(drawn), 12)
            ]
            units += [one for one in found if kind == "normal" or abs(one) <= 2]
            turn += 1
    # A unit is an exact float64; then come one rounded product and one rounded sum.
    return [float(unit) * scale + mean for unit in units]


@pytest.mark.parametrize("kind", ["normal", "truncated_normal", "uniform"])
def test_drawn_values_are_what_the_description_says(kind):
    got = draw(Initializer(kind, 0.01, 0.03), "some/key", (3, 67))
    assert got.shape == (3, 67) and got.dtype == np.float64
    assert got.reshape(-1).tolist() == exactly(kind, "some/key", 201, 0.03, 0.01)


def test_other_seeds_tensors_and_classes_draw_other_values():
    keys = [
        f"graphfix/{seed}/{tensor}/{name}"
        for seed in (0, 1)
        for tensor in ("a", "b")
        for name in ("cat", "dog", "Cat")
    ]
    draws = {draw(NORMAL, key, (8,)).tobytes() for key in keys}
    assert len(draws) == len(keys) == 12
    for one, other in zip(keys, keys[1:]):
        many = np.corrcoef(draw(NORMAL, one, (20000,)), draw(NORMAL, other, (20000,)))
        assert abs(many[0, 1]) < 0.03


def test_the_distributions_are_those_that_were_asked_for():
    count = 200000
    normal = draw(Initializer("normal", 3.0, 2.0), "k", (count,))
    assert abs(normal.mean() - 3) < 0.02 and abs(normal.std() - 2) < 0.02
    assert abs(np.mean(normal < 1) - 0.1587) < 0.004
    assert abs(np.mean(np.abs(normal - 3) < 2 * 1.96) - 0.95) < 0.004

    truncated = draw(TRUNCATED, "k", (count,))
    assert abs(truncated.mean()) < 0.0003
    # A normal cut at two standard deviations keeps 0.8796 of one; a sum of twelve, 0.888.
    assert abs(truncated.std() / 0.03 - 0.888) < 0.003
    assert 0.0599 < np.abs(truncated).max() <= 0.06

    uniform = draw(UNIFORM, "k", (count,))
    assert abs(uniform.mean()) < 0.003 and abs(uniform.std() - 0.5 / math.sqrt(3)) < 0.002
    assert -0.5 <= uniform.min() < -0.4999 and 0.4999 < uniform.max() < 0.5


def test_nothing_is_drawn_for_nothing():
    for initializer in (NORMAL, TRUNCATED, UNIFORM):
        assert draw(initializer, "k", (0, 3)).shape == (0, 3)


def test_noise_does_not_depend_on_how_text_is_hashed_or_encoded():
    """The same in another process with another hash seed and an ASCII locale."""
    script = (
        "import hashlib\n"
        "from graphfix.detectors.initializer import Initializer, draw\n"
        "values = draw(Initializer('normal', 0.01, 0.03), 'caf\\u00e9', (10, 100))\n"
        "print(hashlib.sha256(values.astype('<f8').tobytes()).hexdigest())"
    )
    environment = dict(os.environ, PYTHONHASHSEED="77", LC_ALL="C", PYTHONPATH=repository.TOP)
    found = subprocess.check_output([sys.executable, "-c", script], env=environment)
    assert found.decode().strip() == digest("normal", "caf\u00e9")
