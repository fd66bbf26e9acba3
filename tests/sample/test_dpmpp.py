"""DPM-Solver++(2M) against diffusers' own."""

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor, nn

from gaussian_flow import MEAN, STD
from inkwash.core import CLEAN, X0, Cosine, Discrete, Eps, Flow, V, linear, trailing
from inkwash.denoise import Denoiser, Gaussian
from inkwash.sample import DDIM, DPMpp2M, last, sample

KINDS = {"epsilon": Eps(), "v_prediction": V(), "sample": X0()}


class Wavy(nn.Module):
    def forward(self, x: Tensor, t: Tensor, cond: object = None) -> Tensor:
        return torch.tanh(1.3 * x.roll(1, -1) - 0.4 * x + torch.sin(t.to(x) / 150).view(-1, 1, 1, 1))


def start() -> Tensor:
    return torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))


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
