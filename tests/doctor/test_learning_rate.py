"""A learning rate that is too high, and what to write instead."""

import re

import pytest
import repository

ADAM, MOMENTUM, RMS = "adam_optimizer", "momentum_optimizer", "rms_prop_optimizer"


def findings(graphfix, tmp_path, optimizer, rate, batch):
    """What doctor says of the rate in testdata's config, with another optimizer."""
    with open(repository.DETECTOR + "/pipeline.config") as file:
        text = file.read()
    assert ADAM in text
    text = text.replace(ADAM, optimizer)
    text, rates = re.subn(r"learning_rate_base: [0-9.]+", f"learning_rate_base: {rate}", text)
    text, sizes = re.subn(r"batch_size: [0-9]+", f"batch_size: {batch}", text)
    assert rates == 1 and sizes >= 1
    path = tmp_path / "it.config"
    path.write_text(text)
    return re.findall(
        r"the learning rate is (\S+); .* above (\S+)\n\s*-> begin with (\S+),",
        graphfix("doctor", path).out,
    )


@pytest.mark.parametrize(
    "optimizer, rate, batch, found",
    [
        (MOMENTUM, 40, 4, [("40", "0.5", "0.003")]),
        (MOMENTUM, 0.6, 64, [("0.6", "0.5", "0.04")]),
        (MOMENTUM, 40, 1024, [("40", "4.096", "0.04")]),
        # As published.
        (MOMENTUM, 0.9, 2048, []),
        (MOMENTUM, 4, 1024, []),
        (RMS, 0.004, 24, []),
        (RMS, 40, 24, [("40", "0.05", "0.004")]),
        (ADAM, 40, 24, [("40", "0.02", "0.0002")]),
        (ADAM, 40, 2048, [("40", "0.02", "0.0002")]),
    ],
)
def test_a_rate_to_begin_with(graphfix, tmp_path, optimizer, rate, batch, found):
    assert findings(graphfix, tmp_path, optimizer, rate, batch) == found
