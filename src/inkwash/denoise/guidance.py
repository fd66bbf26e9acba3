"""Guidance: wrappers of a denoiser that push x̂₀ towards the condition more strongly than the model does alone.

Guidance is applied to x̂₀. The two weights of a blend sum to 1, so blending ε, v or the score gives the same image.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from inkwash.core import Denoise, Level, as_floats
from inkwash.denoise.denoiser import Given
from inkwash.errors import UsageError
from inkwash.nets import Condition, ConditionedNet

ALWAYS = (0.0, math.inf)


def guide(
    guided: Denoise,
    base: Denoise,
    scale: float,
    interval: tuple[float, float] = ALWAYS,
    rescale: float = 0.0,
) -> Denoise:
    """x̂₀ = base + scale·(guided − base).

    If `guided` and `base` are one model with and without its condition, this is classifier-free guidance (Ho &
    Salimans 2022, eq. 6, with w = scale − 1, as in CS231n); the two evaluations run as one batch. If `base` is a
    weaker model with the same condition, this is autoguidance (Karras et al. 2024a, eq. 5).

    `scale` 1 returns `guided` and 0 returns `base`, bit for bit, with one evaluation, at every level. Other guidance is
    applied where σ/α lies in `interval`, (low, high]; elsewhere `guided` is returned (Kynkäänniemi et al. 2024, eq. 5).
    `rescale` in [0, 1] interpolates the standard deviation of each image's x̂₀ back to that of `guided` (Lin et al.
    2024, eqs. 14–16). Raises UsageError for numbers out of range.
    """
    low, high = interval
    if not (math.isfinite(scale) and 0 <= low < high and 0 <= rescale <= 1):
        raise UsageError(
            "guidance takes a finite scale, an interval of σ/α from 0 or more to more than that, and a rescale in "
            f"[0, 1] (got scale {scale}, interval {low} to {high}, rescale {rescale})."
        )

    def blended(x: Tensor, level: Level) -> Tensor:
        if scale == 0:
            return base(x, level)
        if scale == 1 or not is_active(level, interval):
            return guided(x, level)
        target_x0, base_x0 = evaluate_both(guided, base, x, level)
        x0 = base_x0 + scale * (target_x0 - base_x0)
        if rescale == 0:
            return x0
        over = tuple(range(1, x.ndim))
        ratio = target_x0.std(over, keepdim=True) / x0.std(over, keepdim=True).clamp(min=1e-12)
        return x0 * (1 + rescale * (ratio - 1))

    return blended


def is_active(level: Level, interval: tuple[float, float]) -> bool:
    """Whether σ/α of a level lies in (low, high]; if high is infinite, the interval includes pure noise."""
    (low, high), (alpha, sigma, _) = interval, as_floats(level)
    return low * alpha < sigma <= high * alpha or (alpha == 0 and high == math.inf)


def evaluate_both(a: Denoise, b: Denoise, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
    """(a(x), b(x)) at a level of floats; computed as one batch if both are one model under two conditions."""
    if not (isinstance(a, Given) and isinstance(b, Given) and a.model is b.model):
        return a(x, level), b(x, level)
    net = a.model.net
    if not isinstance(net, ConditionedNet):
        return a(x, level), b(x, level)
    first, second = net.as_condition(x, a.cond), net.as_condition(x, b.cond)
    both = Condition(torch.cat([first.value, second.value]), torch.cat([first.present, second.present]))
    x0: tuple[Tensor, Tensor] = a.model(torch.cat([x, x]), level, both).chunk(2)
    return x0


def classifier_guidance(denoise: Denoise, log_p: Callable[[Tensor], Tensor], scale: float) -> Denoise:
    """x̂₀ + scale·(σ²/α)·∇ₓ log p(y | x̂₀(x)): the gradient of a classifier guides an unconditional model.

    `log_p` maps images [B,C,H,W], about in [−1, 1], to log-probabilities [B] of the desired class. This is the guided
    score of Dhariwal & Nichol 2021, eq. 13, expressed in x̂₀ by Tweedie's formula. The classifier is evaluated on x̂₀,
    so it need not be trained on noisy images (Bansal et al. 2023, eq. 6). Gradients pass through the network. There
    is no guidance at pure noise (α = 0).
    """

    def guided(x: Tensor, level: Level) -> Tensor:
        alpha, sigma, _ = as_floats(level)
        if scale == 0 or alpha == 0:
            return denoise(x, level)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            x0 = denoise(x, level)
            (slope,) = torch.autograd.grad(log_p(x0).sum(), x)
        return x0.detach() + scale * sigma**2 / alpha * slope

    return guided
