"""ΠGDM: guidance by the pseudo-inverse."""

from typing import ClassVar

import torch
from torch import Tensor

from inkwash.core import Level, Schedule, as_floats
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.method import Method, Walk


class PiGDM(Method):
    """x̂₀ + (σ²/α)·∇ₓ log N(y; A·x̂₀, r²·A·Aᵀ + σ_y²·I), with r² = σ²/(α² + σ²) (Song et al. 2023, eqs. 6–8).

    r² is the variance of x₀ given x for white data of unit variance, and is exact there. Data that varies less is
    pulled to y too weakly. The paper also multiplies the step by r², which changes what is drawn; this is the score.
    """

    limit_after: ClassVar[bool] = True

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        def denoise(x: Tensor, level: Level) -> Tensor:
            alpha, sigma, _ = as_floats(level)
            if alpha == 0:
                return walk.denoise(x, level)
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                x0 = walk.denoise(x, level)
                variance = sigma**2 / (alpha**2 + sigma**2)
                pull = measured.operator.correction(measured.residual(x0.detach()), measured.std**2 / variance)
                (slope,) = torch.autograd.grad(x0, x, pull / variance)
            return x0.detach() + sigma**2 / alpha * slope

        return walk._replace(denoise=denoise)
