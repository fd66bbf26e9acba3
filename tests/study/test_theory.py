"""What theory foretells, against recursions derived by hand, real walks, and simulation."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gaussian_flow import Data, image
from inkwash.core import (
    CLEAN,
    VE,
    Cosine,
    Denoise,
    Flow,
    Level,
    Noise,
    Plan,
    Seeded,
    as_floats,
    churn,
    karras,
    leading,
    linear,
    linspace,
    posterior,
    prior,
    trailing,
    travel,
)
from inkwash.data import to_float
from inkwash.denoise import Gaussian
from inkwash.metrics.distance import frechet
from inkwash.sample import DDIM, DDPM, DPMpp2M, Heun, Solver, last, sample
from inkwash.study import theory
from inkwash.study.theory import predict, spreads, stds
from solvers import BY_HAND

DATA = torch.tensor([1.0, 0.55, 0.2, 0.04, 1e-3, 0.0], dtype=torch.float64)
SCHEDULES = {"linear": linear(1000), "cosine": Cosine(), "flow": Flow(), "ve": VE()}
PLANS: dict[str, Plan] = {
    f"{name} {spacing.__name__} {steps}": spacing(schedule, steps)
    for name, schedule in SCHEDULES.items()
    for spacing in (trailing, leading, linspace, karras)
    for steps in (1, 2, 5, 24)
}
for _name, _schedule in SCHEDULES.items():
    PLANS[f"{_name} churned"] = churn(karras(_schedule, 9), _schedule, 3.0)
    PLANS[f"{_name} travelled"] = travel(trailing(_schedule, 9), 3, 2, 2)


def plans_of(solver: Solver) -> dict[str, Plan]:
    """Without those that it refuses, because they begin at pure noise."""
    begins = getattr(solver, "starts_at_pure_noise", True)
    return {case: plan for case, plan in PLANS.items() if begins or plan[0].alpha > 0}


@pytest.mark.parametrize("name", BY_HAND)
def test_spreads_are_the_recursions(name: str) -> None:
    solver, recursion = BY_HAND[name]
    plans = plans_of(solver)
    assert len(plans) == (72 if solver.starts_at_pure_noise else 54)
    for case, plan in plans.items():
        walk = [(level.alpha, level.sigma) for level in plan[:-1]]
        expected = [recursion(walk, Data(0.0, s)).moments(0.0, math.hypot(*walk[0]))[1] for s in DATA.tolist()]
        assert spreads(solver, plan, DATA).tolist() == pytest.approx(expected, rel=1e-10, abs=1e-12), case


# ---- any solver that is linear in x


@dataclass(frozen=True)
class Shaky:
    """Too much noise, too small a step: a solver of one's own that is wrong on purpose."""

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: None, noise: Noise) -> tuple[Tensor, None]:
        x_coef, x0_coef, std = posterior(t, s, 0.7)
        return 1.1 * x_coef * x + 0.8 * x0_coef * denoise(x, t) + (std + 0.1) * noise(x), None


@dataclass(frozen=True)
class Mindful:
    """Remembers x itself, and two steps of it."""

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: Any, noise: Noise) -> tuple[Tensor, Any]:
        x_coef, x0_coef, _ = posterior(t, s, 0.0)
        old, older = memory or (x, x)
        return x_coef * x + x0_coef * denoise(x, t) - 0.3 * (x - old) + 0.1 * (old - older), (x, old)


