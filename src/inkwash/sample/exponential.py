"""What multistep solvers share: exact integrals of interpolated network outputs.

With λ = log(α/σ), the probability flow between a level t and a cleaner s, h = λ_s − λ_t, has the exact form

    x_s = (σ_s/σ_t)·x_t + α_s·∫₀ʰ exp(u − h)·x̂₀(λ_t + u) du     (Lu et al. 2022b, eq. 8)

A solver replaces x̂₀ by the polynomial through some evaluations and integrates it exactly.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from inkwash.core import Level, as_floats


class Output(NamedTuple):
    """What the network said, x̂₀ or ε̂, at a place on the solver's clock (λ or σ/α)."""

    place: float
    value: Tensor


def half_logsnr(level: Level) -> float:
    """λ = log(α/σ); −∞ at pure noise."""
    return as_floats(level)[2] / 2


def noise_of(x: Tensor, x0: Tensor, level: Level) -> Tensor:
    """ε̂ = (x − α·x̂₀)/σ."""
    alpha, sigma, _ = as_floats(level)
    return (x - alpha * x0) / sigma


def flow_x0(x: Tensor, t: Level, s: Level, weights: Sequence[float], values: Sequence[Tensor]) -> Tensor:
    """x_s of that form, with the integral = Σ weight·value."""
    (_, sigma_t, _), (alpha_s, sigma_s, _) = as_floats(t), as_floats(s)
    x = sigma_s / sigma_t * x
    for weight, value in zip(weights, values, strict=True):
        x = x + alpha_s * weight * value
    return x


def falling(h: float, count: int) -> list[float]:
    """Moments of that integral: ∫₀¹ h·exp(h(v − 1))·vᵏ dv for k < count. From pure noise (h = ∞) they are all 1."""
    return [1.0] * count if math.isinf(h) else [_moment(h, k) for k in range(count)]


def _moment(h: float, k: int) -> float:
    """h·exp(−h)·Σ_n hⁿ/(n!·(n + k + 1)). All terms are positive, so that nothing cancels for short strides."""
    power, total, n = 1.0, 0.0, 0
    while (term := power / (n + k + 1)) > 1e-17 * total:
        total, n = total + term, n + 1
        power *= h / n
    return h * math.exp(-h) * total


def interpolated(places: Sequence[float], moments: Sequence[float]) -> list[float]:
    """The weights w with Σ w_j·p(places_j) = Σ c_k·moments_k for every polynomial p(v) = Σ c_k·vᵏ of that many terms.

    `places` are distinct and in units of the stride: 0 at t, 1 at s, below 0 for earlier levels.
    """
    weights = []
    for j, own in enumerate(places):
        basis = [1.0]  # coefficients of Lagrange's polynomial that is 1 at `own` and 0 elsewhere, lowest first
        for other in (place for i, place in enumerate(places) if i != j):
            shifted, scaled = [0.0, *basis], [*(-other * c for c in basis), 0.0]
            basis = [(a + b) / (own - other) for a, b in zip(shifted, scaled, strict=True)]
        weights.append(sum(c * m for c, m in zip(basis, moments, strict=True)))
    return weights


def behind(now: float, past: Sequence[Output], stride: float) -> list[float]:
    """Places of past outputs in units of the stride, newest first, for extrapolation over that stride.

    The k-th lies at least k/2 strides back, even where it was nearer: without this bound, strides that grow (as the
    last ones of the spacings in t, leading and linspace) extrapolate far and overshoot. The order is kept, since
    neighbouring strides become equal as steps are added.
    """
    return [min((output.place - now) / stride, -k / 2) for k, output in enumerate(past, start=1)]


def remember(now: float, value: Tensor, past: tuple[Output, ...], most: int) -> tuple[Output, ...]:
    """The newest `most` outputs, newest first. One at pure noise has no finite place and is forgotten."""
    return (Output(now, value), *past)[:most] if math.isfinite(now) else ()
