"""Schedules map a time t to (α, σ). Discrete schedules are tables computed from betas, the others formulas.

A schedule converts a position u in (0, 1], from nearly clean to pure noise, to its own time t: the row
round(u·T) − 1 of a table, or u itself. Plans and the distributions of training times use only positions, so they
work for both kinds.
"""

import math
from fractions import Fraction
from typing import Protocol

import torch
from torch import Tensor

from inkwash.core.level import Level, Scalar
from inkwash.errors import UsageError


class Schedule(Protocol):
    """The interface of all schedules."""

    @property
    def first(self) -> Fraction:
        """The position of the least noisy level at which a network is evaluated."""

    @property
    def num_timesteps(self) -> int | None:
        """T, the number of rows of a discrete schedule; None for a continuous one."""

    def time(self, position: Fraction) -> int | float:
        """The time t at a position in (0, 1]."""

    def draw(self, u: Tensor) -> Tensor:
        """Training times from uniform numbers u in [0, 1): int64 or float32, of the shape of u."""

    def at(self, t: Scalar) -> Level:
        """The level at time t: floats for a number, float32 tensors for a tensor of times."""

    def from_logsnr(self, logsnr: Scalar) -> Level:
        """The level with this log SNR, which may lie between rows, and the t that the network receives for it."""


class Discrete:
    """A table of T levels from betas (Ho et al. 2020, eq. 4): ᾱ_t = Π(1 − β_s), α = √ᾱ, σ = √(1 − ᾱ).

    `betas` holds β for t = 0..T−1, float64, each in (0, 1]; the last may be 1 (an end without signal).
    """

    def __init__(self, betas: Tensor) -> None:
        betas = betas.to(torch.float64)
        if betas.ndim != 1 or len(betas) == 0:
            raise UsageError(f"betas must be a list of numbers (got the shape {tuple(betas.shape)}).")
        good = (betas > 0) & (betas <= 1)
        good[:-1] &= betas[:-1] < 1
        if not bool(good.all()):
            raise UsageError(
                f"betas must be a list of numbers between 0 and 1 (got {len(betas)} of them, from "
                f"{betas.min():.3g} to {betas.max():.3g}); choose the schedule's ends so that none leaves it."
            )
        log_abar = torch.log1p(-betas).cumsum(0)
        self._alpha = torch.exp(log_abar / 2)
        self._sigma = torch.sqrt(-torch.expm1(log_abar))
        self._logsnr = log_abar - torch.log(-torch.expm1(log_abar))  # strictly decreasing
        self.betas = betas

    @property
    def num_timesteps(self) -> int:
        return len(self.betas)

    @property
    def first(self) -> Fraction:
        return Fraction(1, self.num_timesteps)

    def time(self, position: Fraction) -> int:
        return round(position * self.num_timesteps) - 1

    def draw(self, u: Tensor) -> Tensor:
        return (u.double() * self.num_timesteps).long().clamp(max=self.num_timesteps - 1)

    def at(self, t: Scalar) -> Level:
        if isinstance(t, Tensor):
            rows = t.cpu()
            alpha, sigma = (table[rows].to(t.device, torch.float32) for table in (self._alpha, self._sigma))
            return Level(t, alpha, sigma)
        if t not in range(self.num_timesteps):
            raise UsageError(f"t = {t} is not a row of this schedule; give a whole number 0..{self.num_timesteps - 1}.")
        row = int(t)
        return Level(row, self._alpha[row].item(), self._sigma[row].item())

    def from_logsnr(self, logsnr: Scalar) -> Level:
        wanted = torch.as_tensor(logsnr, dtype=torch.float64).cpu()
        # rows are in descending order of log SNR; searchsorted needs ascending order
        right = torch.searchsorted(-self._logsnr, -wanted.contiguous()).clamp(1, max(self.num_timesteps - 1, 1))
        left = right - 1
        high, low = self._logsnr[left], self._logsnr[right.clamp(max=self.num_timesteps - 1)]
        between = ((high - wanted) / (high - low)).clamp(0, 1).nan_to_num(1)  # ∞/∞ on a last row without signal
        return _preserving(logsnr, (left + between).clamp(max=self.num_timesteps - 1))


