import math

import pytest

from inkwash.settings import Training
from inkwash.training.rates import rate

DECAYS = ["cosine", "linear", "exponential", "none"]


@pytest.mark.parametrize("decay", DECAYS)
def test_the_warm_up_is_linear_and_ends_at_the_rate_asked_for(decay: str) -> None:
    settings = Training(lr=0.5, warmup=10, decay=decay)
    rates = [rate(settings, step, 1000) for step in range(11)]
    assert rates[:10] == pytest.approx([0.05 * (step + 1) for step in range(10)])
    assert rates[10] == pytest.approx(0.5)


@pytest.mark.parametrize("warmup", [0, 1, 100])
def test_the_decay_falls_from_the_warm_up_to_its_end(warmup: int) -> None:
    """Half-way through what follows the warm-up, a cosine and a line are both at half."""
    left = 1000 - warmup
    for decay, curve in {
        "cosine": lambda share: (1 + math.cos(math.pi * share)) / 2,
        "linear": lambda share: 1 - share,
        "exponential": lambda share: 10**-share,
        "none": lambda share: 1.0,
    }.items():
        settings = Training(lr=0.01, warmup=warmup, decay=decay)
        for step in range(warmup, 1000):
            assert rate(settings, step, 1000) == pytest.approx(0.01 * curve((step - warmup) / left), rel=1e-12)
        assert rate(settings, 1000, 1000) == pytest.approx(0.01 * curve(1), abs=1e-18)


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize(("warmup", "steps"), [(0, 1), (5, 5), (10, 3), (0, 50), (7, 50)])
def test_rates_are_never_negative_nor_above_the_one_asked_for(decay: str, warmup: int, steps: int) -> None:
    settings = Training(lr=0.1, warmup=warmup, decay=decay)
    rates = [rate(settings, step, steps) for step in range(steps)]
    assert all(0 < value <= 0.1 for value in rates)
    assert rate(settings, steps + 5, steps) >= 0


def test_no_warm_up_begins_at_once() -> None:
    assert rate(Training(lr=0.1, warmup=0, decay="none"), 0, 10) == 0.1
