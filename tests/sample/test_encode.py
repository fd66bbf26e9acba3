"""Encoding: the probability flow walked from an image to its noise."""

import pytest
import torch
from torch import Tensor

from gaussian_flow import MEAN, STD, flow
from inkwash.core import VE, Cosine, Flow, Level, karras, linear, trailing
from inkwash.denoise import Gaussian, Mixture
from inkwash.errors import UsageError
from inkwash.sample import Heun, encode, last, sample
from inkwash.testing import convergence_order

SCHEDULES = {"VE": VE(1e-4, 80.0), "Cosine": Cosine(), "Flow": Flow(), "linear": linear(1000)}
each = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
STEPS = [100, 200, 400, 800]


@each
def test_encoding_is_of_second_order(schedule) -> None:
    """Against the exact flow of Gaussian data from the clean image, where x₀ ends at units of the spread."""
    errors = []
    for n in STEPS:
        plan = karras(schedule, n)
        end = last(encode(Gaussian(MEAN, STD), torch.ones(1, dtype=torch.float64), plan)).item()
        errors.append(abs(end - flow((1.0, 0.0), plan[0][1:], 1.0)))
    assert convergence_order(STEPS, errors) == pytest.approx(2, abs=0.15)


@each
def test_sampling_an_encoding_gives_the_image_back(schedule) -> None:
    """The two walks' errors of second order cancel, and leave one of third."""
    oracle = Mixture(
        torch.tensor([-0.7, 0.4], dtype=torch.float64).view(2, 1, 1, 1),
        torch.tensor([0.3, 0.2], dtype=torch.float64),
        torch.tensor([1.0, 2.0], dtype=torch.float64),
    )
    x0, errors = torch.tensor([-0.9, 0.1, 0.6], dtype=torch.float64).view(3, 1, 1, 1), []
    for n in (50, 100, 200):
        plan = karras(schedule, n)
        # down to the least noisy level only, as the jump from there to clean does not shrink with n
        *_, before, _ = up = list(encode(oracle, x0, plan))
        start, walk = up[-1].x, plan[:-1]
        end = last(sample(oracle, start, walk, Heun(), torch.zeros_like))
        errors.append((end - up[1].x).abs().max().item())
        assert before.step == n - 1
    assert convergence_order([50, 100, 200], errors) > 2.7
    assert errors[-1] < 1e-3


def test_an_image_comes_back_whole() -> None:
    plan, x0 = karras(VE(1e-4, 80.0), 200), torch.linspace(-1, 1, 9, dtype=torch.float64)
    oracle = Gaussian(MEAN, STD)
    end = last(sample(oracle, last(encode(oracle, x0, plan)), plan, Heun(), torch.zeros_like))
    torch.testing.assert_close(end, x0, rtol=0, atol=1e-4)


def test_images_of_the_data_become_noise_of_its_spread() -> None:
    """Encoding N(m, s²) gives N(α·m, α²s² + σ²), at every moment."""
    plan = karras(Cosine(), 100)
    x0 = torch.tensor([MEAN, MEAN + STD], dtype=torch.float64)
    for snapshot in encode(Gaussian(MEAN, STD), x0, plan):
        alpha, sigma = snapshot.level.alpha, snapshot.level.sigma
        assert snapshot.x[0].item() == pytest.approx(alpha * MEAN, abs=1e-9)
        spread = ((alpha * STD) ** 2 + sigma**2) ** 0.5
        assert (snapshot.x[1] - snapshot.x[0]).item() == pytest.approx(spread, rel=3e-3)


def test_the_walk_visits_the_plan_backwards_and_asks_twice_a_step() -> None:
    plan, asked = karras(VE(), 7), []

    def denoise(x: Tensor, level: Level) -> Tensor:
        assert not torch.is_grad_enabled()
        asked.append(level)
        return Gaussian(MEAN, STD)(x, level)

    moments = list(encode(denoise, torch.zeros(1), plan))
    assert [snapshot.level for snapshot in moments] == list(reversed(plan))
    assert [snapshot.step for snapshot in moments] == list(range(8))
    assert asked == [level for level in reversed(plan[:-1]) for _ in range(2)]
    assert torch.is_grad_enabled()


def test_pure_noise_cannot_be_reached() -> None:
    with pytest.raises(UsageError, match="use karras spacing"):
        last(encode(Gaussian(MEAN, STD), torch.zeros(1), trailing(Flow(), 5)))
