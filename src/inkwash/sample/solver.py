"""The protocol of solvers: a step, and properties that other code reads instead of checking the solver's name."""

from typing import Any, ClassVar, Protocol

from torch import Tensor

from inkwash.core import Denoise, Level, Noise, as_floats
from inkwash.errors import UsageError


class Solver(Protocol):
    """Moves x along one edge of a plan, from level t to a cleaner level s with σ > 0.

    The loop uses only `step`, so any object with a `step` is a solver. A class that inherits from this one also gets
    the properties below, whose defaults describe a deterministic first-order solver, and overrides those that differ.
    """

    order: ClassVar[int] = 1  # without added noise, halving the steps' length divides the error by 2^order (0: not so)
    has_eta: ClassVar[bool] = False  # whether the user chooses η
    has_variance: ClassVar[bool] = True  # whether the user chooses the variance of the added noise
    starts_at_pure_noise: ClassVar[bool] = True  # whether a plan may begin at α = 0
    default_spacing: ClassVar[str] = "trailing"
    evaluations_known: ClassVar[bool] = True  # whether `evaluated_at` says all evaluations, or only the fewest
    per_image: ClassVar[bool] = True  # whether a step moves each image of a batch without regard to the others

    @property
    def eta(self) -> float:
        """How much noise a step adds, from 0 (none) to 1 (as much as DDPM)."""
        return 0.0

    @property
    def draws(self) -> int:
        """The most noises that a step draws."""
        return 1

    @property
    def residual(self) -> float:
        """The error of the mean and the standard deviation of Gaussian data that remains with many steps.

        0 where it vanishes with them.
        """
        return 0.0

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: Any, noise: Noise) -> tuple[Tensor, Any]:
        """Returns (x at s, the memory for the next edge). `memory` is None on the first edge."""

    def evaluated_at(self, t: Level, s: Level) -> tuple[Level, ...]:
        """The levels at which a step from t to s evaluates the network, in order.

        A solver that decides on its way (`evaluations_known` is False) gives the fewest; what it took is counted.
        """
        return (t,)


def check_signal(t: Level, solver: str, reason: str, others: str) -> None:
    """Raises UsageError if a step of `solver` would begin at pure noise (α = 0), where `reason`; `others` can."""
    if as_floats(t)[0] == 0:
        raise UsageError(
            f"{solver} cannot begin at pure noise (α = 0), where {reason}; use karras spacing, which begins just "
            f"below, or another solver ({others})."
        )


class _Plain(Solver):
    """A solver with the default properties; it is never run."""

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: Any, noise: Noise) -> tuple[Tensor, Any]:
        raise NotImplementedError


def fact(solver: object, name: str) -> Any:
    """A property of a solver. Objects that have only a `step` get the default of `Solver`."""
    return getattr(solver, name) if hasattr(solver, name) else getattr(_PLAIN, name)


_PLAIN = _Plain()
