"""Heun: EDM's algorithm 2 with churn, transcribed."""

import math

import pytest
import torch
from torch import Tensor

from inkwash.core import VE, Cosine, Flow, Level, churn, karras, trailing
from inkwash.denoise import Mixture
from inkwash.errors import UsageError
from inkwash.sample import Heun, last, sample

ORACLE = Mixture(
    torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64),
    torch.tensor([0.2, 0.5, 0.1], dtype=torch.float64),
    torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
)


def algorithm_2(x: Tensor, sigmas: list[float], zs, amount: float, low: float, high: float) -> Tensor:
    """Karras et al. 2022, algorithm 2, line by line; S_noise = 1."""
    N = len(sigmas) - 1
    for i in range(N):
        t, after = sigmas[i], sigmas[i + 1]
        gamma = min(amount / N, math.sqrt(2) - 1) if low <= t <= high else 0.0
        t_hat = t + gamma * t
        if gamma > 0:
            x = x + math.sqrt(t_hat**2 - t**2) * next(zs)
        d = (x - ORACLE(x, Level(0, 1.0, t_hat))) / t_hat
        stepped = x + (after - t_hat) * d
        if after != 0:
            d2 = (stepped - ORACLE(stepped, Level(0, 1.0, after))) / after
            stepped = x + (after - t_hat) * (d / 2 + d2 / 2)
        x = stepped
    return x


def noises(count: int):
    generator = torch.Generator().manual_seed(5)
    return iter([torch.randn(4, 1, 2, 2, generator=generator, dtype=torch.float64) for _ in range(count)])


@pytest.mark.parametrize("steps", [5, 18, 64])
@pytest.mark.parametrize(
    ("amount", "low", "high"), [(0.0, 0.0, math.inf), (8.0, 0.0, math.inf), (40.0, 0.05, 50.0), (1000.0, 0.01, 1.0)]
)
def test_heun_on_a_churned_plan_is_edms_stochastic_sampler(steps: int, amount: float, low: float, high: float) -> None:
    plan = karras(VE(), steps)
    x = plan[0].sigma * next(noises(1))
    expected = algorithm_2(x, [level.sigma for level in plan], noises(steps), amount, low, high)
    zs = noises(steps)
    got = last(sample(ORACLE, x, churn(plan, VE(), amount, low, high), Heun(), lambda x: next(zs)))
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_heun_is_the_same_walk_on_every_schedule() -> None:
    """x/α as a function of σ/α does not know the schedule: variance-preserving and straight paths give EDM's."""
    plan = karras(VE(), 18)
    x = plan[0].sigma * next(noises(1))
    expected = last(sample(ORACLE, x, plan, Heun(), torch.zeros_like))
    for schedule in (Cosine(), Flow()):
        moved = [*(schedule.from_logsnr(level.logsnr) for level in plan[:-1]), plan[-1]]
        got = last(sample(ORACLE, moved[0].alpha * x, moved, Heun(), torch.zeros_like))
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


def test_heun_at_pure_noise_says_what_to_do() -> None:
    plan = trailing(Cosine(), 4)
    with pytest.raises(UsageError, match="karras spacing, which begins just below, or another solver"):
        last(sample(ORACLE, torch.zeros(1, 1, 2, 2, dtype=torch.float64), plan, Heun(), torch.zeros_like))
