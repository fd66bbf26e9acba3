"""Predictions: what the network outputs, F = a·x₀ + b·ε. A prediction is defined by its row (a, b)."""

from typing import Protocol

import torch
from torch import Tensor

from inkwash.core.level import Level, Scalar


class Prediction(Protocol):
    """Any object with a `row`. Rows are functions of α and σ, and never of t.

    A class may also have a `symbol`, which reports use for the predicted quantity.
    """

    def row(self, level: Level) -> tuple[Scalar, Scalar]:
        """(a, b) of F = a·x₀ + b·ε at this level."""


class Eps:
    """The noise ε (Ho et al. 2020, eq. 14). Does not determine x₀ at α = 0."""

    symbol = "ε"

    def row(self, level: Level) -> tuple[Scalar, Scalar]:
        return 0.0, 1.0


class X0:
    """The clean image x₀."""

    symbol = "x₀"

    def row(self, level: Level) -> tuple[Scalar, Scalar]:
        return 1.0, 0.0


class V:
    """The velocity v = α·ε − σ·x₀ (Salimans & Ho 2022, appendix D), for levels with α² + σ² = 1.

    It is divided by √(α² + σ²), which is 1 for these levels, so that it is defined for all schedules.
    """

    symbol = "v"

    def row(self, level: Level) -> tuple[Scalar, Scalar]:
        length = (level.alpha**2 + level.sigma**2) ** 0.5
        return -level.sigma / length, level.alpha / length


class FlowVelocity:
    """The flow velocity ε − x₀ (Lipman et al. 2023; Liu et al. 2023)."""

    symbol = "u"

    def row(self, level: Level) -> tuple[Scalar, Scalar]:
        return -1.0, 1.0


class EDM:
    """EDM's preconditioned output (Karras et al. 2022, eq. 7 and table 1), for data of standard deviation σd."""

    symbol = "F"

    def __init__(self, sigma_data: float = 0.5) -> None:
        self.sigma_data = sigma_data

    def row(self, level: Level) -> tuple[Scalar, Scalar]:
        marginal_std = level.alpha * self.sigma_data
        length = self.sigma_data * (level.sigma**2 + marginal_std**2) ** 0.5
        return level.sigma / length, -marginal_std * self.sigma_data / length


class Score:
    """The score ∇log p(x_t | x₀) = −ε/σ (Song & Ermon 2019, eq. 5). Does not determine x₀ at α = 0.

    The plain loss gives the error of ε the weight 1/σ²; the paper's weight σ² (section 4.2) is that of `SNR`.
    """

    symbol = "s"

    def row(self, level: Level) -> tuple[Scalar, Scalar]:
        return 0.0, -1.0 / level.sigma


def target(prediction: Prediction, x0: Tensor, eps: Tensor, level: Level) -> Tensor:
    """F = a·x₀ + b·ε, what the network should output. Shapes as x0; the level as `diffuse` takes it."""
    level = level.per_image(x0)
    a, b = prediction.row(level)
    return a * x0 + b * eps


def determinant(prediction: Prediction, level: Level) -> Scalar:
    """det = α·b − σ·a. A plain MSE on F weighs the error of x̂₀ by (det/σ)²."""
    a, b = prediction.row(level)
    return level.alpha * b - level.sigma * a


def x0_from(prediction: Prediction, output: Tensor, x: Tensor, level: Level) -> Tensor:
    """x̂₀ = (b·x − σ·F)/det, from F and x = α·x₀ + σ·ε. Shapes as x; the level as `diffuse` takes it."""
    level = level.per_image(x)
    _, b = prediction.row(level)
    det = determinant(prediction, level)
    # the coefficients are divided first, in float64 when sampling
    return (b / det) * x - (level.sigma / det) * output


def eps_from(prediction: Prediction, output: Tensor, x: Tensor, level: Level) -> Tensor:
    """ε̂ = (α·F − a·x)/det, from F and x = α·x₀ + σ·ε. Shapes as x; the level as `diffuse` takes it."""
    level = level.per_image(x)
    a, _ = prediction.row(level)
    det = determinant(prediction, level)
    return (level.alpha / det) * output - (a / det) * x


def marginal_std(level: Level, sigma_data: float = 1.0) -> Scalar:
    """√(α²σd² + σ²), the standard deviation of x at this level for data of standard deviation σd."""
    variance = (level.alpha * sigma_data) ** 2 + level.sigma**2
    return torch.sqrt(variance) if isinstance(variance, Tensor) else variance**0.5
