"""DDPM and DDIM: one step, one number η between them."""

from dataclasses import dataclass
from math import sqrt

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, posterior
from inkwash.errors import AskedWrongly


@dataclass(frozen=True)
class Ddim:
    """Song et al. 2021a, eq. 12: η = 0 is deterministic DDIM, η = 1 the ancestral DDPM for any stride.

    η scales the standard deviation, as in the paper (eq. 16); it may exceed 1 as long as noise is left to
    give. `large` chooses the added noise's variance between β̃ (0) and the fixed large β (1).
    """

    eta: float = 0.0
    large: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1 or not 0 <= self.large <= 1:
            raise AskedWrongly(f"η and large lie in [0, 1] (got eta = {self.eta}, large = {self.large}).")

    @classmethod
    def lab(cls, eta: float) -> "Ddim":
        """The course lab's η, which scales the variance: σ² = η·β̃. It agrees with the paper's at 0 and 1."""
        if not 0 <= eta <= 1:
            raise AskedWrongly(f"the lab's η must lie in [0, 1] (got {eta}).")
        return cls(sqrt(eta))

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: None, noise: Noise) -> tuple[Tensor, None]:
        keep, lift, std = posterior(t, s, self.eta, self.large)
        x = keep * x + lift * denoise(x, t)
        return (x + std * noise(x) if std > 0 else x), None


def ddpm(large: float = 0.0) -> Ddim:
    """Ancestral sampling (Ho et al. 2020, algorithm 2), with the variance β̃ (0) or β (1)."""
    return Ddim(eta=1.0, large=large)
