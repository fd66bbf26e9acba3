"""The probability flow by an embedded Runge–Kutta pair that chooses its own step size."""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, Schedule, as_floats
from inkwash.errors import InkwashError, UsageError
from inkwash.sample.exponential import noise_of
from inkwash.sample.solver import Solver, check_signal

# Dormand & Prince 1980, RK5(4)7M: stage j is evaluated at the share C[j] of the step, after the slopes before it times
# A[j]. The last stage is the new x (fifth order), and ERROR is the difference from the embedded one of fourth order.
C = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
A: tuple[tuple[float, ...], ...] = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)

SHARE = 0.1  # of the tolerance, for one step: a walk takes ten and more, whose errors add
FIRST, LEAST = 0.5, 1e-3  # strides in log(σ/α): the first that is tried, and the least
SLOWER, FASTER, SAFETY = 0.2, 5.0, 0.9


@dataclass(frozen=True)
class Adaptive(Solver):
    """Song et al. 2021b, section 4.3: the flow by Dormand–Prince 5(4), on x/α as a function of σ/α, whose slope is ε̂.

    A step is accepted where the estimated error of every image of the batch, as a root mean square over its pixels, is
    at most a tenth of `tolerance`, in units of √(α² + σ²): in those of the image itself at the end of a walk. The
    plan's levels are always visited; between them as many steps are made as this needs, so few levels (2 to 10) leave
    the choice to the tolerance. All images of a batch share the steps, hence in another batch an image differs
    by about the tolerance.

    `schedule` gives the t of the levels in between. Without it their t is nan, which exact denoisers ignore and for
    which a network gives no number. Raises UsageError for a tolerance that is not above 0, and InkwashError where it is
    below the network's rounding.
    """

    order: ClassVar[int] = 5
    has_variance: ClassVar[bool] = False
    starts_at_pure_noise: ClassVar[bool] = False
    default_spacing: ClassVar[str] = "karras"
    evaluations_known: ClassVar[bool] = False
    per_image: ClassVar[bool] = False

    @property
    def residual(self) -> float:
        return self.tolerance

    tolerance: float = 1e-3
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < math.inf:
            raise UsageError(f"`tolerance` is an error of the images, above 0, as 0.001 (got {self.tolerance}).")

    def step(
        self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: float | None, noise: Noise
    ) -> tuple[Tensor, float]:
        (alpha_t, sigma_t, _), (alpha_s, sigma_s, _) = as_floats(t), as_floats(s)
        check_signal(t, "the adaptive solver", "σ/α is infinite", "ddim, dpmpp2m")
        stride = memory or FIRST
        ratio, end = sigma_t / alpha_t, sigma_s / alpha_s
        y = x / alpha_t
        slope = self._slope(denoise, y, t)
        while ratio > end:
            left = math.log(ratio / end)
            last = left <= stride
            # a remainder of less than two strides is halved, so that no very short step is left
            walked = left if last else min(stride, left / 2)
            new = end if last else ratio * math.exp(-walked)
            slopes = [slope]
            for share, weights in zip(C[1:], A[1:], strict=True):
                at = ratio + share * (new - ratio)
                guess = y + (new - ratio) * _sum(weights, slopes)
                slopes.append(self._slope(denoise, guess, s if last and share == 1 else self._level(at)))
            error = _norm((new - ratio) * _sum(ERROR, slopes)) / math.hypot(1, ratio)
            if not math.isfinite(error):
                raise InkwashError(
                    "the adaptive solver met a value that is no number; give it the schedule (`schedule`), whose t the "
                    "network needs between the levels of the plan, or look at the run."
                )
            factor = SAFETY * (SHARE * self.tolerance / error) ** 0.2 if error > 0 else FASTER
            if error <= SHARE * self.tolerance:
                y, slope, ratio = guess, slopes[-1], new
                # a step cut short by the edge says little of longer ones: it never makes the stride smaller
                proposed = walked * min(FASTER, max(SLOWER, factor))
                stride = max(proposed, stride) if last and walked < stride else proposed
            else:
                stride = walked * max(SLOWER, min(factor, SAFETY))
                if stride < LEAST:
                    raise InkwashError(
                        f"the tolerance {self.tolerance:g} was not reached at σ/α = {ratio:.3g} by any step: it is "
                        "below the rounding of the network; raise `tolerance`, or train and sample in float32."
                    )
        return alpha_s * y, stride

    def evaluated_at(self, t: Level, s: Level) -> tuple[Level, ...]:
        """The levels of one step over the whole edge: the fewest that there can be."""
        (alpha_t, sigma_t, _), (alpha_s, sigma_s, _) = as_floats(t), as_floats(s)
        ratio, end = sigma_t / alpha_t, sigma_s / alpha_s
        return (t, *(self._level(ratio + share * (end - ratio)) for share in C[1:-2]), s, s)

    def _level(self, ratio: float) -> Level:
        if self.schedule is None:
            return Level(math.nan, 1.0, ratio)
        return self.schedule.from_logsnr(-2 * math.log(ratio))

    @staticmethod
    def _slope(denoise: Denoise, y: Tensor, level: Level) -> Tensor:
        """d(x/α)/d(σ/α) = ε̂."""
        x = as_floats(level)[0] * y
        return noise_of(x, denoise(x, level), level)


def _sum(weights: tuple[float, ...], slopes: list[Tensor]) -> Tensor:
    total = weights[0] * slopes[0]
    for weight, slope in zip(weights[1:], slopes[1:], strict=True):
        if weight:
            total = total + weight * slope
    return total


def _norm(error: Tensor) -> float:
    """The largest root mean square of an image."""
    return error.reshape(len(error), -1).square().mean(1).max().sqrt().item()
