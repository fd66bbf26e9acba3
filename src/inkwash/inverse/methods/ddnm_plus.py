"""DDNM+: DDNM for a measurement with noise."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from inkwash.core import Denoise, Level, Noise, Schedule, posterior
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.method import Method, Walk
from inkwash.inverse.methods.ddnm import DDNM
from inkwash.inverse.operator import number
from inkwash.sample import Solver


class DDNMPlus(Method):
    """DDNM whose steps count the noise of y as part of the noise they add (Wang et al. 2023, eqs. 17–19).

    In the directions of the singular values, x̂₀ moves by λ towards y, and the step adds the noise that y did not
    bring. The steps are those of DDIM with η = `argument` (1: DDPM). Without noise it is DDNM, and exact where that is;
    with noise, the picture ends near E[x₀ | y] with too little spread.
    """

    needs_svd: ClassVar[bool] = True
    own_solver: ClassVar[bool] = True

    def __init__(self, argument: str = "") -> None:
        self.eta = number(argument or "1", "the η of ddnm+", 0, 1)

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        end = DDNM()(walk, measured, schedule) if measured.std == 0 else walk  # λ at σ = 0
        return Walk(end.denoise, walk.plan, _Steps(walk.denoise, measured, self.eta))


@dataclass(frozen=True)
class _Steps(Solver):
    raw: Denoise
    measured: Measurement
    own_eta: float

    @property
    def eta(self) -> float:
        return self.own_eta

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: Any, noise: Noise) -> tuple[Tensor, None]:
        svd = self.measured.operator.svd
        assert svd is not None
        x_coef, x0_coef, std = posterior(t, s, self.own_eta)
        x0, inverse = self.raw(x, t), svd.inverse_s(x)
        gap = inverse * svd.u_t(self.measured.y.to(x)) - torch.where(inverse > 0, svd.v_t(x0), 0.0)
        brought = x0_coef * self.measured.std * inverse  # the noise that y brings into x, eq. 18
        share = torch.where(brought > std, std / brought.clamp(min=1e-38), 1.0)  # λ, eq. 19
        left = (std**2 - (share * brought) ** 2).clamp(min=0).sqrt()
        x = x_coef * x + x0_coef * (x0 + svd.v(share * gap))
        return (x + svd.v(left * svd.v_t(noise(x))) if std > 0 else x), None
