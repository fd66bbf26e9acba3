"""Moment matching: MMPS, and TMPD with the whole covariance."""

from typing import ClassVar

import torch
from torch import Tensor

from inkwash.core import Level, Schedule, as_floats
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.method import Method, Walk
from inkwash.inverse.operator import number
from inkwash.inverse.solve import conjugate_gradients


class Moment(Method):
    """x̂₀ + V·Aᵀ·(σ_y²·I + A·V·Aᵀ)⁻¹·(y − A·x̂₀), with V = Cov[x₀ | x] = (σ²/α)·∂x̂₀/∂x.

    The posterior mean if p(x₀ | x) is Gaussian, so it is exact for any Gaussian prior. MMPS (Rozet et al. 2024, eqs.
    13–15 and algorithm 2), by conjugate gradients; V is symmetric, so products with it are one backward pass each.
    Boys et al. 2023 (TMPD, eq. 8) use the diagonal of A·V·Aᵀ instead. `argument` is the most iterations; a step costs
    1 evaluation and 1 + iterations backward passes.
    """

    limit_after: ClassVar[bool] = True

    def __init__(self, argument: str = "") -> None:
        self.iterations = int(number(argument or "5", "the iterations of moment", 1, 1e4))

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        operator, raw = measured.operator, walk.denoise

        def denoise(x: Tensor, level: Level) -> Tensor:
            alpha, sigma, _ = as_floats(level)
            if alpha == 0:  # x says nothing of x₀, and ∂x̂₀/∂x nothing of its covariance
                return raw(x, level)
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                x0 = raw(x, level)

            def covariance(v: Tensor) -> Tensor:
                (found,) = torch.autograd.grad(x0, x, v, retain_graph=True)
                return (sigma**2 / alpha) * found

            def total(v: Tensor) -> Tensor:
                return operator.forward(covariance(operator.adjoint(v))) + measured.std**2 * v

            with torch.no_grad():
                residual = measured.residual(x0.detach())
                solved = conjugate_gradients(total, residual, self.iterations, 1e-4, measured.std**2)
                return x0.detach() + covariance(operator.adjoint(solved))

        return walk._replace(denoise=denoise)
