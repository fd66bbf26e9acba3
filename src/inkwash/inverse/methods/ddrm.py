"""DDRM: steps in the directions of the singular values."""

from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar

import torch
from torch import Tensor

from inkwash.core import Denoise, Level, Noise, Schedule, as_floats
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.method import Method, Walk
from inkwash.inverse.methods.ddnm import DDNM
from inkwash.inverse.operator import number
from inkwash.sample import Solver


class DDRM(Method):
    """Kawar et al. 2022, eq. 8, in x/α and σ/α. `argument` is ETA[:ETA_B], 0.85:1 as in the paper.

    Its η is the share of σ_s that is fresh noise, and not that of DDIM: however many the steps, at η = 0.85 the
    directions that are not measured keep too little of the prior's spread. At η = 0 and without noise it is exact, if
    what is measured and what is not are independent.
    """

    needs_svd: ClassVar[bool] = True
    own_solver: ClassVar[bool] = True

    def __init__(self, argument: str = "") -> None:
        first, _, second = argument.partition(":")
        self.eta = number(first or "0.85", "the η of ddrm", 0, 1)
        self.eta_b = number(second or "1", "the η_b of ddrm", 0, 1)

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        end = DDNM()(walk, measured, schedule) if measured.std == 0 else walk  # eq. 8 at σ = 0
        return Walk(end.denoise, walk.plan, _Steps(walk.denoise, measured, self.eta, self.eta_b))


@dataclass(frozen=True)
class _Steps(Solver):
    raw: Denoise
    measured: Measurement
    fresh: float
    eta_b: float

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: Any, noise: Noise) -> tuple[Tensor, None]:
        svd = self.measured.operator.svd
        assert svd is not None
        (alpha_t, sigma_t, _), (alpha_s, sigma_s, _) = as_floats(t), as_floats(s)
        x0, new, inverse = self.raw(x, t), sigma_s / alpha_s, svd.inverse_s(x)
        x0_z, z = svd.v_t(x0), svd.v_t(noise(x))
        eps = (svd.v_t(x) - alpha_t * x0_z) / sigma_t  # (x̄_t − x̄₀)/σ_t, at pure noise too
        y, y_std = inverse * svd.u_t(self.measured.y.to(x)), self.measured.std * inverse
        keep = sqrt(1 - self.fresh**2) * new
        hidden = x0_z + keep * eps + self.fresh * new * z
        near = x0_z + keep * (y - x0_z) / y_std.clamp(min=1e-38) + self.fresh * new * z  # σ_s below the noise of y
        spread = (new**2 - (self.eta_b * y_std) ** 2).clamp(min=0).sqrt()
        far = (1 - self.eta_b) * x0_z + self.eta_b * y + spread * z
        seen = torch.where(y_std > new, near, far)
        return alpha_s * svd.v(torch.where(inverse > 0, seen, hidden)), None
