"""Likelihoods of images in bits per dimension: the variational bound, and the probability-flow ODE's density."""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from inkwash.core import CLEAN, Denoise, Noise, Plan, Schedule, as_floats, diffuse, drift
from inkwash.core.plan import noise_range
from inkwash.data import to_float, to_uint8
from inkwash.errors import UsageError


class Bound(NamedTuple):
    """Bits per dimension of each image, float64 [B]; the total is the sum of the other three."""

    total: Tensor
    prior: Tensor  # the image's information that remains at the plan's first level
    diffusion: Tensor  # all edges between levels with noise
    reconstruction: Tensor  # the 8-bit image given the last level with noise
    evaluations: int  # of the denoiser, per image


class Density(NamedTuple):
    """Bits per dimension of each image, float64 [B]."""

    bits: Tensor
    evaluations: int  # of the denoiser, per image; each with one backward pass per probe


def bound_plan(schedule: Schedule, steps: int = 4000, least: float = 0.005) -> Plan:
    """A plan on which the bound of a good denoiser is nearly as low as with infinitely many steps.

    Its strides are equal in log SNR. An edge of stride h in log SNR costs about h/2 times more than infinitely many
    edges between the same levels (Kingma et al. 2021, eq. 13 and 19), so strides equal in time waste 1 to 2 bits per
    dimension at the clean end. For a table, levels lie between its rows, and the network is told a fraction of t; the
    number of rows does not limit the number of steps.

    The plan ends at σ/α = `least`, 0.64 bins of an 8-bit pixel, or at the schedule's own end if that is noisier. Levels
    below half a bin cost bits without describing the image: 0.4 per dimension at σ/α = 0.0016 for a Gaussian.
    """
    low, high = _ends(schedule, 80.0)
    low = max(low, math.log(least))
    return [*(schedule.from_logsnr(2 * (i / (steps - 1) * (high - low) - high)) for i in range(steps)), CLEAN]


def bound(denoise: Denoise, x0: Tensor, plan: Plan, noise: Noise, edges: int | None = None, seed: int = 0) -> Bound:
    """An upper bound of −log₂ p(x₀)/(C·H·W), from one draw of the noise, for sampling along `plan` with η = 1.

    x0 [B,C,H,W] holds 8-bit images in [−1, 1]; the denoiser receives its dtype, and all else is float64.
    The three parts are the KL divergences of Ho et al. 2020, eq. 5, with the posterior's own (small) variance:

    - prior: KL(N(α·x₀, σ²) ‖ N(0, α² + σ²)) at the first level, in closed form;
    - diffusion: an edge t → s costs ½·(SNR_s − SNR_t)·|x₀ − x̂₀(x_t)|² (Kingma et al. 2021, eq. 13);
    - reconstruction: N(x̂₀, (σ/α)²) at the last level with noise, over the bin of each of the 256 grey levels, of
      which the outer two are open (Ho et al. 2020, eq. 13; their std there is σ, which is nearly the same).

    With `edges`, the diffusion part is an unbiased estimate from that many edges, sampled with `seed` and shared by all
    images, since a denoiser takes one level at a time. One edge is drawn from each of `edges` strata, in proportion to
    its cost for white data of unit variance, which is about the largest possible cost. The error of this choice is
    common to the images of a call. The result of image i depends only on its own noise, not on other images.

    Raises UsageError if x0 is not 8-bit, if the plan goes back up in noise, does not end clean, or has only pure
    noise, and for edges < 1.
    """
    with torch.no_grad():
        grey, dimension = _grey(x0), x0[0].numel()
        _check_plan(plan)
        levels = plan[:-1]
        snr = [math.exp(as_floats(level)[2]) for level in levels]
        rise = [high * drift(s, t) for (t, s), high in zip(pairwise(levels), snr[1:], strict=True)]

        def miss(i: int) -> Tensor:
            return (x0 - predicted(i)).square().flatten(1).sum(1)

        def predicted(i: int) -> Tensor:
            x = diffuse(x0.double(), noise(x0).double(), levels[i])
            return denoise(x.to(x0.dtype), levels[i]).double()

        chosen = _edges(rise, snr, edges, seed)
        diffusion = torch.zeros_like(x0[:, 0, 0, 0], dtype=torch.float64)
        for i, weight in chosen:
            diffusion += weight * rise[i] / 2 * miss(i)
        share = snr[0] / (1 + snr[0])  # α²/(α² + σ²)
        prior = ((share * (x0.double().square() - 1) + math.log1p(snr[0])) / 2).flatten(1).sum(1)
        nats = torch.stack([prior, diffusion, -_log_bin(grey, predicted(-1), snr[-1] ** -0.5).flatten(1).sum(1)])
        prior, diffusion, reconstruction = nats / (dimension * math.log(2))
        return Bound(prior + diffusion + reconstruction, prior, diffusion, reconstruction, len(chosen) + 1)


