"""iPNDM: fixed Adams–Bashforth coefficients on ε̂, and a DDIM step."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, as_floats
from inkwash.sample.ddim import DDIM
from inkwash.sample.exponential import noise_of
from inkwash.sample.solver import Solver

_Past = tuple[Tensor, ...]
_FLOW = DDIM()
_ADAMS_BASHFORTH = (  # newest first, for strides that are equal
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


@dataclass(frozen=True)
class IPNDM(Solver):
    """Liu et al. 2022, eq. 12 (four ε̂, the linear multistep method), begun with fewer ε̂ as in Zhang & Chen 2023.

    The coefficients are those of equal strides whatever the strides are, and the DDIM step takes the mixed ε̂ as
    constant, so the method converges with order 2 (Liu et al., theorem 3.3), not 4.
    """

    order: ClassVar[int] = 2
    has_variance: ClassVar[bool] = False

    def step(
        self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: _Past | None, noise: Noise
    ) -> tuple[Tensor, _Past]:
        alpha, sigma, _ = as_floats(t)
        x0 = denoise(x, t)
        if alpha == 0:  # the step to x̂₀ needs α > 0
            return _FLOW.step(lambda x, level: x0, x, t, s, None, noise)[0], ()
        past = (noise_of(x, x0, t), *(memory or ()))[:4]
        mixed = sum((c * eps for c, eps in zip(_ADAMS_BASHFORTH[len(past) - 1], past, strict=True)), 0 * x)
        x, _ = _FLOW.step(lambda x, level: (x - sigma * mixed) / alpha, x, t, s, None, noise)
        return x, past[:3]
