"""What every solver does to Gaussian data, derived by hand: each step is affine in x and adds known noise.

Nothing here calls the code under test. A level is a pair (α, σ) of floats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

Pair = tuple[float, float]
MEAN, STD = 0.3, 0.55  # of the data


class Affine(NamedTuple):
    """x = scale·x_T + offset + N(0, variance)."""

    scale: float
    offset: float
    variance: float = 0.0

    def then(self, scale: float, offset: float, variance: float = 0.0) -> Affine:
        return Affine(scale * self.scale, scale * self.offset + offset, scale**2 * self.variance + variance)

    def moments(self, mean: float, std: float) -> Pair:
        """Mean and std of x where x_T has these."""
        return self.scale * mean + self.offset, math.sqrt((self.scale * std) ** 2 + self.variance)


def image(level: Pair) -> Affine:
    """x̂₀ = E[x₀|x] as a map of x: the line through (α·m, m) of slope Cov(x₀, x)/Var(x)."""
    alpha, sigma = level
    slope = alpha * STD**2 / (alpha**2 * STD**2 + sigma**2)
    return Affine(slope, MEAN - slope * alpha * MEAN)


def ddim(walk: list[Pair], eta: float, large: bool = False) -> Affine:
    """Song et al. 2021a, eq. 12 and 16, in σ² for 1 − ᾱ; `large` adds noise of variance β instead."""
    x = Affine(1.0, 0.0)
    for t, s in pairwise(walk):
        beta = t[1] ** 2 - (t[0] / s[0] * s[1]) ** 2
        spent = eta**2 * s[1] ** 2 / t[1] ** 2 * beta
        noise = math.sqrt(s[1] ** 2 - spent)
        d = image(t)
        scale = s[0] * d.scale + noise * (1 - t[0] * d.scale) / t[1]
        offset = s[0] * d.offset - noise * t[0] * d.offset / t[1]
        x = x.then(scale, offset, beta if large else spent)
    return x.then(*image(walk[-1]))


def heun(walk: list[Pair]) -> Affine:
    """With y = x/α − m and r = σ/α the flow is dy/dr = y·r/(s² + r²); Heun's rule on that."""
    y = 1.0
    for t, s in pairwise(walk):
        r, q = t[1] / t[0], s[1] / s[0]
        one, two = r / (STD**2 + r**2), q / (STD**2 + q**2)
        y *= 1 + (q - r) / 2 * (one + two * (1 + (q - r) * one))
    (first, _), (last, _) = walk[0], walk[-1]
    x = Affine(last * y / first, last * MEAN * (1 - y))
    return x.then(*image(walk[-1]))


def dpmpp(walk: list[Pair]) -> Affine:
    """Lu et al. 2022b, algorithm 2: x_s = σ_s/σ_t·x + α_s·(1 − e^(−h))·[(1 + 1/2r)·x̂₀ − 1/2r·x̂₀'], r = h'/h."""

    def half_logsnr(level: Pair) -> float:
        return math.log(level[0]) - math.log(level[1]) if level[0] else -math.inf

    x, before, stride = Affine(1.0, 0.0), None, math.inf
    for t, s in pairwise(walk):
        h = half_logsnr(s) - half_logsnr(t)
        d = x.then(*image(t))
        share = h / stride / 2 if before is not None and stride < math.inf else 0.0
        previous = before if before is not None else d
        pull = s[0] * (1 - math.exp(-h))
        ahead = [(1 + share) * now - share * then for now, then in zip(d, previous, strict=True)]
        x = Affine(*(s[1] / t[1] * a + pull * b for a, b in zip(x, ahead, strict=True)))
        before, stride = d, h
    return x.then(*image(walk[-1]))


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


def slope_of(steps: list[int], errors: list[float]) -> float:
    """The order of convergence: minus the slope of log error on log steps, by least squares."""
    xs, ys = [math.log(n) for n in steps], [math.log(e) for e in errors]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return -sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def flow(start: Pair, end: Pair, x: float) -> float:
    """Where the exact probability flow takes x: it keeps (x − α·m)/√(α²s² + σ²)."""
    spread = [math.hypot(level[0] * STD, level[1]) for level in (start, end)]
    return end[0] * MEAN + (x - start[0] * MEAN) * spread[1] / spread[0]
