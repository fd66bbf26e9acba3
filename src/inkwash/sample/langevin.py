"""Langevin dynamics: annealed by itself, and as the corrector after a predictor."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, as_floats
from inkwash.errors import UsageError
from inkwash.sample.euler_maruyama import EulerMaruyama
from inkwash.sample.exponential import noise_of
from inkwash.sample.solver import Solver, check_signal

_PREDICTOR = EulerMaruyama()


def langevin(denoise: Denoise, x: Tensor, level: Level, snr: float, noise: Noise) -> Tensor:
    """One step of Langevin dynamics at a level: x + ε·score + √(2ε)·z with ε = 2·(r·σ)², r = `snr`.

    Song et al. 2021b, appendix G: ε = 2·(r‖z‖/‖score‖)², with both norms by their expectation for the score −ε/σ of a
    noised image, √D and √D/σ. So ε is a number of the level and an image does not depend on others. It is the step size
    of Song & Ermon 2019, algorithm 1, α = a·σ², at r = √a/2. Where the score's norm is smaller (at little noise), steps
    are shorter than a measured norm would make them.
    """
    sigma = as_floats(level)[1]
    eps = noise_of(x, denoise(x, level), level)
    return x - 2 * snr**2 * sigma * eps + 2 * snr * sigma * noise(x)


class _Corrected(Solver):
    """The facts of a solver with Langevin steps: their bias is about snr²/2, however many levels there are."""

    order: ClassVar[int] = 0
    has_variance: ClassVar[bool] = False
    starts_at_pure_noise: ClassVar[bool] = False
    default_spacing: ClassVar[str] = "karras"

    snr: float
    corrections: int

    @property
    def eta(self) -> float:
        return 1.0

    @property
    def residual(self) -> float:
        return self.snr**2

    def _check(self) -> None:
        if not 0 < self.snr < 1:
            raise UsageError(
                f"`snr` is the signal-to-noise ratio r of a Langevin step, above 0 and below 1, as 0.16 "
                f"(got {self.snr})."
            )
        if self.corrections < 1:
            raise UsageError(f"`corrections` counts Langevin steps, at least 1 (got {self.corrections}).")


@dataclass(frozen=True)
class AnnealedLangevin(_Corrected):
    """Song & Ermon 2019, algorithm 1: `corrections` Langevin steps at each level, then x/α is taken on to the next.

    The last level of a plan has none: there the loop's own step, x = E[x₀ | x], removes the noise that is left
    (Song et al. 2021b, appendix G). `snr` is r of `langevin`; the paper's ε = 2·10⁻⁵ at σ = 0.01 is r = 0.224.
    """

    snr: float = 0.224
    corrections: int = 10

    def __post_init__(self) -> None:
        self._check()

    @property
    def draws(self) -> int:
        return self.corrections

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: None, noise: Noise) -> tuple[Tensor, None]:
        (alpha_t, _, _), (alpha_s, _, _) = as_floats(t), as_floats(s)
        check_signal(t, "annealed Langevin dynamics", "x/α is infinite", "ddpm")
        for _ in range(self.corrections):
            x = langevin(denoise, x, t, self.snr, noise)
        return alpha_s / alpha_t * x, None

    def evaluated_at(self, t: Level, s: Level) -> tuple[Level, ...]:
        return (t,) * self.corrections


@dataclass(frozen=True)
class PredictorCorrector(_Corrected):
    """Song et al. 2021b, algorithms 2 and 3: reverse diffusion to a level, then `corrections` Langevin steps there.

    The predictor is `EulerMaruyama`, and `snr` is r of `langevin`; the paper has r = 0.16 on CIFAR-10.
    """

    snr: float = 0.16
    corrections: int = 1

    def __post_init__(self) -> None:
        self._check()

    @property
    def draws(self) -> int:
        return 1 + self.corrections

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: None, noise: Noise) -> tuple[Tensor, None]:
        x, _ = _PREDICTOR.step(denoise, x, t, s, memory, noise)
        for _ in range(self.corrections):
            x = langevin(denoise, x, s, self.snr, noise)
        return x, None

    def evaluated_at(self, t: Level, s: Level) -> tuple[Level, ...]:
        return (t, *(s,) * self.corrections)
