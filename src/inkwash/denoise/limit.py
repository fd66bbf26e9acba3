"""Limits on x̂₀: wrappers of a denoiser for data known to lie in [−1, 1]."""

import torch
from torch import Tensor

from inkwash.core import Denoise, Level
from inkwash.errors import UsageError


def clip(denoise: Denoise, low: float = -1.0, high: float = 1.0) -> Denoise:
    """x̂₀ clamped to [low, high] (as in Ho et al. 2020's code; the course clips to [0, 1], its data range)."""
    return lambda x, level: denoise(x, level).clamp(low, high)


def unlimited(denoise: Denoise) -> Denoise:
    """x̂₀ without a limit."""
    return denoise


def dynamic_threshold(denoise: Denoise, quantile: float = 0.995) -> Denoise:
    """Clips each image's x̂₀ at ±s and divides it by s, where s is that image's `quantile` of |x̂₀|, at least 1.

    Saharia et al. 2022, section 2.3.
    """
    if not 0 < quantile <= 1:
        raise UsageError(f"the quantile of dynamic thresholding lies in (0, 1] (got {quantile}).")

    def limited(x: Tensor, level: Level) -> Tensor:
        x0 = denoise(x, level)
        most = torch.quantile(x0.flatten(1).abs(), quantile, dim=1).clamp(min=1).view(-1, *[1] * (x0.ndim - 1))
        return x0.clamp(-most, most) / most

    return limited
