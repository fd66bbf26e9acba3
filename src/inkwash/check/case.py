"""The inputs of one call of a student's function, and the quantities that formulas are written in.

Symbols are those of the courses: α_t = 1 − β_t, ᾱ_t = Πα_s. Images are [B,C,H,W] float64 with B = C = H = W, so that
a coefficient [B] that was not reshaped to [B,1,1,1] broadcasts without an error along another axis, and is recognised.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from inkwash.core import Level
from inkwash.denoise import Gaussian

SIDE = 5
SHAPE = (SIDE, SIDE, SIDE, SIDE)
CLEAN_ROW = -1  # the row of the finished image


@dataclass(frozen=True)
class Case:
    """One call: the times, images and settings, and how the page is assumed to use them.

    The fields from `reads` on describe a mistake, so that a wrong formula can be the right one of an edited case.
    """

    betas: Tensor  # [T]
    t: Tensor  # [B], rows of the table
    s: Tensor  # [B], the less noisy rows of a step; −1 is the finished image
    x0: Tensor
    eps: Tensor
    z: Tensor  # the noise that a step adds
    x: Tensor  # x_t = √ᾱ_t·x₀ + √(1 − ᾱ_t)·ε
    mean: Tensor  # of the Gaussian data, a number for each pixel
    std: Tensor
    answers: dict[str, Tensor]  # what exact networks return for x_t
    eta: float = 1.0
    w: float = 0.75
    predicts: str = "eps"  # what the network returns: eps, x0 or v
    reads: str = ""  # what the page takes it for; "" is the same; "-v", "undivided"
    limited: bool = False  # whether x̂₀ is clipped to [−1, 1]
    again: bool = False  # whether ε̂ is computed again from the clipped x̂₀
    axis: int = 0  # the axis along which the coefficients of the batch lie
    moved: int = 0  # how many rows away from t and s the page reads its tables

    @property
    def steps(self) -> int:
        """T."""
        return len(self.betas)

    def abar_at(self, rows: Tensor) -> Tensor:
        """ᾱ of rows [B], where −1 is 1; nan outside of the table. Lies along `axis`."""
        rows, table = rows + self.moved, _abar(self.betas)
        clean = rows == CLEAN_ROW if self.moved == 0 else torch.zeros_like(rows, dtype=torch.bool)
        known = (rows >= 0) & (rows < self.steps)
        index = torch.where(known, rows, torch.where(clean, self.steps, self.steps + 1))
        return self.along(table[index])

    def along(self, values: Tensor) -> Tensor:
        """Values [B] as a coefficient of images."""
        shape = [1, 1, 1, 1]
        shape[self.axis] = len(values)
        return values.view(shape)

    @cached_property
    def abar(self) -> Tensor:
        """ᾱ_t."""
        return self.abar_at(self.t)

    @cached_property
    def abar_s(self) -> Tensor:
        """ᾱ_s, of the row that a step goes to."""
        return self.abar_at(self.s)

    @cached_property
    def beta(self) -> Tensor:
        """1 − ᾱ_t/ᾱ_s: β_t where s = t − 1."""
        return 1 - self.abar / self.abar_s

    @cached_property
    def beta_t(self) -> Tensor:
        """β_t of the table, whatever s is."""
        rows = self.t + self.moved
        inside = (rows >= 0) & (rows < self.steps)
        nan = torch.full_like(self.betas[:1], torch.nan)
        return self.along(torch.where(inside, self.betas[rows.clamp(0, self.steps - 1)], nan))

    @cached_property
    def beta_tilde(self) -> Tensor:
        """β̃ = (1 − ᾱ_s)/(1 − ᾱ_t)·β, the variance of q(x_s | x_t, x₀)."""
        return (1 - self.abar_s) / (1 - self.abar) * self.beta

    @property
    def output(self) -> Tensor:
        """What the exact network returns for x_t."""
        return self.answers[self.predicts]

    def network(self, x: Tensor, t: Tensor) -> Tensor:
        """The exact E[ε | x_t], E[x₀ | x_t] or E[v | x_t] of the Gaussian data, for rows t [B]."""
        return _answers(self.betas, x, t, self.mean, self.std)[self.predicts]

    def asking(self, later: int) -> "Case":
        """The case of a page that asks the network about t + `later`."""
        return replace(self, answers=_answers(self.betas, self.x, self.t + later, self.mean, self.std))

    @cached_property
    def x0_hat(self) -> Tensor:
        """x̂₀ as the page computes it from the network's output."""
        a, sg = self.abar.sqrt(), (1 - self.abar).sqrt()
        reads = self.reads or self.predicts
        if reads == "eps":
            x0 = (self.x - sg * self.output) / a
        elif reads == "undivided":
            x0 = self.x - sg * self.output
        elif reads == "x0":
            x0 = self.output
        else:
            x0 = a * self.x - sg * (self.output if reads == "v" else -self.output)
        return self.limit(x0)

    @cached_property
    def eps_hat(self) -> Tensor:
        """ε̂ as the page computes it."""
        a, sg = self.abar.sqrt(), (1 - self.abar).sqrt()
        if self.again:
            return (self.x - a * self.x0_hat) / sg
        reads = self.reads or self.predicts
        if reads in ("eps", "undivided"):
            return self.output
        if reads == "x0":
            return (self.x - a * self.output) / sg
        return sg * self.x + a * (self.output if reads == "v" else -self.output)

    def limit(self, x0: Tensor) -> Tensor:
        """x̂₀, clipped where the page clips."""
        return x0.clamp(-1, 1) if self.limited else x0


@lru_cache(maxsize=8)
def _abar(betas: Tensor) -> Tensor:
    """ᾱ [T + 2] in float64: the table, 1 for the finished image, and nan for what lies outside."""
    return torch.cat([(1 - betas).cumprod(0), torch.tensor([1.0, torch.nan], dtype=torch.float64)])


def _answers(betas: Tensor, x: Tensor, t: Tensor, mean: Tensor, std: Tensor) -> dict[str, Tensor]:
    """E[ε | x_t], E[x₀ | x_t] and E[v | x_t] of Gaussian data, for rows t [B]."""
    abar = _abar(betas)[t].view(-1, 1, 1, 1)
    a, sg = abar.sqrt(), (1 - abar).sqrt()
    x0 = Gaussian(mean, std)(x, Level(0.0, a, sg))
    eps = (x - a * x0) / sg
    return {"eps": eps, "x0": x0, "v": a * eps - sg * x0}


def make_case(betas: Tensor, times: list[int], to: list[int], seed: int = 0, wide: bool = False, **more: Any) -> Case:
    """A case with Gaussian data whose pixels lie in [−0.9, 0.9]; a `wide` one has x̂₀ far outside of [−1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    a, eps, z, mean, std = torch.randn(5, *SHAPE, dtype=torch.float64, generator=generator)
    mean, std = 0.3 * mean[:1].clamp(-1.5, 1.5), 0.2 + 0.05 * std[:1].clamp(-2, 2)
    x0 = (mean + std * a).clamp(-0.9, 0.9)
    if wide:
        mean, x0 = mean + 3 * mean.sign(), x0 + 3 * mean.sign()
    t = torch.tensor(times)
    abar = _abar(betas)[t].view(-1, 1, 1, 1)
    x = abar.sqrt() * x0 + (1 - abar).sqrt() * eps
    return Case(betas, t, torch.tensor(to), x0, eps, z, x, mean, std, _answers(betas, x, t, mean, std), **more)
