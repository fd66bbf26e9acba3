"""DDIM and DDPM against diffusers' own, and what diffusers' DDIM does with linspace spacing."""

import math

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor, nn

from gaussian_flow import DATA, Table, ddim
from inkwash.core import X0, Discrete, Eps, V, leading, linear, linspace, posterior, trailing
from inkwash.denoise import Denoiser, Gaussian, clip
from inkwash.errors import UsageError
from inkwash.sample import DDIM, DDPM, last, sample

KINDS = {"epsilon": Eps(), "v_prediction": V(), "sample": X0()}


class Wavy(nn.Module):
    """Some function of x and t, neither linear nor like any denoiser."""

    def forward(self, x: Tensor, t: Tensor, cond: object = None) -> Tensor:
        return torch.tanh(1.3 * x.roll(1, -1) - 0.4 * x + torch.sin(t.to(x) / 150).view(-1, 1, 1, 1))


def start(n: int = 2) -> Tensor:
    return torch.randn(n, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def noises(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, 1, 4, 4, generator=generator, dtype=torch.float64) for _ in range(count)]


def replayed(zs: list[Tensor]):
    left = iter(zs)
    return lambda x: next(left)


def exact(scheduler):
    """Their algorithm on a float64 table: their own, in float32, has 1 − ᾱ to three digits at small t."""
    betas = scheduler.betas.double()
    scheduler.alphas_cumprod = torch.cumprod(1 - betas, 0)
    scheduler.final_alpha_cumprod = torch.ones((), dtype=torch.float64)
    return scheduler, Discrete(betas)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("clipped", [False, True])
@pytest.mark.parametrize(("spacing", "steps"), [(trailing, 50), (trailing, 8), (leading, 50), (leading, 20)])
def test_ddim_is_diffusers(kind: str, eta: float, clipped: bool, spacing, steps: int) -> None:
    theirs, schedule = exact(
        DDIMScheduler(
            1000, clip_sample=clipped, prediction_type=kind, timestep_spacing=spacing.__name__, steps_offset=0
        )
    )
    theirs.set_timesteps(steps)
    plan = spacing(schedule, steps)
    assert [level.t for level in plan[:-1]] == theirs.timesteps.tolist()
    net, x, zs = Wavy(), start(), noises(steps)
    for t, z in zip(theirs.timesteps, zs, strict=True):
        output = net(x, t.expand(2))
        # they leave ε̂ as it was before clipping unless asked
        x = theirs.step(output, t, x, eta=eta, variance_noise=z, use_clipped_model_output=clipped).prev_sample
    denoise = Denoiser(net, KINDS[kind])
    got = last(sample(clip(denoise) if clipped else denoise, start(), plan, DDIM(eta), replayed(zs)))
    torch.testing.assert_close(got, x, rtol=1e-9, atol=1e-9 * x.abs().max().item())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("variance", "large"), [("fixed_small", 0.0), ("fixed_large", 1.0)])
@pytest.mark.parametrize("clipped", [False, True])
def test_ddpm_is_diffusers(kind: str, variance: str, large: float, clipped: bool) -> None:
    theirs, schedule = exact(DDPMScheduler(1000, variance_type=variance, clip_sample=clipped, prediction_type=kind))
    theirs.set_timesteps(1000)
    net, x, one, two = Wavy(), start(), torch.Generator().manual_seed(2), torch.Generator().manual_seed(2)
    for t in theirs.timesteps:
        x = theirs.step(net(x, t.expand(2)), t, x, generator=one).prev_sample

    def same(x: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=two, dtype=x.dtype)

    denoise = Denoiser(net, KINDS[kind])
    plan = trailing(schedule, 1000)
    got = last(sample(clip(denoise) if clipped else denoise, start(), plan, DDPM(large), same))
    torch.testing.assert_close(got, x, rtol=1e-8, atol=1e-8 * x.abs().max().item())


def test_diffusers_as_it_ships_agrees_to_its_own_rounding() -> None:
    theirs = DDIMScheduler(1000, clip_sample=False, timestep_spacing="trailing", prediction_type="v_prediction")
    theirs.set_timesteps(50)
    net, x = Wavy(), start().float()
    for t in theirs.timesteps:
        x = theirs.step(net(x, t.expand(2)), t, x).prev_sample
    got = last(sample(Denoiser(net, V()), start().float(), trailing(linear(1000), 50), DDIM(), torch.zeros_like))
    torch.testing.assert_close(got, x, rtol=0, atol=1e-5 * x.abs().max().item())


def test_diffusers_linspace_misses_its_own_plan() -> None:
    """diffusers' DDIM with timestep_spacing="linspace" steps from t to t − T//n, where its next level isn't.

    linspace's levels are (T − 1)/(n − 1) apart: with T = 1000 and n = 10 it visits 999, 888, 777, … but
    treats x at 888 as x at 899. With a perfect denoiser of Gaussian data its samples miss the closed form
    of its plan by a tenth of the spread; inkwash's on the same levels don't.
    """
    theirs, schedule = exact(DDIMScheduler(1000, clip_sample=False, timestep_spacing="linspace"))
    theirs.set_timesteps(10)
    plan = linspace(schedule, 10)
    assert [level.t for level in plan[:-1]] == theirs.timesteps.tolist() == list(range(999, -1, -111))

    rows = Table(schedule.betas.tolist()).levels()
    expected = ddim([rows[t] for t in range(999, -1, -111)], DATA, 0.0)
    oracle, x = Gaussian(*DATA), torch.tensor([0.0, 1.0], dtype=torch.float64)
    ours = last(sample(oracle, x, plan, DDIM(), torch.zeros_like))
    for t in theirs.timesteps:
        level = schedule.at(int(t))
        eps = (x - level.alpha * oracle(x, level)) / level.sigma
        x = theirs.step(eps, t, x).prev_sample

    assert (ours[1] - ours[0]).item() == pytest.approx(expected.scale, rel=1e-9, abs=0)
    assert abs((x[1] - x[0]).item() - expected.scale) > 0.1 * expected.scale


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_the_labs_eta_scales_the_variance(eta: float) -> None:
    t, s = linear(1000).at(500), linear(1000).at(400)
    small = posterior(t, s, 1.0).std ** 2  # β̃
    assert posterior(t, s, DDIM.lab(eta).eta).std ** 2 == pytest.approx(eta * small, rel=1e-14, abs=0)
    assert posterior(t, s, DDIM(eta).eta).std == pytest.approx(eta * math.sqrt(small), rel=1e-14, abs=0)


def test_the_two_etas_agree_at_both_ends() -> None:
    assert DDIM.lab(0.0) == DDIM(0.0) == DDIM()
    assert DDIM.lab(1.0) == DDIM(1.0) == DDIM(DDPM().eta)


@pytest.mark.parametrize("wrong", [{"eta": -0.1}, {"eta": 1.1}, {"large": -1.0}, {"large": 2.0}, {"eta": math.nan}])
def test_numbers_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        DDIM(**wrong)
    if "eta" in wrong:
        with pytest.raises(UsageError, match=r"\[0, 1\]"):
            DDIM.lab(wrong["eta"])
