"""DEIS: Adams–Bashforth on ε̂ as a function of σ/α."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, as_floats
from inkwash.sample.ddim import DDIM
from inkwash.sample.exponential import Output, behind, interpolated, noise_of, remember
from inkwash.sample.solver import Solver

_Past = tuple[Output, ...]
_FIRST = DDIM()


@dataclass(frozen=True)
class DEIS(Solver):
    """Zhang & Chen 2023, ρAB-DEIS (section 3.3 and eq. 17): y = x/α follows dy/dρ = ε̂ over ρ = σ/α.

    The parabola through three ε̂ over ρ is integrated exactly: third order, the paper's ρAB2. The first step, and a step
    after pure noise, is `ddim`, the next second order.
    """

    order: ClassVar[int] = 3
    has_variance: ClassVar[bool] = False

    def step(
        self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: _Past | None, noise: Noise
    ) -> tuple[Tensor, _Past]:
        (alpha_t, sigma_t, _), (alpha_s, sigma_s, _) = as_floats(t), as_floats(s)
        x0, past = denoise(x, t), memory or ()
        if alpha_t == 0:
            return _FIRST.step(lambda x, level: x0, x, t, s, None, noise)[0], ()
        now, eps = sigma_t / alpha_t, noise_of(x, x0, t)
        stride = sigma_s / alpha_s - now  # below 0: ρ falls
        places = [0.0, *behind(now, past, stride)]
        weights = interpolated(places, [1 / (k + 1) for k in range(len(places))])
        slope = weights[0] * eps
        for weight, output in zip(weights[1:], past, strict=True):
            slope = slope + weight * output.value
        return alpha_s * (x / alpha_t + stride * slope), remember(now, eps, past, 2)