class _Continuous:
    """The common part of continuous schedules: t is the position itself, in [0, 1]."""

    num_timesteps = None
    first = Fraction(1, 1000)

    def time(self, position: Fraction) -> float:
        return float(position)

    def draw(self, u: Tensor) -> Tensor:
        return u.clamp(min=float(self.first))


class Cosine(_Continuous):
    """α = cos(πt/2), σ = sin(πt/2): the cosine schedule in continuous time, variance-preserving."""

    def at(self, t: Scalar) -> Level:
        if isinstance(t, Tensor):
            return Level(t, torch.sin(math.pi / 2 * (1 - t)), torch.sin(math.pi / 2 * t))
        return Level(t, math.sin(math.pi / 2 * (1 - t)), math.sin(math.pi / 2 * t))

    def from_logsnr(self, logsnr: Scalar) -> Level:
        half = torch.as_tensor(logsnr, dtype=torch.float64) / 2
        return _preserving(logsnr, torch.atan(torch.exp(-half)) * (2 / math.pi))


class Flow(_Continuous):
    """α = 1 − t, σ = t: the straight line of flow matching (Lipman et al. 2023; Liu et al. 2023)."""

    def at(self, t: Scalar) -> Level:
        return Level(t, 1 - t, t)

    def from_logsnr(self, logsnr: Scalar) -> Level:
        half = torch.as_tensor(logsnr, dtype=torch.float64) / 2
        t = torch.sigmoid(-half)
        return _like(logsnr, t, torch.sigmoid(half), t)


class VE(_Continuous):
    """α = 1, σ from `low` to `high` in equal ratios (Song et al. 2021, eq. 9); t is affine in log σ."""

    def __init__(self, low: float = 0.002, high: float = 80.0) -> None:
        if not 0 < low < high:
            raise UsageError(f"a VE schedule needs 0 < low < high (got low = {low}, high = {high}).")
        self.low, self.high = low, high
        self._span = math.log(high / low)

    def at(self, t: Scalar) -> Level:
        if isinstance(t, Tensor):
            return Level(t, torch.ones_like(t), self.low * torch.exp(self._span * t))
        return Level(t, 1.0, self.low * math.exp(self._span * t))

    def from_logsnr(self, logsnr: Scalar) -> Level:
        sigma = torch.exp(-torch.as_tensor(logsnr, dtype=torch.float64) / 2)
        t = (torch.log(sigma / self.low) / self._span).clamp(0, 1)
        return _like(logsnr, t, torch.ones_like(sigma), sigma)


def linear(num_timesteps: int = 1000, low: float | None = None, high: float | None = None) -> Discrete:
    """β rises linearly from `low` to `high` (Ho et al. 2020, section 4).

    The ends are 1e-4 and 0.02 for 1000 timesteps; None multiplies these by 1000/T, so that every T ends near pure
    noise (Nichol & Dhariwal 2021's code), up to 0.999.
    """
    low, high = _ends(num_timesteps, low, high, 0.1, 20.0)
    return Discrete(torch.linspace(low, high, num_timesteps, dtype=torch.float64))


class _Unit(Discrete):
    """A table whose σ is doubled: the levels of images in [0, 1], told of the same images stretched to [−1, 1]."""

    def __init__(self, betas: Tensor) -> None:
        super().__init__(betas)
        self._sigma = 2 * self._sigma
        self._logsnr = self._logsnr - math.log(4)


def linear_unit(num_timesteps: int = 1000, low: float | None = None, high: float | None = None) -> Discrete:
    """`linear` with σ = 2·√(1 − ᾱ): noise of deviation √(1 − ᾱ) on images in [0, 1] is twice that on [−1, 1]."""
    return _Unit(linear(num_timesteps, low, high).betas)


