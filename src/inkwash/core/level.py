"""A level of noise: the pair (α, σ) of x = α·x₀ + σ·ε, and the t that the network is given."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Scalar = float | Tensor


class Level(NamedTuple):
    """How much of an image is data (α) and how much is unit noise (σ): x = α·x₀ + σ·ε.

    Python floats (float64) when sampling; tensors [B,1,1,1] when training, one level per image.
    """

    t: Scalar  # what the network is given; no solver ever reads it
    alpha: Scalar
    sigma: Scalar

    @property
    def logsnr(self) -> Scalar:
        """log(α²/σ²), in nats: +inf for a clean image, −inf for pure noise."""
        if isinstance(self.alpha, Tensor) or isinstance(self.sigma, Tensor):
            alpha, sigma = torch.as_tensor(self.alpha), torch.as_tensor(self.sigma)
            return 2 * (alpha.log() - sigma.log())
        if self.sigma == 0:
            return math.inf
        return 2 * (math.log(self.alpha) - math.log(self.sigma)) if self.alpha > 0 else -math.inf


CLEAN = Level(t=math.nan, alpha=1.0, sigma=0.0)
"""The end of every plan: a finished image. Its t is nan, so that asking a network about it shows."""


Denoise = Callable[[Tensor, Level], Tensor]
"""x̂₀ = E[x₀ | x] from (x, level): what a model, a constraint or guidance on it, and every oracle is."""


def as_floats(level: Level) -> tuple[float, float, float]:
    """(α, σ, log SNR) of a level of a plan, as floats."""
    return float(level.alpha), float(level.sigma), float(level.logsnr)
