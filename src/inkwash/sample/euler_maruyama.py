"""Euler–Maruyama on the reverse SDE."""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, as_floats
from inkwash.core.kernel import drift
from inkwash.sample.exponential import noise_of
from inkwash.sample.solver import Solver, check_signal


@dataclass(frozen=True)
class EulerMaruyama(Solver):
    """Song et al. 2021b, eq. 6, with the increments of the forward kernel (their appendix E, eq. 46).

    x_s = (2 − α_t/α_s)·x + G²·score + G·z with G² = σ_t²·(1 − SNR_t/SNR_s) and score = −ε̂/σ_t. It is their
    reverse diffusion sampler for VP (G² = β) and for VE (G² = σ_t² − σ_s²). First order in distribution; it needs more
    steps than `ddpm`, whose noise is exact for a known x̂₀.
    """

    starts_at_pure_noise: ClassVar[bool] = False
    has_variance: ClassVar[bool] = False
    default_spacing: ClassVar[str] = "karras"

    @property
    def eta(self) -> float:
        return 1.0

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: None, noise: Noise) -> tuple[Tensor, None]:
        (alpha_t, sigma_t, _), (alpha_s, _, _) = as_floats(t), as_floats(s)
        check_signal(t, "Euler–Maruyama", "the drift is infinite", "ddpm")
        added = drift(s, t)
        eps = noise_of(x, denoise(x, t), t)
        return (2 - alpha_t / alpha_s) * x - added * sigma_t * eps + sigma_t * sqrt(added) * noise(x), None
