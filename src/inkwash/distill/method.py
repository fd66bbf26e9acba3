"""What a method of distillation is."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from inkwash.core import Prediction, Schedule, as_floats, determinant
from inkwash.errors import UsageError
from inkwash.settings import Distillation, Sampler, Sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from inkwash.distill.teacher import Teacher
    from inkwash.training import StepRandomness


_WORST = 20.0  # how much an error of the network may grow in x̂₀ at the noisiest level; ε on linear's last row: 157


def check_first_level(schedule: Schedule, prediction: Prediction) -> None:
    """Raises UsageError for a prediction that leaves x̂₀ open at the noisiest level, where few steps begin: ε."""
    level = schedule.at(schedule.time(Fraction(1)))
    sigma, reach = as_floats(level)[1], abs(float(determinant(prediction, level)))
    if reach * _WORST >= sigma:
        return
    grows = "∞" if reach == 0 else f"{sigma / reach:.0f}"
    raise UsageError(
        f"a network that predicts {getattr(prediction, 'symbol', 'this')} leaves the image open at the noisiest level: "
        f"its error grows by {grows} there, which a few steps cannot mend (Salimans & Ho 2022, section 4). Train a run "
        "with `prediction='v'`."
    )


@dataclass(frozen=True)
class Stage:
    """A training of its own, which begins with the weights of the one before.

    `steps` are the evaluations that its student draws in, and `amount` is what the method varies.
    """

    name: str
    steps: int
    amount: int


class Method(Protocol):
    """An objective whose target is made by a model. Add a method as a file and a row of `choices.DISTILLATIONS`."""

    def __init__(self, schedule: Schedule, prediction: Prediction, teacher: "Teacher", amount: int) -> None:
        """Raises UsageError for a schedule or a prediction that the method cannot take."""

    @classmethod
    def stages(cls, steps: int, teacher_steps: int | None) -> "Sequence[Stage]":
        """The trainings, in order, for a student of `steps` evaluations. Raises UsageError for other numbers."""

    @classmethod
    def sampler(cls, steps: int, limit: str) -> Sampler:
        """The sampler that the student is made for."""

    @classmethod
    def check_sampler(cls, made: Distillation, sampler: Sampling) -> None:
        """Raises UsageError for a sampler that the student was not made for."""

    def __call__(
        self, denoiser: "nn.Module", x0: "Tensor", randomness: "StepRandomness", cond: "Tensor | None" = None
    ) -> "Tensor":
        """The loss of each image, [B], float32, from x0 [B,C,H,W] in [−1, 1] and the images' conditions."""