def scaled_linear(num_timesteps: int = 1000, low: float | None = None, high: float | None = None) -> Discrete:
    """√β rises linearly from √`low` to √`high` (Rombach et al. 2022).

    The ends are 0.00085 and 0.012 for 1000 timesteps; None multiplies these by 1000/T, as `linear` does.
    """
    low, high = _ends(num_timesteps, low, high, 0.85, 12.0)
    return Discrete(torch.linspace(low**0.5, high**0.5, num_timesteps, dtype=torch.float64) ** 2)


def cosine(num_timesteps: int = 1000, offset: float = 0.008, most: float = 0.999) -> Discrete:
    """ᾱ follows cos², with β clipped at `most` (Nichol & Dhariwal 2021, eq. 17)."""
    t = torch.linspace(0, 1, _count(num_timesteps) + 1, dtype=torch.float64)
    return _from_abar(torch.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2, most)


def sigmoid(num_timesteps: int = 1000, start: float = -3.0, end: float = 3.0, tau: float = 1.0) -> Discrete:
    """ᾱ follows a sigmoid between `start` and `end` (Jabri et al. 2022, algorithm 1)."""
    t = torch.linspace(0, 1, _count(num_timesteps) + 1, dtype=torch.float64)
    curve = torch.sigmoid(torch.tensor([start, end], dtype=torch.float64) / tau)
    return _from_abar(curve[1] - torch.sigmoid((t * (end - start) + start) / tau), 0.999)


def linear_zero_snr(num_timesteps: int = 1000, low: float | None = None, high: float | None = None) -> Discrete:
    """`linear`, rescaled so that the last row has no signal (Lin et al. 2024, algorithm 1). Needs 2 timesteps."""
    return _zero_snr(linear(num_timesteps, low, high))


def scaled_linear_zero_snr(num_timesteps: int = 1000, low: float | None = None, high: float | None = None) -> Discrete:
    """`scaled_linear`, rescaled so that the last row has no signal (Lin et al. 2024, algorithm 1)."""
    return _zero_snr(scaled_linear(num_timesteps, low, high))


def _zero_snr(table: Discrete) -> Discrete:
    """α of every row is shifted by the last one's, and scaled so that the first stays."""
    if table.num_timesteps < 2:
        raise UsageError("a schedule that is rescaled to end at pure noise needs at least 2 timesteps (got 1).")
    alpha = torch.cumprod(1 - table.betas, 0).sqrt()
    abar = ((alpha - alpha[-1]) * (alpha[0] / (alpha[0] - alpha[-1]))) ** 2
    return Discrete(1 - torch.cat([abar[:1], abar[1:] / abar[:-1]]))


def _from_abar(curve: Tensor, most: float) -> Discrete:
    return Discrete((1 - curve[1:] / curve[:-1]).clamp(max=most))


def _ends(T: int, low: float | None, high: float | None, first: float, last: float) -> tuple[float, float]:
    """The given ends of β, or else first/T and last/T, at most 0.999."""
    _count(T)
    return (min(first / T, 0.999) if low is None else low), (min(last / T, 0.999) if high is None else high)


def _count(num_timesteps: int) -> int:
    if num_timesteps < 1:
        raise UsageError(f"a schedule needs at least 1 timestep (got {num_timesteps}).")
    return num_timesteps


def _preserving(logsnr: Scalar, t: Tensor) -> Level:
    """The variance-preserving level of a log SNR: α² = sigmoid(λ), σ² = sigmoid(−λ)."""
    wanted = torch.as_tensor(logsnr, dtype=torch.float64)
    return _like(logsnr, t, torch.sigmoid(wanted).sqrt(), torch.sigmoid(-wanted).sqrt())


def _like(given: Scalar, t: Tensor, alpha: Tensor, sigma: Tensor) -> Level:
    """A level of floats if a float was given, of float32 tensors on the given device if a tensor was."""
    if isinstance(given, Tensor):
        return Level(*(value.to(given.device, torch.float32) for value in (t, alpha, sigma)))
    return Level(t.item(), alpha.item(), sigma.item())
