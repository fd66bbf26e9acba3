"""Deterministic encoding: integrates the probability-flow ODE in reverse, from an image to its noise."""

from collections.abc import Iterator

import torch
from torch import Tensor

from inkwash.core import Denoise, Plan, as_floats
from inkwash.errors import UsageError
from inkwash.sample.loop import Snapshot


def encode(denoise: Denoise, x0: Tensor, plan: Plan) -> Iterator[Snapshot]:
    """Moves images up a sampling plan, from clean to plan[0], and yields every Snapshot.

    Uses Heun's method, second order, on x/α as a function of σ/α (Song et al. 2021b, section 4.3). At σ = 0 the slope
    is 0 for data that has a density, so the network is not evaluated there. Sampling the same plan with Heun inverts
    the encoding up to discretisation errors.
    """
    if as_floats(plan[0])[0] == 0:
        raise UsageError("an image cannot be encoded into pure noise (α = 0); use karras spacing.")
    slope: Tensor | None = None
    x, noise_t = x0, 0.0  # x/α and σ/α
    yield Snapshot(0, plan[-1], x0)
    for step, level in enumerate(reversed(plan[:-1]), start=1):
        alpha, sigma, _ = as_floats(level)
        noise_s = sigma / alpha
        with torch.no_grad():
            old = torch.zeros_like(x) if slope is None else slope
            guess = x + (noise_s - noise_t) * old
            there = (guess - denoise(alpha * guess, level)) / noise_s
            x = x + (noise_s - noise_t) * (old + there) / 2
            slope = (x - denoise(alpha * x, level)) / noise_s
        noise_t = noise_s
        yield Snapshot(step, level, alpha * x)
