"""DPS: the gradient of the misfit after each step."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from inkwash.core import Denoise, Level, Noise, Schedule, as_floats
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.method import Method, Walk
from inkwash.inverse.operator import number
from inkwash.sample import Solver


class DPS(Method):
    """After each step, x − (ζ/‖y − A(x̂₀)‖)·∇ₓ‖y − A(x̂₀)‖² (Chung et al. 2023, algorithm 1), ζ = `argument`, 1.

    The size of its steps follows neither from the noise of y nor from the level, so its spread is not that of the
    posterior, and it changes with the number of steps. It needs no linear operator.
    """

    linear_only: ClassVar[bool] = False

    def __init__(self, argument: str = "") -> None:
        self.strength = number(argument or "1", "the ζ of dps", 0, 1e6)

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        return walk._replace(solver=_Steps(walk.solver, measured, self.strength))


@dataclass(frozen=True)
class _Steps(Solver):
    base: Solver
    measured: Measurement
    strength: float

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: Any, noise: Noise) -> tuple[Tensor, Any]:
        slope, x0 = torch.zeros_like(x), None
        if as_floats(t)[0] > 0:
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                x0 = denoise(x, t)
                norm = self.measured.residual(x0).flatten(1).square().sum(1).add(1e-20).sqrt()
                (slope,) = torch.autograd.grad(norm.sum(), x)
            x, x0 = x.detach(), x0.detach()
        seen = x

        def known(z: Tensor, level: Level) -> Tensor:
            return x0 if x0 is not None and z is seen and level == t else denoise(z, level)

        moved, memory = self.base.step(known, x, t, s, memory, noise)
        return moved - 2 * self.strength * slope, memory  # ∇‖r‖² = 2·‖r‖·∇‖r‖
