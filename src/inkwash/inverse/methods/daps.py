"""DAPS: at each level, a sample of x₀ that fits the measurement, noised again."""

from dataclasses import dataclass
from itertools import pairwise
from math import exp, log, sqrt
from typing import Any, ClassVar

import torch
from torch import Tensor

from inkwash.core import Denoise, Level, Noise, Schedule, as_floats
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.method import Method, Walk
from inkwash.inverse.operator import number
from inkwash.sample import DDIM, Solver

_LEAST = 0.01  # noise that a measurement without noise is given in the Langevin steps


class DAPS(Method):
    """x̂₀ by a few steps of the flow from x, x₀ ~ N(x̂₀, r²·I) given y, then x = α·x₀ + σ·z (Zhang et al. 2024, alg. 1).

    r = σ/α, as the paper has it. For linear operators with singular values, x₀ is drawn exactly; else by Langevin
    steps (eq. 6), so it serves nonlinear operators. Levels do not depend on each other, so early errors are undone.
    `argument` is FLOW[:LANGEVIN], the steps of each, by default 4:50.
    """

    linear_only: ClassVar[bool] = False
    own_solver: ClassVar[bool] = True

    def __init__(self, argument: str = "") -> None:
        first, _, second = argument.partition(":")
        self.flow = int(number(first or "4", "the flow steps of daps", 1, 1000))
        self.langevin = int(number(second or "50", "the Langevin steps of daps", 1, 1e5))

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        def end(x: Tensor, level: Level) -> Tensor:
            alpha, sigma, _ = as_floats(level)
            return _fitted(walk.denoise(x, level), sigma / alpha, measured, torch.zeros_like, self.langevin)

        return Walk(end, walk.plan, _Steps(walk.denoise, measured, schedule, self.flow, self.langevin))


@dataclass(frozen=True)
class _Steps(Solver):
    raw: Denoise
    measured: Measurement
    schedule: Schedule
    flow: int
    langevin: int

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: Any, noise: Noise) -> tuple[Tensor, None]:
        (alpha, sigma, logsnr), (alpha_s, sigma_s, _) = as_floats(t), as_floats(s)
        levels, low = [t], 4.0  # log SNR down to which the flow walks, unless it is there
        if alpha > 0 and logsnr < low:
            levels += [
                self.schedule.from_logsnr(logsnr + (low - logsnr) * i / self.flow) for i in range(1, self.flow)
            ]  # fmt: skip
        for here, there in pairwise(levels):
            x, _ = DDIM().step(self.raw, x, here, there, None, noise)
        x0 = self.raw(x, levels[-1])
        radius = sigma / alpha if alpha > 0 else exp(log(sigma) + 10)
        x0 = _fitted(x0, radius, self.measured, noise, self.langevin)
        return alpha_s * x0 + sigma_s * noise(x0), None


def _fitted(x0: Tensor, radius: float, measured: Measurement, noise: Noise, langevin: int) -> Tensor:
    """A sample of N(x0, radius²·I) given y; its mean if `noise` is zero."""
    operator, std = measured.operator, measured.std
    if operator.linear and operator.svd is not None:
        mean = x0 + operator.correction(measured.residual(x0), (std / radius) ** 2)
        s = operator.svd.s.to(x0)
        variance = torch.where(s > 0, radius**2 * std**2 / (s**2 * radius**2 + std**2 + 1e-38), radius**2)
        return mean + operator.svd.v(variance.sqrt() * operator.svd.v_t(noise(x0)))
    std = max(std, _LEAST)
    stride = 0.2 / (1 / radius**2 + 4 / std**2)
    x = x0
    for _ in range(langevin):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            energy = (measured.residual(x) / std).square().sum() / 2 + ((x - x0) / radius).square().sum() / 2
            (slope,) = torch.autograd.grad(energy, x)
        x = x.detach() - stride * slope + sqrt(2 * stride) * noise(x)
    return x
