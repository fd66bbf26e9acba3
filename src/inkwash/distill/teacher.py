"""The model that a student learns from, guided as it draws."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from inkwash.core import Denoise, Level
from inkwash.denoise import Denoiser
from inkwash.denoise.guidance import ALWAYS
from inkwash.nets import Condition


@dataclass(frozen=True, eq=False)
class Teacher:
    """A denoiser that is not trained: x̂₀ from x, a level for each image, and the images' conditions.

    `scale` and `interval` are those of classifier-free guidance (`denoise.guide`), which the student learns with the
    rest (Meng et al. 2023, section 3.1, for one scale). `limit` wraps the denoiser, as in sampling.
    """

    denoiser: Denoiser
    scale: float = 1.0
    interval: tuple[float, float] = ALWAYS
    limit: Callable[[Denoise], Denoise] = lambda denoise: denoise

    def __call__(self, x: Tensor, level: Level, cond: Tensor | None) -> Tensor:
        """x̂₀ [B,C,H,W] from x [B,C,H,W] at a level of tensors [B,1,1,1]; `cond` [B,…] or None. No gradient."""
        with torch.no_grad():
            limited: Tensor = self.limit(lambda x, level: self._guided(x, level, cond))(x, level)
            return limited

    def _guided(self, x: Tensor, level: Level, cond: Tensor | None) -> Tensor:
        if cond is None:
            alone: Tensor = self.denoiser(x, level)
            return alone
        here = torch.ones(len(x), dtype=torch.bool, device=x.device)
        x0: Tensor = self.denoiser(x, level, Condition(cond, here))
        ratio = (torch.as_tensor(level.sigma) / level.alpha).flatten().expand(len(x))  # ∞ at pure noise
        low, high = self.interval
        which = ((ratio > low) & (ratio <= high)).nonzero().flatten()
        if self.scale == 1 or not len(which):
            return x0
        part = Level(*(torch.as_tensor(value).expand(len(x), 1, 1, 1)[which] for value in level))
        base = self.denoiser(x[which], part, Condition(cond[which], ~here[which]))
        return x0.index_copy(0, which, base + self.scale * (x0[which] - base))
