"""DiffPIR: a proximal step towards the measurement, then noise."""

from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, Schedule, as_floats
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.method import Method, Walk
from inkwash.inverse.operator import number
from inkwash.sample import Solver


class DiffPIR(Method):
    """x̂₀ becomes argmin ‖y − A·x‖² + ρ·‖x − x̂₀‖², ρ = λ·σ_y²·α²/σ² (Zhu et al. 2023, eq. 13 and algorithm 1).

    Then a step with the share ζ of its noise fresh (eq. 15). `argument` is LAMBDA[:ZETA], by default 7:0.3. It seeks
    one good picture: what it draws has less spread than the posterior.
    """

    own_solver: ClassVar[bool] = True

    def __init__(self, argument: str = "") -> None:
        first, _, second = argument.partition(":")
        self.weight = number(first or "7", "the λ of diffpir", 1e-9, 1e9)
        self.fresh = number(second or "0.3", "the ζ of diffpir", 0, 1)

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        def denoise(x: Tensor, level: Level) -> Tensor:
            alpha, sigma, _ = as_floats(level)
            x0 = walk.denoise(x, level)
            ridge = self.weight * (measured.std * alpha / sigma) ** 2
            return x0 + measured.operator.correction(measured.residual(x0), ridge)

        return Walk(denoise, walk.plan, _Steps(self.fresh))


@dataclass(frozen=True)
class _Steps(Solver):
    fresh: float

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: Any, noise: Noise) -> tuple[Tensor, None]:
        (alpha_t, sigma_t, _), (alpha_s, sigma_s, _) = as_floats(t), as_floats(s)
        x0 = denoise(x, t)
        eps = (x - alpha_t * x0) / sigma_t
        return alpha_s * x0 + sigma_s * (sqrt(1 - self.fresh) * eps + sqrt(self.fresh) * noise(x)), None