def flow(
    denoise: Denoise,
    x0: Tensor,
    schedule: Schedule,
    steps: int,
    noise: Noise,
    probes: int = 1,
    dequantise: bool = True,
    most: float = 80.0,
) -> Density:
    """−log₂ of the density of x₀ under the probability-flow ODE, per dimension (Song et al. 2021b, section 4.3).

    With y = x/α and λ = log(σ/α), the ODE is dy/dλ = y − x̂₀, and d log p/dλ = −(C·H·W − div x̂₀) along it. It is
    integrated between the schedule's own ends, but never above σ/α = `most`, where p is N(0, 1 + (σ/α)²), the prior of
    sampling. The divergence is estimated by vᵀ(∂x̂₀/∂y)v with random signs v = ±1 that are fixed along the path,
    averaged over `probes` of them (their eq. 40; Hutchinson 1990). The estimate is unbiased, and exact if each pixel
    of x̂₀ depends on that pixel alone. RK4 with `steps` equal steps of λ takes 4·steps evaluations; its error is
    O(steps⁻⁴) for a smooth denoiser.

    x0 [B,C,H,W] is in [−1, 1]; the denoiser receives its dtype, and all else is float64. `noise` supplies the signs
    and, with `dequantise`, a uniform position in the bin of each 8-bit pixel. With `dequantise`, the result is in
    expectation an upper bound of −log₂ P of the 8-bit image; the outer bins are as wide as the others, unlike those of
    `bound`. Without it, the result is for the density at x0 itself, per unit of [−1, 1].

    In both cases the density is that of the noisy images of the schedule's first level, divided by α, evaluated at a
    point without that noise. If σ/α of that level is wider than a bin, a perfectly memorised image still costs about
    log₂(127.5·√(2π)·σ/α) bits: 1.7 for σ/α = 0.01.

    Raises UsageError for fewer than one step or probe, for x0 that is not 8-bit with `dequantise`, and for a schedule
    without distinct ends, for example one that has only α = 0.
    """
    if steps < 1 or probes < 1:
        raise UsageError(f"the flow's density needs at least 1 step and 1 probe (got {steps=}, {probes=}).")
    (low, high), y, dimension = _ends(schedule, most), x0.detach().double(), x0[0].numel()
    if dequantise:
        _grey(x0)
        y = y + (torch.special.ndtr(noise(x0).double()) - 0.5) / 127.5
    signs = [torch.where(noise(x0) < 0, -1.0, 1.0).to(x0) for _ in range(probes)]

    def slopes(y: Tensor, lam: float) -> tuple[Tensor, Tensor]:
        """dy/dλ [B,C,H,W] and −d log p/dλ [B]."""
        level = schedule.from_logsnr(-2 * lam)
        with torch.enable_grad():
            x = (level.alpha * y).to(x0.dtype).requires_grad_()
            clean = denoise(x, level)
            pulled = [torch.autograd.grad((clean * v).sum(), x, retain_graph=True)[0] for v in signs]
        traces = [(v.double() * pull.double()).flatten(1).sum(1) for v, pull in zip(signs, pulled, strict=True)]
        return y - clean.detach().double(), dimension - level.alpha * torch.stack(traces).mean(0)

    with torch.no_grad():
        gained = y.new_zeros(len(y))
        h = (high - low) / steps
        for i in range(steps):
            lam = low + i * h
            y1, g1 = slopes(y, lam)
            y2, g2 = slopes(y + h / 2 * y1, lam + h / 2)
            y3, g3 = slopes(y + h / 2 * y2, lam + h / 2)
            y4, g4 = slopes(y + h * y3, lam + h)
            y, gained = y + h / 6 * (y1 + 2 * y2 + 2 * y3 + y4), gained + h / 6 * (g1 + 2 * g2 + 2 * g3 + g4)
        variance = 1 + math.exp(2 * high)
        last = -(y.square() / variance + math.log(2 * math.pi * variance)).flatten(1).sum(1) / 2
        bits = -(last + gained) / (dimension * math.log(2)) + (math.log2(127.5) if dequantise else 0.0)
    return Density(bits, 4 * steps)


