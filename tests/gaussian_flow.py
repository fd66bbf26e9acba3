"""What every solver does to Gaussian data, derived by hand: each step is affine in x and adds known noise.

Nothing here calls the code under test. A level is a pair (α, σ) of floats, a walk the levels with noise of a plan.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

Pair = tuple[float, float]
Walk = list[Pair]


class Data(NamedTuple):
    """N(mean, std²)."""

    mean: float
    std: float


MEAN, STD = DATA = Data(0.3, 0.55)


class Affine(NamedTuple):
    """x = scale·x_T + offset + N(0, variance)."""

    scale: float = 1.0
    offset: float = 0.0
    variance: float = 0.0

    def then(self, scale: float, offset: float, variance: float = 0.0) -> Affine:
        return Affine(scale * self.scale, scale * self.offset + offset, scale**2 * self.variance + variance)

    def moments(self, mean: float, std: float) -> Pair:
        """Mean and std of x where x_T has these."""
        return self.scale * mean + self.offset, math.sqrt((self.scale * std) ** 2 + self.variance)


Recursion = Callable[[Walk, Data], Affine]  # what a solver makes of x_T at the first level: x̂₀ at the last


def image(level: Pair, data: Data) -> Pair:
    """x̂₀ = E[x₀|x] = slope·x + offset: the line through (α·m, m) of slope Cov(x₀, x)/Var(x)."""
    alpha, sigma = level
    slope = alpha * data.std**2 / (alpha**2 * data.std**2 + sigma**2)
    return slope, data.mean * (1 - slope * alpha)


def noisier(t: Pair, s: Pair) -> bool:
    return s[0] * t[1] <= t[0] * s[1]


def renoised(x: Affine, t: Pair, s: Pair) -> Affine:
    """After the forward kernel from t to the noisier s."""
    ratio = s[0] / t[0]
    return x.then(ratio, 0.0, s[1] ** 2 - (ratio * t[1]) ** 2)


def ddim(walk: Walk, data: Data, eta: float, large: bool = False) -> Affine:
    """Song et al. 2021a, eq. 12 and 16, in σ² for 1 − ᾱ; `large` puts β for β̃ into the noise."""
    x = Affine()
    for t, s in pairwise(walk):
        if noisier(t, s):
            x = renoised(x, t, s)
            continue
        beta = t[1] ** 2 - (t[0] / s[0] * s[1]) ** 2
        spent = (eta * s[1] / t[1]) ** 2 * beta
        noise = math.sqrt(s[1] ** 2 - spent)
        slope, offset = image(t, data)
        scale = s[0] * slope + noise * (1 - t[0] * slope) / t[1]
        x = x.then(scale, s[0] * offset - noise * t[0] * offset / t[1], eta**2 * beta if large else spent)
    return x.then(*image(walk[-1], data))


def heun(walk: Walk, data: Data) -> Affine:
    """With y = x/α − m and r = σ/α the flow is dy/dr = y·r/(s² + r²); Heun's rule on that."""
    x = Affine()
    for t, s in pairwise(walk):
        if noisier(t, s):
            x = renoised(x, t, s)
            continue
        r, q = t[1] / t[0], s[1] / s[0]
        one, two = r / (data.std**2 + r**2), q / (data.std**2 + q**2)
        growth = 1 + (q - r) / 2 * (one + two * (1 + (q - r) * one))
        x = x.then(s[0] / t[0] * growth, s[0] * data.mean * (1 - growth))
    return x.then(*image(walk[-1], data))


def dpmpp(walk: Walk, data: Data, eta: float) -> Affine:
    """Lu et al. 2022b, algorithm 2: x_s = k·x + l·[(1 + 1/2r)·x̂₀ − 1/2r·x̂₀'] + n·z, r = h'/h, 1/2r at most 1.

    At η = 0, k = σ_s/σ_t and l = α_s·(1 − e^(−h)); at η = 1, SDE-DPM-Solver++(2M), k = e^(−h)·σ_s/σ_t,
    l = α_s·(1 − e^(−2h)) and n = σ_s·√(1 − e^(−2h)). Followed are x, x̂₀', and the covariance of their noises.
    """
    x, before, both, stride = Affine(), Affine(0.0), 0.0, math.inf
    for t, s in pairwise(walk):
        if noisier(t, s):
            x, before, both, stride = renoised(x, t, s), Affine(0.0), 0.0, math.inf
            continue
        h = math.log(s[0] / s[1]) - (math.log(t[0] / t[1]) if t[0] > 0 else -math.inf)
        n = eta * s[1] * math.sqrt(1 - math.exp(-2 * h))
        k = math.sqrt(s[1] ** 2 - n**2) / t[1]
        pull = s[0] - k * t[0]  # l
        slope, offset = image(t, data)
        share = 0.0 if stride == math.inf else min(h / stride / 2, 1.0)
        a, b, c = k + pull * (1 + share) * slope, -pull * share, pull * (1 + share) * offset
        after = Affine(
            a * x.scale + b * before.scale,
            a * x.offset + b * before.offset + c,
            a * a * x.variance + 2 * a * b * both + b * b * before.variance + n * n,
        )
        both = slope * (a * x.variance + b * both)
        x, before, stride = after, x.then(slope, offset), h
    return x.then(*image(walk[-1], data))


@dataclass(frozen=True)
class Table:
    """(α, σ) of the rows of a discrete schedule, from betas alone."""

    betas: list[float]

    def levels(self) -> list[Pair]:
        logs = [math.log1p(-beta) for beta in self.betas]
        sums = [math.fsum(logs[: t + 1]) for t in range(len(logs))]
        return [(math.exp(total / 2), math.sqrt(-math.expm1(total))) for total in sums]


def variance_preserving(r: float) -> Pair:
    return 1 / math.hypot(1, r), r / math.hypot(1, r)


def straight(r: float) -> Pair:
    return 1 / (1 + r), r / (1 + r)


def exploding(r: float) -> Pair:
    return 1.0, r


def flow(start: Pair, end: Pair, x: float) -> float:
    """Where the exact probability flow takes x: it keeps (x − α·m)/√(α²s² + σ²)."""
    spread = [math.hypot(level[0] * STD, level[1]) for level in (start, end)]
    return end[0] * MEAN + (x - start[0] * MEAN) * spread[1] / spread[0]
