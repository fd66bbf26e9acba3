"""The adaptive probability flow: its pair, its tolerance, and how it counts."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from cli_runner import did, refused
from inkwash.core import VE, Cosine, Flow, Level, Schedule, as_floats, karras, linear, trailing
from inkwash.denoise import Gaussian, Mixture
from inkwash.errors import InkwashError, UsageError
from inkwash.sample import Adaptive, Heun, last, sample
from inkwash.sample.adaptive import ERROR, A, C
from inkwash.testing import convergence_order

SCHEDULES = {"VE": VE(), "Cosine": Cosine(), "Flow": Flow(), "linear": linear(1000)}


def flow(oracle: Any, schedule: Schedule, steps: int, solver: Any, x: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Where the flow takes unit noise x at the last level with noise, and how often it asked."""
    count = 0

    def denoise(x: torch.Tensor, level: Level) -> torch.Tensor:
        nonlocal count
        count += 1
        made: torch.Tensor = oracle(x, level)
        return made

    return last(sample(denoise, x, karras(schedule, steps)[:-1], solver, torch.zeros_like)), count


def test_the_tableau_is_consistent() -> None:
    """Each stage lies where its weights say (Σ a = c), and both members of the pair integrate a constant."""
    assert [sum(row) for row in A] == pytest.approx(C, abs=1e-14)
    assert sum(ERROR) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(
    ("weights", "order"), [(A[-1], 5), ([b - e for b, e in zip((*A[-1], 0), ERROR, strict=True)], 4)]
)
def test_the_pair_satisfies_the_quadrature_conditions(weights: Any, order: int) -> None:
    """Σ b·c^(k−1) = 1/k up to the order, and not beyond."""
    sums = [sum(b * c**k for b, c in zip(weights, C, strict=False)) - 1 / (k + 1) for k in range(order + 1)]
    assert sums[:order] == pytest.approx([0] * order, abs=1e-14)
    assert abs(sums[order]) > 1e-4


def test_without_refusals_it_is_of_order_five() -> None:
    """One step over each edge, which a tolerance of 10⁹ allows; on data that no solver of order 4 follows."""
    two = (torch.tensor(each, dtype=torch.float64) for each in ([[[[-0.6]]], [[[0.5]]]], [0.4, 0.6], [1.0, 1.0]))
    oracle = Mixture(*two)
    start = torch.tensor([-1.3, -0.2, 0.1, 1.9], dtype=torch.float64).view(4, 1, 1, 1)
    level = VE(0.1, 2.0)

    def end(steps: int) -> torch.Tensor:
        return flow(oracle, level, steps, Adaptive(1e9), 2 * start)[0]

    exact = end(200)
    steps = [40, 60]
    errors = [float((end(n) - exact).abs().max()) for n in steps]
    assert convergence_order(steps, errors) > 4.7


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-7])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("steps", [2, 7])
def test_it_meets_its_tolerance_on_gaussian_data(schedule: Schedule, tolerance: float, steps: int) -> None:
    """The flow keeps (x − α·m)/√(α²s² + σ²)."""
    (alpha, sigma, _), (alpha_s, sigma_s, _) = (as_floats(karras(schedule, 2)[i]) for i in (0, 1))
    for std in (0.05, 0.5, 1.0):
        z = torch.linspace(-2, 2, 5, dtype=torch.float64).view(5, 1)
        x = alpha * 0.3 + z * math.hypot(alpha * std, sigma)
        got, _ = flow(Gaussian(0.3, std), schedule, steps, Adaptive(tolerance), x)
        wanted = alpha_s * 0.3 + z * math.hypot(alpha_s * std, sigma_s)
        assert float((got - wanted).abs().max()) <= tolerance


def test_a_smaller_tolerance_costs_more_and_less_than_heun() -> None:
    x = 80 * torch.tensor([[[[1.0]]], [[[-0.4]]]], dtype=torch.float64)
    counts = [flow(Gaussian(0.3, 0.5), VE(), 2, Adaptive(tolerance), x)[1] for tolerance in (1e-1, 1e-3, 1e-5, 1e-7)]
    assert counts == sorted(set(counts))
    exact = 0.3 + (x - 0.3) * math.hypot(0.5, 0.002) / math.hypot(0.5, 80)
    heun, cost = flow(Gaussian(0.3, 0.5), VE(), 200, Heun(), x)
    mine, mine_cost = flow(Gaussian(0.3, 0.5), VE(), 2, Adaptive(1e-5), x)
    assert mine_cost < cost
    assert (mine - exact).abs().max() < (heun - exact).abs().max()


def test_the_worst_image_decides() -> None:
    """An image whose flow bends is followed to the tolerance also in company of others that need no care."""
    oracle = Gaussian(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.05])).__call__
    x = 80 * torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    alone, cost = flow(oracle, VE(), 2, Adaptive(1e-4), x[1:])
    both, of_both = flow(oracle, VE(), 2, Adaptive(1e-4), x)
    assert torch.equal(both[1:], alone)
    assert cost == of_both


def test_what_it_cannot_do_is_refused() -> None:
    for tolerance in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(UsageError, match="`tolerance` is an error of the images, above 0"):
            Adaptive(tolerance)
    x = torch.ones(1, 1, 1, 1)
    with pytest.raises(UsageError, match="cannot begin at pure noise"):
        last(sample(Gaussian(0.0, 0.5), x, trailing(Cosine(), 4), Adaptive(), torch.zeros_like))
    with pytest.raises(InkwashError, match="below the rounding of the network; raise `tolerance`"):
        flow(lambda x, level: Gaussian(0.0, 0.5)(x.half().float(), level), VE(), 2, Adaptive(1e-9), 80 * x)
    with pytest.raises(InkwashError, match="give it the schedule"):
        flow(lambda x, level: x + level.t, Cosine(), 2, Adaptive(), x)  # a network is told t


def test_from_the_command_line(trained: Path, tmp_path: Path) -> None:
    """As many evaluations as were made are said; and they depend on the tolerance."""
    out, said = ("-n", 2, "--steps", 2, "--out", tmp_path / "a.png"), []
    for tolerance in (0.1, 0.001):
        err = did("sample", trained, "--solver", "adaptive", "--tolerance", tolerance, *out).err
        assert "network evaluations each on average" in err
        (count,) = re.findall(r"2 images, (\d+) network", err)
        said.append(int(count))
    assert said[0] < said[1]
    for wrong in (0, -1):
        assert "--tolerance" in refused("sample", trained, "--solver", "adaptive", "--tolerance", wrong, *out)
    assert "ddim has no --tolerance; leave it out, or take adaptive" in refused(
        "sample", trained, "--solver", "ddim", "--tolerance", 0.1, *out
    )