def _grey(x0: Tensor) -> Tensor:
    """The grey levels 0..255, float64."""
    pixels = to_uint8(x0)
    if bool(((to_float(pixels) - x0).abs() > 1e-3).any()):
        raise UsageError(
            f"bits per dimension are of 8-bit images in [-1, 1], and these pixels (from {x0.min():.3g} to "
            f"{x0.max():.3g}) are not all of the 256 grey levels; give to_float of uint8 pixels."
        )
    return pixels.double()


def _log_bin(grey: Tensor, mean: Tensor, std: float) -> Tensor:
    """log of the probability of each grey level's bin under N(mean, std²), float64, accurate far into the tails."""
    low = torch.where(grey == 0, -torch.inf, (grey - 0.5) / 127.5 - 1 - mean) / std
    high = torch.where(grey == 255, torch.inf, (grey + 0.5) / 127.5 - 1 - mean) / std
    # mirrored into the lower tail, where log Φ is accurate
    above = low + high > 0
    low, high = torch.where(above, -high, low), torch.where(above, -low, high)
    most: Tensor = torch.special.log_ndtr(high)
    return most + torch.log(-torch.expm1(torch.special.log_ndtr(low) - most))


def _edges(rise: list[float], snr: list[float], edges: int | None, seed: int) -> list[tuple[int, float]]:
    """(edge, weight) of each sampled edge."""
    if edges is not None and edges < 1:
        raise UsageError(f"the diffusion is estimated from at least 1 edge of the plan (got {edges}).")
    if edges is None or edges >= len(rise):
        return [(i, 1.0) for i in range(len(rise))]
    cost = torch.tensor([up / (1 + below) for up, below in zip(rise, snr, strict=False)], dtype=torch.float64)
    share = cost / cost.sum()
    jitter = torch.rand(edges, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    places = (torch.arange(edges) + jitter) / edges
    picked = torch.searchsorted(share.cumsum(0), places, right=True).clamp(max=len(rise) - 1)
    return [(i, 1 / (edges * share[i].item())) for i in picked.tolist()]


def _check_plan(plan: Plan) -> None:
    logsnr = [as_floats(level)[2] for level in plan]
    if len(plan) < 2 or logsnr[-1] != math.inf or not all(a < b for a, b in pairwise(logsnr)):
        raise UsageError(
            f"the bound needs a plan whose levels lose noise at every step and end clean (got {len(plan)} levels, of "
            "which some do not); give one without churn or time travel."
        )
    if logsnr[-2] == -math.inf:
        raise UsageError(
            "the bound needs a level with some of the image in it, and this plan steps from pure noise (α = 0) to a "
            "clean image; give it more steps."
        )


def _ends(schedule: Schedule, most: float) -> tuple[float, float]:
    """log(σ/α) of the least and the most noisy level."""
    high, low = (math.log(ratio) for ratio in noise_range(schedule, most))
    if not low < high:
        raise UsageError(
            f"a likelihood needs levels from the schedule's least noise up to σ/α = {most:g} at most, and this "
            f"schedule's least is σ/α = {math.exp(low):.3g}; give a schedule of more levels, that begins nearly clean."
        )
    return low, high
