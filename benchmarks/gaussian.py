"""Do samplers do what they say? The spread of samples when the denoiser is exact.

    python benchmarks/gaussian.py

Data is N(0, 0.5²), whose exact denoiser is known, so that every error is the sampler's. For each spacing of 10 and 50
DDIM steps it prints the standard deviation of the samples of inkwash and of diffusers, and that of the recursion which
DDIM's formula (Song et al. 2021, eq. 12) gives in closed form for the levels that each sampler says it visits.
"""

import argparse
import math

import torch
from diffusers import DDIMScheduler

from inkwash.core import Spacing, as_floats, leading, linear, linspace, trailing
from inkwash.denoise import Gaussian
from inkwash.sample import DDIM, last, sample

STD, COUNT = 0.5, 20_000


def recursion(levels: list[tuple[float, float]]) -> float:
    """DDIM is linear in x for a Gaussian: the product of its factors, from spread 1."""
    spread = 1.0
    for (alpha, sigma), (alpha_s, sigma_s) in zip(levels, [*levels[1:], (1.0, 0.0)], strict=True):
        gain = alpha * STD**2 / (alpha**2 * STD**2 + sigma**2)  # x̂₀ = gain·x
        spread *= alpha_s * gain + sigma_s / sigma * (1 - alpha * gain)
    return abs(spread)


def main() -> None:
    schedule, exact = linear(1000), Gaussian(0.0, STD)
    noise = torch.randn(COUNT, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    noise /= noise.std()
    print(f"{'spacing':10} {'steps':>5} {'inkwash':>9} {'its levels':>11} {'diffusers':>10} {'its levels':>11}")
    for spacing in (trailing, leading, linspace):
        for steps in (10, 30, 50):
            row(schedule, exact, noise, spacing, steps)


def row(schedule, exact, noise, spacing: Spacing, steps: int) -> None:  # type: ignore[no-untyped-def]
    plan = spacing(schedule, steps)
    ours = last(sample(exact, noise, plan, DDIM(), torch.randn_like)).std().item()
    expected = recursion([as_floats(level)[:2] for level in plan[:-1]])
    theirs = DDIMScheduler(
        1000, 1e-4, 0.02, "linear", clip_sample=False, set_alpha_to_one=True, timestep_spacing=spacing.__name__
    )
    theirs.set_timesteps(steps)
    x = noise
    for t in theirs.timesteps:
        level = schedule.at(int(t))
        eps = (x - level.alpha * exact(x, level)) / level.sigma
        x = theirs.step(eps, t, x).prev_sample
    said = recursion([as_floats(schedule.at(int(t)))[:2] for t in theirs.timesteps])
    print(f"{spacing.__name__:10} {steps:5} {ours:9.4f} {expected:11.4f} {x.std().item():10.4f} {said:11.4f}")
    assert math.isclose(ours, expected, rel_tol=1e-4)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
