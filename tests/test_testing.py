"""The laws hold for everything in the house, and break for what is wrong."""

import math
from typing import Any

import pytest
import torch

from inkwash import choices
from inkwash.core import Flow, Level, V, linear
from inkwash.denoise import Dataset, Denoiser, Gaussian
from inkwash.nets import UNet
from inkwash.sample import DDIM, DDPM, Heun
from inkwash.testing import (
    LawBroken,
    check_denoiser,
    check_prediction,
    check_schedule,
    check_solver,
    convergence_order,
    order_of,
)

SCHEDULES = {row.name: choices.call(row.load(), num_timesteps=1000) for row in choices.SCHEDULES}
SCHEDULES["linear 200"] = linear(200)
PREDICTIONS = {row.name: choices.call(row.load(), sigma_data=0.4) for row in choices.PREDICTIONS}
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


@each_schedule
def test_schedules_keep_theirs(schedule):
    check_schedule(schedule)


@each_schedule
@pytest.mark.parametrize("prediction", PREDICTIONS.values(), ids=PREDICTIONS)
def test_predictions_keep_theirs(prediction, schedule):
    check_prediction(prediction, schedule)


def test_denoisers_keep_theirs():
    torch.manual_seed(0)
    x, level = torch.randn(4, 1, 8, 8), linear().at(400)
    net = UNet(channels=8, mults=(1, 2), blocks=1)
    for denoise in (Gaussian(0.1, 0.4), Dataset(torch.randn(9, 1, 8, 8)), Denoiser(net, V())):
        check_denoiser(denoise, x, level)


def test_a_first_order_solver_is_not_second():
    with pytest.raises(LawBroken, match=r"has order 2: (0\.9|1\.0)\d* was measured"):
        check_solver(DDIM(), order=2)


class Plain:
    """A solver without facts: DDIM's step, and what a test adds to it."""

    def step(self, denoise, x, t, s, memory, noise):
        return DDIM().step(denoise, x, t, s, None, noise)


class Noisy(Plain):
    def step(self, denoise, x, t, s, memory, noise):
        return x + 0.01 * noise(x), None


class TwiceNoisy(DDPM):
    def step(self, denoise, x, t, s, memory, noise):
        noise(x)
        return super().step(denoise, x, t, s, memory, noise)


class Shrinking(Plain):
    """Loses a hundredth of x at every step, whatever the number of steps."""

    def step(self, denoise, x, t, s, memory, noise):
        x, _ = super().step(denoise, x, t, s, memory, noise)
        return 0.99 * x, None


class Spendthrift(DDIM):
    def step(self, denoise, x, t, s, memory, noise):
        denoise(x, t)
        return super().step(denoise, x, t, s, memory, noise)


class Promising(Heun):
    starts_at_pure_noise = True


class Timid(DDIM):
    starts_at_pure_noise = False


class Lofty(DDIM):
    order = 2


@pytest.mark.parametrize(
    ("solver", "law"),
    [
        (Noisy(), "noise only where its eta is over 0"),
        (TwiceNoisy(), "at most once a step"),
        (Shrinking(), "order 1"),
        (Lofty(), "order 2"),
        (Spendthrift(), "evaluated_at"),
        (Promising(), "begins at α = 0: it refused"),
        (Timid(), "raises an error at α = 0: it did not"),
    ],
)
def test_a_wrong_solver_is_found(solver, law):
    with pytest.raises(LawBroken, match=law):
        check_solver(solver)


def test_a_solver_needs_no_facts():
    check_solver(Plain())


def test_an_exact_solver_has_any_order():
    class Exact:
        def step(self, denoise, x, t, s, memory, noise):
            before, after = ((level.alpha**2 * 0.25 + level.sigma**2) ** 0.5 for level in (t, s))
            return s.alpha * 0.3 + (x - t.alpha * 0.3) * after / before, None

    assert order_of(Exact()) == math.inf
    check_solver(Exact(), order=9)


def test_the_order_of_errors():
    assert convergence_order([1, 2, 4, 8], [5 * n**-2.5 for n in (1, 2, 4, 8)]) == pytest.approx(2.5)


def test_a_wrong_schedule_is_found():
    class Rising(Flow):
        def at(self, t: Any) -> Level:
            return Level(t, t, 1 - t)

    with pytest.raises(LawBroken, match="log SNR falls"):
        check_schedule(Rising())


def test_a_wrong_prediction_is_found():
    class Blind:
        def row(self, level: Level) -> tuple[float, float]:
            return 0.0, 1.0 + 1e-6 * torch.rand(()).item()  # another row each time it is asked

    with pytest.raises(LawBroken, match="comes back"):
        check_prediction(Blind())


def test_a_denoiser_that_reads_sigma_alone_is_found():
    with pytest.raises(LawBroken, match="c·x"):
        check_denoiser(lambda x, level: x / (1 + level.sigma), torch.ones(2, 1, 4, 4), linear().at(500))
