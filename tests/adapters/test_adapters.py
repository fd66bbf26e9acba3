"""inkwash's denoisers in other libraries, and theirs in inkwash: exact denoisers of Gaussians, and networks."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from inkwash.adapters.azula import from_azula, to_azula
from inkwash.adapters.deepinv import from_deepinv, to_deepinv
from inkwash.adapters.diffusers import from_diffusers, to_diffusers
from inkwash.adapters.level import level_at
from inkwash.core import Cosine, Flow, Level, linear, trailing
from inkwash.denoise import Gaussian, clip
from inkwash.errors import UsageError
from inkwash.sample import DDIM, last, sample

MEAN, STD = 0.3, 0.4
EXACT = Gaussian(MEAN, STD)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def told(x: Tensor, level: Level) -> Tensor:
    """A denoiser that answers with the t that it is told."""
    t = level.t if isinstance(level.t, Tensor) else torch.full((len(x),), float(level.t))
    return t.view(-1, 1, 1, 1).expand_as(x).float()


@pytest.mark.parametrize("schedule", [linear(1000), Cosine(), Flow()])
def test_a_level_has_the_t_of_its_log_snr(schedule: Any) -> None:
    for t in (100, 900) if schedule.num_timesteps else (0.1, 0.9):
        level = schedule.at(t)
        for c in (1.0, 3.0):  # the t does not depend on the scale of x
            found = level_at(schedule, c * level.alpha, c * level.sigma)
            assert found.t == pytest.approx(t, abs=1e-6)
            assert (found.alpha, found.sigma) == (c * level.alpha, c * level.sigma)
    both = level_at(schedule, torch.tensor([0.6, 0.8]), torch.tensor([0.8, 0.6]))
    assert torch.as_tensor(both.t).shape == (2,)
    with pytest.raises(UsageError, match="above 0"):
        level_at(schedule, 1.0, 0.0)


# ---- diffusers


def test_our_denoiser_in_its_pipeline() -> None:
    """DDIMPipeline with an exact denoiser draws that Gaussian, whatever the schedule of the model."""
    diffusers = pytest.importorskip("diffusers")
    for kind in ("epsilon", "sample", "v_prediction"):
        scheduler = diffusers.DDIMScheduler(clip_sample=False, prediction_type=kind, timestep_spacing="trailing")
        unet = to_diffusers(EXACT, Cosine(), scheduler, (1, 4, 4))
        pipe = diffusers.DDIMPipeline(unet=unet, scheduler=scheduler)
        pipe.set_progress_bar_config(disable=True)
        made = pipe(3, torch.Generator().manual_seed(1), num_inference_steps=20, output_type="pt").images
        x = torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(1))
        ours = last(sample(EXACT, x, trailing(linear(1000), 20), DDIM(), torch.zeros_like))
        assert (made - (ours / 2 + 0.5).clamp(0, 1)).abs().max() < 1e-5


def test_the_model_is_told_its_own_time() -> None:
    """At ᾱ of diffusers' linear table, a model of the cosine schedule is told the t of the same log SNR."""
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDIMScheduler(prediction_type="sample")
    unet = to_diffusers(told, Cosine(), scheduler, (1, 4, 4))
    level = linear(1000).at(400)
    wanted = math.atan2(level.sigma, level.alpha) * 2 / math.pi
    assert unet(noise(1, 1, 4, 4), 400).sample[0, 0, 0, 0] == pytest.approx(wanted, abs=1e-5)


def test_its_network_as_our_denoiser() -> None:
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",), "norm_num_groups": 4}
    unet = diffusers.UNet2DModel(8, 1, 1, block_out_channels=(8,), num_class_embeds=3, **blocks).eval()
    scheduler = diffusers.DDIMScheduler(timestep_spacing="trailing")
    scheduler.set_timesteps(10)
    denoiser, schedule = from_diffusers(unet, scheduler)
    x, labels = noise(2, 1, 8, 8), torch.tensor([2, 0])
    ours = last(sample(clip(denoiser.given(labels)), x, trailing(schedule, 10), DDIM(), torch.zeros_like))
    with torch.no_grad():
        for t in scheduler.timesteps:
            x = scheduler.step(unet(x, t, labels).sample, t, x, use_clipped_model_output=True).prev_sample
    assert (ours - x).abs().max() < 1e-4
    with pytest.raises(UsageError, match="the scheduler has flow"):
        from_diffusers(unet, diffusers.DDIMScheduler(prediction_type="flow"))


# ---- azula


def test_our_denoiser_in_azulas_samplers() -> None:
    """Its DDIM with an exact denoiser transports noise to the Gaussian's own moments."""
    pytest.importorskip("azula")
    from azula.noise import CosineSchedule
    from azula.sample import DDIMSampler

    denoiser = to_azula(EXACT, Cosine(), CosineSchedule())
    sampler = DDIMSampler(denoiser, steps=200, silent=True, dtype=torch.float64)
    start = sampler.init((2000, 1, 2, 2), mean=MEAN, var=STD**2)
    made = sampler(start.double())
    assert made.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert made.std().item() == pytest.approx(STD, abs=0.02)
    t = torch.tensor([0.3, 0.7])
    alpha, sigma = denoiser.schedule(t)
    x = noise(2, 1, 4, 4)
    wanted = EXACT(x, Level(t, alpha.view(-1, 1, 1, 1), sigma.view(-1, 1, 1, 1)))
    assert torch.allclose(denoiser(x, t).mean, wanted, atol=1e-6)


@pytest.mark.parametrize("schedule", [linear(1000), Cosine(), Flow()])
def test_there_and_back_again(schedule: Any) -> None:
    """inkwash to azula to inkwash: the same x̂₀ at every level."""
    pytest.importorskip("azula")
    back, x = from_azula(to_azula(EXACT, Cosine())), noise(2, 1, 4, 4)
    for level in trailing(schedule, 7)[:-1]:
        if level.alpha > 1e-3:  # azula's schedule ends there
            assert torch.allclose(back(x, level), EXACT(x, level), atol=1e-4)


# ---- deepinv


def test_our_denoiser_in_deepinv() -> None:
    pytest.importorskip("deepinv")
    denoiser, x = to_deepinv(EXACT, Cosine()), 0.2 + 0.5 * noise(2, 1, 4, 4)
    for sigma in (0.1, torch.tensor([0.1, 0.3])):
        s = torch.as_tensor(sigma)
        there, var = (MEAN + 1) / 2, (STD / 2) ** 2  # the Gaussian of images in [0, 1]
        gain = (var / (var + s**2)).view(-1, 1, 1, 1)
        assert torch.allclose(denoiser(x, sigma), there + gain * (x - there), atol=1e-5)
    back, plan = from_deepinv(denoiser), trailing(linear(1000), 5)
    for level in plan[:-1]:
        assert torch.allclose(back(x, level), EXACT(x, level), atol=1e-3)
    with pytest.raises(UsageError, match="no pure noise"):
        back(x, Cosine().at(1.0)._replace(alpha=0.0))
