"""On Gaussian data every solver's samples have the mean and spread of a recursion derived by hand."""

import math

import pytest
import torch
from torch import Tensor

from gaussian_flow import DATA, MEAN, STD, Affine, Pair, Table, exploding, straight, variance_preserving
from inkwash.core import (
    VE,
    Cosine,
    Discrete,
    Flow,
    Plan,
    Seeded,
    as_floats,
    cosine,
    karras,
    leading,
    linear,
    linspace,
    prior,
    scaled_linear,
    sigmoid,
    trailing,
)
from inkwash.denoise import Gaussian
from inkwash.sample import DDIM, DDPM, DPMpp2M, Solver, last, sample
from solvers import BY_HAND

SCHEDULES = {
    "linear 200": linear(200),
    "linear 1000": linear(1000),
    "linear 2000": linear(2000),
    "cosine": cosine(1000),
    "sigmoid": sigmoid(1000),
    "scaled linear": scaled_linear(1000),
    "Cosine": Cosine(),
    "Flow": Flow(),
    "VE": VE(),
}
ORACLE = Gaussian(MEAN, STD)


def line(a: float, b: float, T: int) -> list[float]:
    return [a + (b - a) * i / (T - 1) for i in range(T)]


TABLES = {
    "linear 200": Table(line(5e-4, 0.1, 200)).levels(),
    "linear 1000": Table(line(1e-4, 0.02, 1000)).levels(),
    "linear 2000": Table(line(5e-5, 0.01, 2000)).levels(),
    "scaled linear": Table([root**2 for root in line(0.00085**0.5, 0.012**0.5, 1000)]).levels(),
    # these betas have their own test, in 50 digits
    "cosine": Table(SCHEDULES["cosine"].betas.tolist()).levels(),
    "sigmoid": Table(SCHEDULES["sigmoid"].betas.tolist()).levels(),
}
FORMULAS = {
    "Cosine": lambda t: (math.cos(math.pi / 2 * t) if t < 1 else 0.0, math.sin(math.pi / 2 * t)),
    "Flow": lambda t: (1 - t, t),
    "VE": lambda t: (1.0, 0.002 ** (1 - t) * 80**t),
}
RATIOS = {"Flow": straight, "VE": exploding}


def by_hand(name: str, spacing, steps: int, plan: Plan) -> list[Pair]:
    """The levels with noise: of the plan's own t, or for karras of eq. 5 between the schedule's ends."""
    if spacing is karras:
        first, top = (TABLES[name][0], TABLES[name][-1]) if name in TABLES else map(FORMULAS[name], (0.001, 1.0))
        low, high = first[1] / first[0], min(top[1] / top[0] if top[0] else math.inf, 80.0)
        a, b = high ** (1 / 7), low ** (1 / 7)
        ratios = [(a + i / max(steps - 1, 1) * (b - a)) ** 7 for i in range(steps)]
        return [RATIOS.get(name, variance_preserving)(r) for r in ratios]
    rows = TABLES[name].__getitem__ if name in TABLES else FORMULAS[name]
    return [rows(level.t) for level in plan[:-1]]


def measured(solver: Solver, plan: Plan) -> Affine:
    """The affine map that sampling is, exactly: one "pixel" for each number that x depends on.

    Pixel 0 has x_T = 0 and no noise, pixel 1 has x_T = 1, and pixel 2 + k has the k-th noise 1.
    """
    calls = 0

    def noise(x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return torch.zeros_like(x).index_fill_(0, torch.tensor([1 + calls]), 1.0)

    x = torch.zeros(2 + (len(plan) - 2 if solver.eta > 0 else 0), dtype=torch.float64)
    x[1] = 1
    end = last(sample(ORACLE, x, plan, solver, noise))
    assert calls == len(x) - 2
    return Affine((end[1] - end[0]).item(), end[0].item(), (end[2:] - end[0]).square().sum().item())


def check(name: str, spacing, steps: int, solver_name: str) -> None:
    plan = spacing(SCHEDULES[name], steps)
    solver, recursion = BY_HAND[solver_name]
    if plan[0].alpha == 0 and not solver.starts_at_pure_noise:
        return
    expected, got = recursion(by_hand(name, spacing, steps, plan), DATA), measured(solver, plan)
    size = max(map(abs, expected))  # few steps of Heun from far away overshoot by any factor
    case = f"{name}, {spacing.__name__}, {steps} steps, {solver_name}"
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-11 * max(size, 1)), case


