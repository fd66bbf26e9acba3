"""A measurement y = A(x) + σ·n, and how one is made."""

from dataclasses import dataclass

import torch
from torch import Tensor

from inkwash.core import mix
from inkwash.inverse.operator import Operator


@dataclass(frozen=True, eq=False)
class Measurement:
    """y [1,…] of one image, or [B,…], with the operator and the standard deviation of its Gaussian noise.

    `std` is in the units of y, which for images in [−1, 1] and an operator that averages are those of the images.
    """

    operator: Operator
    y: Tensor
    std: float

    def residual(self, x: Tensor) -> Tensor:
        """y − A(x), [B,…], for images x [B,C,H,W]."""
        return self.y.to(x) - self.operator.forward(x)

    def misfit(self, x: Tensor) -> Tensor:
        """Root mean square of y − A(x) for each image [B]; about `std` for an image of the posterior."""
        return self.residual(x).flatten(1).square().mean(1).sqrt()


def measure(operator: Operator, x: Tensor, std: float, seed: int = 0) -> Measurement:
    """Measures images [B,C,H,W], with noise that depends on `seed` and the row of the batch alone."""
    y = operator.forward(x)
    if std > 0:
        for i, row in enumerate(y):
            generator = torch.Generator().manual_seed(mix(seed, i) & 0xFFFFFFFF)
            row += std * torch.randn(row.shape, generator=generator, dtype=torch.float32).to(row)
    return Measurement(operator, y, std)
