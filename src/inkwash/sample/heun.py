"""Heun's method on the probability-flow ODE, second order."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, as_floats
from inkwash.sample.solver import Solver, check_signal


@dataclass(frozen=True)
class Heun(Solver):
    """Karras et al. 2022, algorithm 1, on x/α as a function of σ/α. Two evaluations per step.

    With a plan from `churn`, it is their algorithm 2.
    """

    order: ClassVar[int] = 2
    has_variance: ClassVar[bool] = False
    starts_at_pure_noise: ClassVar[bool] = False
    default_spacing: ClassVar[str] = "karras"

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: None, noise: Noise) -> tuple[Tensor, None]:
        (alpha_t, sigma_t, _), (alpha_s, sigma_s, _) = as_floats(t), as_floats(s)
        check_signal(t, "Heun", "σ/α is infinite", "ddim, dpmpp2m")
        noise_t, noise_s = sigma_t / alpha_t, sigma_s / alpha_s
        x = x / alpha_t
        slope = (x - denoise(alpha_t * x, t)) / noise_t
        guess = x + (noise_s - noise_t) * slope
        slope_there = (guess - denoise(alpha_s * guess, s)) / noise_s
        return alpha_s * (x + (noise_s - noise_t) * (slope + slope_there) / 2), None

    def evaluated_at(self, t: Level, s: Level) -> tuple[Level, ...]:
        return t, s
