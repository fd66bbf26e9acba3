"""azula (github.com/probabilists/azula): denoisers of (x_t, t), and a schedule α_t, σ_t of t in [0, 1]."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from inkwash.adapters.level import level_at
from inkwash.core import Denoise, Level, Schedule, as_floats


def to_azula(denoise: Denoise, schedule: Schedule, theirs: Callable[[Tensor], Any] | None = None) -> Any:
    """An azula.denoise.Denoiser of the same images, for azula's samplers and guidance.

    `schedule` is the one that the model was trained on; `theirs` the schedule of azula to sample on, by default its
    VPSchedule. Either works, since D(c·x; c·α, c·σ) = D(x; α, σ). Raises ImportError without azula.
    """
    from azula.denoise import Denoiser, DiracPosterior
    from azula.noise import VPSchedule

    class FromInkwash(Denoiser):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.schedule = VPSchedule() if theirs is None else theirs

        def forward(self, x_t: Tensor, t: Tensor) -> DiracPosterior:
            return DiracPosterior(mean=denoise(x_t, level_at(schedule, *self.schedule(t))))

    return FromInkwash()


def from_azula(denoiser: Any, **kwargs: Any) -> Denoise:
    """An azula denoiser as inkwash's: (x, level) -> x̂₀, at any level of floats; `kwargs` are passed on.

    The time is the one at which azula's schedule has the level's α/σ, found by bisection; beyond its ends, the end.
    """

    def denoise(x: Tensor, level: Level) -> Tensor:
        alpha, sigma, logsnr = as_floats(level)
        t = _time(denoiser.schedule, logsnr).to(x)
        there = denoiser.schedule(t)
        length = sum(float(part) ** 2 for part in there) / (alpha**2 + sigma**2)
        found: Tensor = denoiser(x * length**0.5, t, **kwargs).mean
        return found

    return denoise


def _time(schedule: Callable[[Tensor], Any], logsnr: float) -> Tensor:
    """The t in [0, 1] at which a schedule has this log SNR, which falls with t."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        alpha, sigma = schedule(torch.tensor(middle, dtype=torch.float64))
        low, high = (middle, high) if 2 * float(alpha.log() - sigma.log()) > logsnr else (low, middle)
    return torch.tensor(high, dtype=torch.float64)