def walked(solver: Solver, plan: Plan) -> Tensor:
    """The standard deviations that come out of the real loop, exactly.

    It is linear in x and in each noise: row 0 begins at 1 and has no noise, row k has the k-th noise alone.
    """
    start, edges = math.hypot(plan[0].alpha, plan[0].sigma), len(plan)
    calls = 0

    def noise(x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return torch.zeros_like(x).index_fill_(0, torch.tensor([calls]), 1.0)

    x = torch.zeros(1 + edges, len(DATA), dtype=torch.float64)
    x[0] = start
    return last(sample(Gaussian(0.0, DATA), x, plan, solver, noise)).square().sum(0).sqrt()


WALKERS = [Shaky(), Mindful(), DDIM(0.4), DPMpp2M(), DPMpp2M(DDIM(0.7)), Heun()]


@pytest.mark.parametrize("solver", WALKERS, ids=str)
def test_spreads_are_what_the_loop_does(solver: Solver) -> None:
    for case, plan in plans_of(solver).items():
        expected = walked(solver, plan).tolist()
        assert spreads(solver, plan, DATA).tolist() == pytest.approx(expected, rel=1e-10, abs=1e-12), case


def test_a_plan_may_end_in_noise() -> None:
    plan = trailing(Cosine(), 4)[:-1]
    assert spreads(DDIM(1.0), plan, DATA).tolist() == pytest.approx(walked(DDIM(1.0), plan).tolist(), rel=1e-12)
    assert as_floats(plan[-1])[1] > 0.1


def test_drawn_images_have_the_spreads() -> None:
    """By real draws: 200,000 pixels in each direction, within 4.5 standard errors."""
    plan, data = trailing(linear(1000), 6), torch.tensor([0.9, 0.3, 0.05])
    noise, like = Seeded(3, range(10)), torch.empty(10, 3, 100, 200)
    for solver in (DDPM(1.0), Shaky()):
        x = last(sample(Gaussian(0.0, data[:, None, None]), prior(noise, plan[0], like), plan, solver, noise))
        drawn = x.double().transpose(0, 1).flatten(1).std(1)
        expected = spreads(solver, plan, data.double())
        assert ((drawn / expected - 1).abs() < 4.5 / math.sqrt(2 * 200_000)).all()


def test_one_step_from_pure_noise_has_no_spread() -> None:
    assert spreads(DDIM(), trailing(Cosine(), 1), DATA).tolist() == [0.0] * len(DATA)


# ---- the total


@pytest.mark.parametrize("name", BY_HAND)
def test_many_steps_give_the_datas_own_spread(name: str) -> None:
    few, many = (predict(BY_HAND[name][0], karras(Cosine(), steps), DATA) for steps in (50, 400))
    assert abs(many.spread - 1) < 0.02
    assert many.frechet < few.frechet / 20


def orthogonal(n: int, d: int) -> Tensor:
    """[n,d] with columns of mean 0 and of sample covariance exactly the identity: a discrete cosine transform."""
    angles = math.pi / n * (torch.arange(n, dtype=torch.float64)[:, None] + 0.5) * torch.arange(1, d + 1)
    return torch.cos(angles) * math.sqrt(2 * (n - 1) / n)


@pytest.mark.parametrize("solver", [DDIM(), DDPM(), DPMpp2M()], ids=["ddim", "ddpm", "dpmpp2m"])
def test_frechet_and_spread_are_those_of_points_with_these_deviations(solver: Solver) -> None:
    plan = trailing(Flow(), 7)
    out, points = spreads(solver, plan, DATA), orthogonal(50, len(DATA))
    found = predict(solver, plan, DATA)
    assert found.frechet == pytest.approx(frechet(points * out, points * DATA), rel=1e-9)
    assert found.spread == pytest.approx(((points * out).var(0).sum() / (points * DATA).var(0).sum()).sqrt().item())


@pytest.mark.parametrize("n", [20, 300])
def test_the_unit_error_is_that_of_simulated_draws(n: int) -> None:
    """The spread of n Gaussian images, drawn 1,500 times, varies by unit_error/√(n − 1); within 4.5 standard errors."""
    plan, data = trailing(Cosine(), 6), torch.tensor([0.9, 0.5, 0.3, 0.3, 0.2, 0.05], dtype=torch.float64)
    found, out = predict(DDIM(0.5), plan, data), spreads(DDIM(0.5), plan, data)
    drawn = torch.randn(1500, n, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * out
    measured = (drawn.var(1).sum(1) / data.square().sum()).sqrt()
    error = found.unit_error / math.sqrt(n - 1)
    assert measured.std().item() == pytest.approx(error, rel=4.5 / math.sqrt(2 * 1500))
    assert abs(measured.mean().item() - found.spread) < 4.5 * error / math.sqrt(1500) + error**2 / found.spread


def test_the_last_step_is_the_denoisers_whatever_the_solver() -> None:
    plan = [Cosine().at(0.5), CLEAN]
    out = [spreads(solver, plan, DATA).tolist() for solver in (DDIM(), DDPM(), Heun(), DPMpp2M(), Shaky())]
    assert all(each == out[0] for each in out)
    level = plan[0].alpha, plan[0].sigma
    assert out[0] == pytest.approx([image(level, Data(0.0, s))[0] for s in DATA.tolist()])


# ---- the data's directions


@pytest.mark.parametrize(
    ("n", "shape"), [(50, (1, 3, 4)), (7, (3, 4, 4)), (13, (1, 3, 4)), (12, (1, 3, 4)), (2, (1, 1, 1))]
)
def test_the_principal_directions_of_images(n: int, shape: tuple[int, int, int]) -> None:
    pixels = torch.randint(0, 256, (n, *shape), generator=torch.Generator().manual_seed(n), dtype=torch.uint8)
    flat = to_float(pixels).double().flatten(1).numpy()
    kept = min(n - 1, flat.shape[1])
    expected = np.sort(np.linalg.eigvalsh(np.cov(flat.T).reshape(flat.shape[1], -1)))[::-1][:kept]
    found = stds(pixels)
    assert found.square().tolist() == pytest.approx(expected.tolist(), rel=1e-9)
    assert found.square().sum().item() == pytest.approx(flat.var(0, ddof=1).sum())


def test_a_few_images_stand_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = torch.randint(0, 256, (30, 1, 2, 2), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    monkeypatch.setattr(theory, "IMAGES", 20)
    assert torch.equal(stds(pixels), stds(pixels[:20]))
