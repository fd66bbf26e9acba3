"""Guidance: wrappers that move x̂₀ towards what is asked for, further than the model would by itself.

All of it happens on x̂₀. The two weights of a blend add up to 1, so blending ε, v or the score gives the same image.
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

    With one model under a condition and under none this is classifier-free guidance (Ho & Salimans 2022, eq. 6,
    whose w is scale − 1, as CS231n's is); both halves run as one batch. With a weaker model under the same condition
    as `base` it is autoguidance (Karras et al. 2024a, eq. 5).

    `scale` 1 is `guided` and 0 is `base`, to the last bit, at the cost of one. Guidance acts where σ/α lies in
    `interval`, (low, high]; elsewhere `guided` stands alone (Kynkäänniemi et al. 2024, eq. 5). `rescale` in [0, 1]
    brings the standard deviation of each image's x̂₀ so far back to that of `guided` (Lin et al. 2024, eqs. 14–16).
    Raises UsageError for numbers out of range.
    """
    low, high = interval
    if not (math.isfinite(scale) and 0 <= low < high and 0 <= rescale <= 1):
        raise UsageError(
            "guidance takes a finite scale, an interval of σ/α from 0 or more to more than that, and a rescale in "
            f"[0, 1] (got scale {scale}, interval {low} to {high}, rescale {rescale})."
        )

    def blended(x: Tensor, level: Level) -> Tensor:
        if scale == 1 or not is_active(level, interval):
            return guided(x, level)
        if scale == 0:
            return base(x, level)
        target_x0, base_x0 = evaluate_both(guided, base, x, level)
        x0 = base_x0 + scale * (target_x0 - base_x0)
        if rescale == 0:
            return x0
        over = tuple(range(1, x.ndim))
        ratio = target_x0.std(over, keepdim=True) / x0.std(over, keepdim=True).clamp(min=1e-12)
        return x0 * (1 + rescale * (ratio - 1))

    return blended


def is_active(level: Level, interval: tuple[float, float]) -> bool:
    """Whether σ/α of a level lies in (low, high]; an interval without an end holds pure noise too."""
    (low, high), (alpha, sigma, _) = interval, as_floats(level)
    return low * alpha < sigma <= high * alpha or (alpha == 0 and high == math.inf)


def evaluate_both(a: Denoise, b: Denoise, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
    """(a, b) of x at a level of floats: one batch where they are one conditioned model asked for two things."""
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
    """x̂₀ + scale·(σ²/α)·∇ₓ log p(y | x̂₀(x)): the gradient of a classifier steers a model that knows no classes.

    `log_p` maps images [B,C,H,W] in about [−1, 1] to log-probabilities [B] of what is asked for. The guided score of
    Dhariwal & Nichol 2021, eq. 13, in x̂₀ by Tweedie's formula; the classifier is asked about x̂₀ and so need not know
    noise (Bansal et al. 2023, eq. 6). Differentiates through the network. Pure noise (α = 0) is left as it is.
    """

    def guided(x: Tensor, level: Level) -> Tensor:
        if scale == 0 or level.alpha == 0:
            return denoise(x, level)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            x0 = denoise(x, level)
            (slope,) = torch.autograd.grad(log_p(x0).sum(), x)
        return x0.detach() + scale * level.sigma**2 / level.alpha * slope

    return guided
