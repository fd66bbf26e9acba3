"""ILVR: the low frequencies of a reference, the rest from the model."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, Schedule, as_floats
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.method import Method, Walk
from inkwash.sample import Solver


class ILVR(Method):
    """After each step, x + φ(x_ref) − φ(x), with x_ref the reference at the level of x (Choi et al. 2021, eq. 9).

    φ is the operator, which must make an image of the same size: lowpass. φ is not a projection, and nothing is put
    back at σ = 0, so the measurement is met in part: ILVR makes variations of a picture rather than restoring it.
    """

    maps_images: ClassVar[bool] = True

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        return walk._replace(solver=_Steps(walk.solver, measured))


@dataclass(frozen=True)
class _Steps(Solver):
    base: Solver
    measured: Measurement

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: Any, noise: Noise) -> tuple[Tensor, Any]:
        x, memory = self.base.step(denoise, x, t, s, memory, noise)
        alpha, sigma, _ = as_floats(s)
        return x + alpha * self.measured.y.to(x) + self.measured.operator.forward(sigma * noise(x) - x), memory
