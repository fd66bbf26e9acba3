"""DPM-Solver++(2M): second order with one evaluation a step, by remembering the last x̂₀."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, numbers


class _Last(NamedTuple):
    x0: Tensor
    stride: float


@dataclass(frozen=True)
class DPMpp2M:
    """Lu et al. 2022b, algorithm 2, in λ = log(α/σ). The first step, and one after pure noise, is DDIM's."""

    def step(
        self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: _Last | None, noise: Noise
    ) -> tuple[Tensor, _Last]:
        (_, sigma_t, logsnr_t), (alpha_s, sigma_s, logsnr_s) = numbers(t), numbers(s)
        stride = (logsnr_s - logsnr_t) / 2
        x0 = denoise(x, t)
        ahead = x0
        if memory is not None and math.isfinite(memory.stride):
            ahead = x0 + stride / (2 * memory.stride) * (x0 - memory.x0)
        x = (sigma_s / sigma_t) * x - alpha_s * math.expm1(-stride) * ahead
        return x, _Last(x0, stride)
