"""UniPC-2 against diffusers' own."""

import pytest
import torch
from diffusers import UniPCMultistepScheduler
from test_dpmpp import KINDS, Wavy, start

from inkwash.core import CLEAN, Discrete
from inkwash.denoise import Denoiser
from inkwash.sample import DDIM, UniPC, last, sample


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spacing", ["trailing", "linspace", "leading"])
@pytest.mark.parametrize("steps", [5, 20, 50])
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # theirs, of NumPy 2
def test_unipc_is_diffusers(kind: str, spacing: str, steps: int) -> None:
    theirs = UniPCMultistepScheduler(
        1000, beta_schedule="linear", prediction_type=kind, timestep_spacing=spacing, solver_order=2, solver_type="bh2"
    )
    schedule = Discrete(theirs.betas.double())
    theirs.alphas_cumprod = torch.cumprod(1 - theirs.betas.double(), 0)  # their float32 table has fewer digits
    theirs.set_timesteps(steps)
    plan = [*(schedule.at(int(t)) for t in theirs.timesteps), CLEAN]
    net, x = Wavy(), start()
    for t in theirs.timesteps:
        x = theirs.step(net(x, t.expand(2)), t, x).prev_sample
    got = last(sample(Denoiser(net, KINDS[kind]), start(), plan, UniPC(), torch.zeros_like))
    torch.testing.assert_close(got, x, rtol=0, atol=1e-5 * max(1, x.abs().max().item()))
    ddim = last(sample(Denoiser(net, KINDS[kind]), start(), plan, DDIM(), torch.zeros_like))
    assert (got - ddim).abs().max() > 1e-3 * x.abs().max()  # which it is not
