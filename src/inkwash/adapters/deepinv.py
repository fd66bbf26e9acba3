"""deepinv (deepinv.github.io): denoisers of (x, σ) for images in [0, 1], of x = x₀ + σ·ε."""

from typing import Any

from torch import Tensor

from inkwash.adapters.level import level_at
from inkwash.core import Denoise, Level, Schedule, as_floats
from inkwash.errors import UsageError


def to_deepinv(denoise: Denoise, schedule: Schedule) -> Any:
    """A deepinv.models.Denoiser of the same images, for deepinv's restorations. `schedule` is that of the training.

    Raises ImportError without deepinv.
    """
    from deepinv.models.base import Denoiser

    class FromInkwash(Denoiser):  # type: ignore[misc]
        def forward(self, x: Tensor, sigma: float | Tensor, **kwargs: Any) -> Tensor:
            return (denoise(2 * x - 1, level_at(schedule, 1.0, 2 * sigma)) + 1) / 2

    return FromInkwash()


def from_deepinv(denoiser: Any, **kwargs: Any) -> Denoise:
    """A deepinv denoiser as inkwash's: (x, level) -> x̂₀, at any level of floats with α > 0; `kwargs` are passed on."""

    def denoise(x: Tensor, level: Level) -> Tensor:
        alpha, sigma, _ = as_floats(level)
        if alpha == 0:
            raise UsageError("a denoiser of deepinv has no pure noise (α = 0); take karras or leading spacing.")
        found: Tensor = 2 * denoiser((x / alpha + 1) / 2, sigma / alpha / 2, **kwargs) - 1
        return found

    return denoise
