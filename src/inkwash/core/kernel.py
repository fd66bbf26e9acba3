"""The Gaussian kernels between two levels: forward (towards noise) and the posterior's family (back)."""

import math
from typing import NamedTuple

from torch import Tensor

from inkwash.core.level import Level, as_floats


def diffuse(x0: Tensor, eps: Tensor, level: Level) -> Tensor:
    """x = α·x₀ + σ·ε (Ho et al. 2020, eq. 4). It acts on x₀, not on a noisier or cleaner x.

    x0 and eps [B,C,H,W]; the level holds numbers, or tensors [B] or [B,1,1,1]. Raises UsageError for other shapes.
    """
    level = level.per_image(x0)
    return level.alpha * x0 + level.sigma * eps


def drift(s: Level, t: Level) -> float:
    """1 − ρ with ρ = SNR_t/SNR_s, for s cleaner than t: the share of σ_t² that is new since s. In [0, 1]."""
    (_, _, logsnr_s), (_, _, logsnr_t) = as_floats(s), as_floats(t)
    return -math.expm1(logsnr_t - logsnr_s) if logsnr_t > -math.inf else 1.0


def forward(x: Tensor, s: Level, t: Level, z: Tensor) -> Tensor:
    """One draw of q(x_t | x_s) for t noisier than s: (α_t/α_s)·x + σ_t·√(1 − ρ)·z. z is unit noise."""
    (alpha_s, _, _), (alpha_t, sigma_t, _) = as_floats(s), as_floats(t)
    return (alpha_t / alpha_s) * x + sigma_t * math.sqrt(drift(s, t)) * z


class Posterior(NamedTuple):
    """x_s = x_coef·x_t + x0_coef·x̂₀ + std·z."""

    x_coef: float
    x0_coef: float
    std: float


def posterior(t: Level, s: Level, eta: float = 1.0, large: float = 0.0) -> Posterior:
    """The DDIM family's step from t to a cleaner s (Song et al. 2021a, eq. 12 and 16).

    η = 1 is the exact q(x_s | x_t, x₀) for any pair, so skipped steps need no new betas: its variance is
    β̃ = σ_s²·(1 − ρ). η = 0 adds no noise. `large` in [0, 1] moves the added noise, in the logarithm,
    from β̃ to β = σ_t²·(1 − ρ) (Nichol & Dhariwal 2021, eq. 15) and leaves the mean alone: 1 is the
    "fixed large" variance of Ho et al. 2020, section 3.2.
    """
    (alpha_t, sigma_t, logsnr_t), (alpha_s, sigma_s, logsnr_s) = as_floats(t), as_floats(s)
    new, old = drift(s, t), math.exp(logsnr_t - logsnr_s)
    x_coef = sigma_s * math.sqrt((1 - eta**2) + eta**2 * old) / sigma_t  # 1 − η²·new would cancel
    std = eta * math.sqrt(new) * sigma_s ** (1 - large) * sigma_t**large
    return Posterior(x_coef, alpha_s - x_coef * alpha_t, std)
