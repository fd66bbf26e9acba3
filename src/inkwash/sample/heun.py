"""Heun's method on the probability-flow ODE, second order."""

from dataclasses import dataclass

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, numbers
from inkwash.errors import AskedWrongly


@dataclass(frozen=True)
class Heun:
    """Karras et al. 2022, algorithm 1, on x/α as a function of σ/α. Two evaluations a step.

    With a churned plan it is their algorithm 2.
    """

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: None, noise: Noise) -> tuple[Tensor, None]:
        (alpha_t, sigma_t, _), (alpha_s, sigma_s, _) = numbers(t), numbers(s)
        if alpha_t == 0:
            raise AskedWrongly(
                "Heun cannot begin at pure noise (α = 0), where σ/α is infinite; "
                "use karras spacing, which begins just below, or another solver (ddim, dpmpp2m)."
            )
        noise_t, noise_s = sigma_t / alpha_t, sigma_s / alpha_s
        x = x / alpha_t
        slope = (x - denoise(alpha_t * x, t)) / noise_t
        guess = x + (noise_s - noise_t) * slope
        slope_there = (guess - denoise(alpha_s * guess, s)) / noise_s
        return alpha_s * (x + (noise_s - noise_t) * (slope + slope_there) / 2), None
