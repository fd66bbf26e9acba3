"""DDPM and DDIM: one step, one number η between them."""

from dataclasses import dataclass, field
from math import sqrt
from typing import ClassVar

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, posterior
from inkwash.errors import UsageError
from inkwash.sample.solver import Solver


@dataclass(frozen=True)
class DDIM(Solver):
    """Song et al. 2021a, eq. 12: η = 0 is deterministic DDIM, η = 1 the ancestral DDPM for any stride.

    `eta` in [0, 1] scales the standard deviation of the added noise, as in the paper (eq. 16). `large` in [0, 1]
    chooses that noise's variance, between β̃ (0) and the fixed large β (1). Raises UsageError for numbers out of range.
    """

    has_eta: ClassVar[bool] = True

    eta: float = 0.0
    large: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1 or not 0 <= self.large <= 1:
            raise UsageError(f"η and large lie in [0, 1] (got eta = {self.eta}, large = {self.large}).")

    @classmethod
    def lab(cls, eta: float, large: float = 0.0) -> "DDIM":
        """The course lab's η, which scales the variance: σ² = η·β̃. It agrees with the paper's at 0 and 1."""
        if not 0 <= eta <= 1:
            raise UsageError(f"the lab's η must lie in [0, 1] (got {eta}).")
        return cls(sqrt(eta), large)

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: None, noise: Noise) -> tuple[Tensor, None]:
        x_coef, x0_coef, std = posterior(t, s, self.eta, self.large)
        x = x_coef * x + x0_coef * denoise(x, t)
        return (x + std * noise(x) if std > 0 else x), None


@dataclass(frozen=True)
class DDPM(DDIM):
    """Ancestral sampling (Ho et al. 2020, algorithm 2): DDIM at η = 1, with the variance β̃ (`large` 0) or β (1)."""

    has_eta: ClassVar[bool] = False

    eta: float = field(default=1.0, init=False)