@pytest.mark.parametrize("solver", BY_HAND)
@pytest.mark.parametrize("name", SCHEDULES)
def test_samples_are_the_recursions(name: str, solver: str) -> None:
    for spacing in (trailing, leading, linspace, karras):
        for steps in (1, 2, 7, 50):
            check(name, spacing, steps, solver)
    if name == "linear 1000":
        check(name, trailing if BY_HAND[solver][0].starts_at_pure_noise else karras, 1000, solver)


@pytest.mark.parametrize("solver", BY_HAND)
def test_drawn_images_have_the_recursions_moments(solver: str) -> None:
    """By real draws through Seeded noise and float32 images: 100,000 pixels, within 4 standard errors."""
    made, recursion = BY_HAND[solver]
    spacing = trailing if made.starts_at_pure_noise else karras
    plan = spacing(linear(1000), 12)
    mean, std = recursion(by_hand("linear 1000", spacing, 12, plan), DATA).moments(0.0, 1.0)
    noise, like = Seeded(4, range(10)), torch.empty(10, 1, 100, 100)
    x = last(sample(ORACLE, prior(noise, plan[0], like), plan, made, noise)).double()
    assert abs(x.mean().item() - mean) < 4 * std / math.sqrt(x.numel())
    assert abs(x.std().item() - std) < 4 * std / math.sqrt(2 * x.numel())


@pytest.mark.parametrize("solver", BY_HAND)
@pytest.mark.parametrize("name", ["linear 1000", "Flow", "VE"])
def test_many_steps_give_the_data_itself(name: str, solver: str) -> None:
    """A recursion could agree with a solver and both be wrong; their limit cannot."""
    schedule = SCHEDULES[name]
    steps = 1000 if isinstance(schedule, Discrete) else 400
    walk = by_hand(name, karras, steps, karras(schedule, steps))
    # x_T of exact data, not of a prior
    start = walk[0][0] * MEAN, math.hypot(walk[0][0] * STD, walk[0][1])
    assert BY_HAND[solver][1](walk, DATA).moments(*start) == pytest.approx((MEAN, STD), rel=0.02)


def test_one_step_is_the_mean_of_the_data_at_pure_noise() -> None:
    """From pure noise, one step of anything is E[x₀]."""
    x = torch.randn(3, 1, 4, 4)
    for solver in (DDIM(), DDPM(), DPMpp2M()):
        for schedule in (Cosine(), Flow()):
            assert torch.equal(last(sample(ORACLE, x, trailing(schedule, 1), solver, torch.zeros_like)),
                               torch.full_like(x, MEAN))  # fmt: skip


@pytest.mark.parametrize("T", [20, 50, 200, 1000, 2000])
def test_the_linear_schedule_ends_near_pure_noise_for_every_number_of_timesteps(T: int) -> None:
    """Sampling begins at N(0, 1), which is the marginal of the last row to 1 % whatever T is."""
    mean, std = -0.739, 0.6
    schedule = linear(T)
    x = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64).view(3, 1, 1, 1)
    x0 = last(sample(Gaussian(mean, std), x, trailing(schedule, T), DDIM(), torch.zeros_like)).flatten()
    alpha, sigma, _ = as_floats(schedule.at(T - 1))
    assert alpha / sigma < 0.01
    assert x0[1].item() == pytest.approx(mean, abs=0.01)
    exact = std * math.exp(sum_of_logs(schedule, std, T))  # of the DDIM recursion, without a solver
    assert (x0[2] - x0[0]).item() / 2 == pytest.approx(exact, rel=1e-9)


def sum_of_logs(schedule, std: float, T: int) -> float:
    """log of the factor by which DDIM scales x from the last row to the image, divided by the data's std."""
    total = 0.0
    for t in range(T - 1, -1, -1):
        a, s, _ = as_floats(schedule.at(t))
        a2, s2 = (1.0, 0.0) if t == 0 else as_floats(schedule.at(t - 1))[:2]
        gain = a * std**2 / (a**2 * std**2 + s**2)
        total += math.log(s2 / s + (a2 - s2 / s * a) * gain)
    return total - math.log(std)
