"""Replacement: after each step, what was measured is put back with the noise of its level."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, Schedule, as_floats
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.method import Method, Walk
from inkwash.inverse.methods.ddnm import DDNM
from inkwash.sample import Solver


class Replacement(Method):
    """After each step, x + A⁺·(α·y + A·σ·z − A·x) (Song et al. 2021b, appendix I.2; for masks).

    The hole sees the measured part only through its noisy version, so structures across its edge agree badly; the
    noise of y stays in the picture. Exact where DDNM is.
    """

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        end = DDNM()(walk, measured, schedule)  # at σ = 0 only: the solver is given the raw denoiser
        return Walk(end.denoise, walk.plan, _Steps(walk.denoise, walk.solver, measured))


@dataclass(frozen=True)
class _Steps(Solver):
    raw: Denoise
    base: Solver
    measured: Measurement

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: Any, noise: Noise) -> tuple[Tensor, Any]:
        x, memory = self.base.step(self.raw, x, t, s, memory, noise)
        alpha, sigma, _ = as_floats(s)
        operator = self.measured.operator
        known = alpha * self.measured.y.to(x)
        return x + operator.pinv(known + operator.forward(sigma * noise(x) - x)), memory
