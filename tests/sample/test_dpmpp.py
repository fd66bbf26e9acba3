"""DPM-Solver++(2M): its order, and diffusers' own."""

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from gaussian_flow import MEAN, STD, flow, slope_of
from torch import Tensor, nn

from inkwash.core import CLEAN, VE, X0, Cosine, Discrete, Eps, Flow, V, cosine, karras, linear, trailing
from inkwash.denoise import Denoiser, Gaussian
from inkwash.sample import DDIM, DPMpp2M, last, sample

KINDS = {"epsilon": Eps(), "v_prediction": V(), "sample": X0()}


class Wavy(nn.Module):
    def forward(self, x: Tensor, t: Tensor, cond: object = None) -> Tensor:
        return torch.tanh(1.3 * x.roll(1, -1) - 0.4 * x + torch.sin(t.to(x) / 150).view(-1, 1, 1, 1))


def start() -> Tensor:
    return torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("schedule", [VE(), Cosine(), Flow(), linear(1000)])
def test_dpmpp_is_of_second_order(schedule) -> None:
    """On the exact probability flow of Gaussian data, over plans that end at a noisy level."""
    steps, errors = [100, 200, 400, 800], []
    for n in steps:
        plan = karras(schedule, n)[:-1]
        x = torch.ones(1, dtype=torch.float64)
        end = last(sample(Gaussian(MEAN, STD), x, plan, DPMpp2M(), torch.zeros_like)).item()
        errors.append(abs(end - flow(plan[0][1:], plan[-1][1:], 1.0)))
    assert slope_of(steps, errors) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spacing", ["trailing", "linspace", "leading"])
@pytest.mark.parametrize("steps", [5, 20, 50])
@pytest.mark.parametrize("betas", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize(("eta", "name"), [(0.0, "dpmsolver++"), (1.0, "sde-dpmsolver++")])
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # theirs, of NumPy 2
def test_dpmpp_is_diffusers(kind: str, spacing: str, steps: int, betas: str, eta: float, name: str) -> None:
    theirs = DPMSolverMultistepScheduler(
        1000, beta_schedule=betas, prediction_type=kind, timestep_spacing=spacing,
        algorithm_type=name, solver_order=2, solver_type="midpoint",
    )  # fmt: skip
    schedule = Discrete(theirs.betas.double())
    theirs.alphas_cumprod = torch.cumprod(1 - theirs.betas.double(), 0)  # their float32 table has fewer digits
    theirs.set_timesteps(steps)
    plan = [*(schedule.at(int(t)) for t in theirs.timesteps), CLEAN]
    net, x = Wavy(), start()
    noises = torch.randn(steps, *x.shape, generator=torch.Generator().manual_seed(1))
    for t, z in zip(theirs.timesteps, noises, strict=True):
        x = theirs.step(net(x, t.expand(2)), t, x, variance_noise=z).prev_sample
    fresh = iter(noises)
    got = last(sample(Denoiser(net, KINDS[kind]), start(), plan, DPMpp2M(DDIM(eta)), lambda x: next(fresh)))
    torch.testing.assert_close(got, x, rtol=0, atol=1e-5 * max(1, x.abs().max().item()))


def test_the_first_step_and_one_after_pure_noise_are_ddims() -> None:
    """Where there is nothing to extrapolate from, or from an infinite distance."""
    x = torch.randn(3, dtype=torch.float64)
    oracle = Gaussian(MEAN, STD)
    for ddim in (DDIM(), DDIM(0.6), DDIM(1.0, large=1.0)):
        for schedule, edges in ((linear(1000), 1), (Cosine(), 2), (Flow(), 2)):
            plan = trailing(schedule, 10)[: edges + 1]
            ours, theirs = (last(sample(oracle, x, plan, solver, torch.ones_like)) for solver in (DPMpp2M(ddim), ddim))
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
        longer = trailing(linear(1000), 10)[3:7]
        ours, theirs = (last(sample(oracle, x, longer, solver, torch.ones_like)) for solver in (DPMpp2M(ddim), ddim))
        assert (ours - theirs).abs().max() > 1e-3


def test_a_denoiser_that_never_changes_its_mind_is_followed_exactly() -> None:
    """With x̂₀ constant the flow is x = α·x̂₀ + σ·ε with ε fixed, at any number of steps."""
    x0, eps = torch.randn(2, 4, dtype=torch.float64)
    for steps in (2, 3, 10):
        plan = trailing(cosine(1000), steps)
        x = plan[0].alpha * x0 + plan[0].sigma * eps
        for snapshot in sample(lambda x, level: x0, x, plan, DPMpp2M(), torch.zeros_like):
            expected = snapshot.level.alpha * x0 + snapshot.level.sigma * eps
            torch.testing.assert_close(snapshot.x, expected, rtol=1e-10, atol=1e-12)
