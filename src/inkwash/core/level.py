"""A level of noise: the pair (α, σ) of x = α·x₀ + σ·ε, and the t that the network is given."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from inkwash.errors import UsageError

Scalar = float | Tensor


class Level(NamedTuple):
    """How much of an image is data (α) and how much is unit noise (σ): x = α·x₀ + σ·ε.

    Python floats (float64) when sampling; tensors [B] or [B,1,1,1] when training, one level per image. Functions of
    images and a level take both shapes (`per_image`).
    """

    t: Scalar  # what the network is given; no solver ever reads it
    alpha: Scalar
    sigma: Scalar

    def per_image(self, x: Tensor) -> "Level":
        """This level with one value per image of x [B,…]: tensors of shape [B] or [B,1,…] become [B,1,…].

        Numbers, and tensors of one element, are left as they are. Raises UsageError for tensors of another shape, which
        might broadcast along the width of the images.
        """
        if not any(isinstance(value, Tensor) and value.numel() != 1 for value in self):
            return self
        return Level(*(_per_image(value, x) for value in self))

    @property
    def logsnr(self) -> Scalar:
        """log(α²/σ²), in nats: +inf for a clean image, −inf for pure noise."""
        if isinstance(self.alpha, Tensor) or isinstance(self.sigma, Tensor):
            alpha, sigma = torch.as_tensor(self.alpha), torch.as_tensor(self.sigma)
            return 2 * (alpha.log() - sigma.log())
        if self.sigma == 0:
            return math.inf
        return 2 * (math.log(self.alpha) - math.log(self.sigma)) if self.alpha > 0 else -math.inf


def _per_image(value: Scalar, x: Tensor) -> Scalar:
    if not isinstance(value, Tensor) or value.numel() == 1:
        return value
    shape = (len(x), *[1] * (x.ndim - 1))
    if value.shape not in (shape, shape[:1]):
        raise UsageError(
            f"a level of {len(x)} images has tensors of shape {list(shape[:1])} or {list(shape)} (got "
            f"{list(value.shape)}, for images {list(x.shape)})."
        )
    return value.view(shape)


CLEAN = Level(t=math.nan, alpha=1.0, sigma=0.0)
"""The end of every plan: a finished image. Its t is nan, so that asking a network about it shows."""


Denoise = Callable[[Tensor, Level], Tensor]
"""x̂₀ = E[x₀ | x] from (x, level): what a model, a constraint or guidance on it, and every oracle is."""


def as_floats(level: Level) -> tuple[float, float, float]:
    """(α, σ, log SNR) of a level of a plan, as floats."""
    return float(level.alpha), float(level.sigma), float(level.logsnr)
