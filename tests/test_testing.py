"""The laws hold for everything in the house, and break for what is wrong."""

from typing import Any

import pytest
import torch

from inkwash import core
from inkwash.core import EDM, VE, X0, Cosine, Eps, Flow, FlowVelocity, Level, V, cosine, linear, scaled_linear, sigmoid
from inkwash.denoise import Dataset, Denoiser, Gaussian
from inkwash.nets import UNet
from inkwash.sample import DDIM, DPMpp2M, Heun
from inkwash.testing import LawBroken, check_denoiser, check_prediction, check_schedule, check_solver

SCHEDULES = [linear(), linear(200), scaled_linear(), cosine(), sigmoid(), Cosine(), Flow(), VE()]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_keep_theirs(schedule):
    check_schedule(schedule)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("prediction", [Eps(), X0(), V(), FlowVelocity(), EDM()])
def test_predictions_keep_theirs(prediction, schedule):
    check_prediction(prediction, schedule)


@pytest.mark.parametrize(("solver", "order"), [(DDIM(), 1), (Heun(), 2), (DPMpp2M(), 2)])
def test_solvers_keep_theirs(solver, order):
    check_solver(solver, order)


def test_denoisers_keep_theirs():
    torch.manual_seed(0)
    x, level = torch.randn(4, 1, 8, 8), linear().at(400)
    net = UNet(channels=8, mults=(1, 2), blocks=1)
    for denoise in (Gaussian(0.1, 0.4), Dataset(torch.randn(9, 1, 8, 8)), Denoiser(net, V())):
        check_denoiser(denoise, x, level)


def test_a_first_order_solver_is_not_second():
    with pytest.raises(LawBroken, match="order 2"):
        check_solver(DDIM(), order=2)


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
        check_denoiser(lambda x, level: x / (1 + level.sigma), torch.ones(2, 1, 4, 4), core.linear().at(500))
