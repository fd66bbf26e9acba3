"""Consistency tuning (Song et al. 2023; Geng et al. 2024): from any level straight to the image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, final

import torch
from torch import Tensor, nn

from inkwash.core import CLEAN, Level, Prediction, Schedule, diffuse
from inkwash.distill.method import Stage, check_first_level, check_steps
from inkwash.distill.teacher import Teacher
from inkwash.errors import UsageError
from inkwash.nets import Condition
from inkwash.settings import Distillation, Sampler, Sampling

if TYPE_CHECKING:
    from inkwash.training import StepRandomness

GAPS = (2, 4, 6, 8)  # the stages' distances between the two levels: 2^-gap of the noisier one's time
_EARLIEST = 0.05  # times below this weigh as this one does


@final
class Consistency:
    """x̂₀ at a level learns to be x̂₀ at a cleaner one of the same path, without a gradient through the latter.

    The cleaner level lies at (1 − 2^−gap) of the time, closer in each stage, as in Easy Consistency Tuning (Geng et
    al. 2024, section 3.2, with q = 2); below the schedule's first level it is the image itself. Both levels have the
    image's own noise or, where the teacher is guided, a DDIM step of the guided teacher leads from one to the other
    (consistency distillation, Song et al. 2023, eq. 7). The distance is the pseudo-Huber of Song & Dhariwal 2024, eq.
    8, with c = 0.00054·√D, and its weight the inverse of the levels' distance in time, as theirs.

    At σ = 0 the denoiser returns x whatever the network says, for every prediction but x₀; so the boundary condition
    holds.
    """

    chained: ClassVar[bool] = False

    def __init__(self, schedule: Schedule, prediction: Prediction, teacher: Teacher, amount: int) -> None:
        """`amount` is the gap. Raises UsageError for x₀-prediction, and as `check_first_level`."""
        if float(prediction.row(CLEAN)[1]) == 0:
            raise UsageError(
                "a network that predicts x₀ returns an image of its own at σ = 0, where consistency needs the one that "
                "it is given; train a run with `prediction='v'`, or take `method='progressive'`."
            )
        check_first_level(schedule, prediction)
        self.schedule, self.teacher, self.gap = schedule, teacher, 2.0**-amount

    @classmethod
    def stages(cls, steps: int, teacher_steps: int | None) -> Sequence[Stage]:
        """One stage for each of GAPS, whatever `steps` is. `teacher_steps` must be None."""
        if teacher_steps is not None:
            raise UsageError("consistency has no steps of a teacher; leave out `teacher_steps`.")
        check_steps(steps)
        return [Stage(f"gap 1/{2**gap}", steps, gap) for gap in GAPS]

    @classmethod
    def sampler(cls, steps: int, limit: str) -> Sampler:
        return Sampler("ddim", steps=steps, spacing="renoise", limit=limit)

    @classmethod
    def check_sampler(cls, made: Distillation, sampler: Sampling) -> None:
        if (sampler.solver, sampler.spacing or "", sampler.eta or 0.0, sampler.churn or 0.0) != (
            "ddim",
            "renoise",
            0.0,
            0.0,
        ):
            raise UsageError(
                "this model was distilled to go from any level straight to the image, so its x̂₀ is no mean that a "
                "solver could follow; it is sampled with `spacing='renoise'` and ddim, in any number of `steps`. Leave "
                "out `solver`, `spacing`, `eta` and `churn`."
            )

    def __call__(
        self, denoiser: nn.Module, x0: Tensor, randomness: "StepRandomness", cond: Tensor | None = None
    ) -> Tensor:
        time = self.schedule.draw(randomness.strata)
        level, cleaner, ends = self._levels(time, x0)
        x = diffuse(x0, randomness.eps, level)
        condition = None if cond is None else Condition(cond, torch.ones(len(x0), dtype=torch.bool, device=x0.device))
        if self.teacher.scale == 1 or cond is None:
            end, near = x0, diffuse(x0, randomness.eps, cleaner)
        else:
            end = self.teacher(x, level, cond)
            x_coef = cleaner.sigma / level.sigma
            near = x_coef * x + (cleaner.alpha - x_coef * level.alpha) * end
        with torch.no_grad(), torch.random.fork_rng(devices=[x0.device] if x0.device.type == "cuda" else []):
            wanted = torch.where(ends, end, denoiser(near, cleaner, condition))  # with the same dropout as below
        error = (denoiser(x, level, condition) - wanted).flatten(1)
        c = 0.00054 * error.shape[1] ** 0.5
        position = self._position(time).clamp(min=_EARLIEST).to(error)
        distance: Tensor = ((error.square().sum(1) + c**2).sqrt() - c) / position
        return distance

    def _position(self, time: Tensor) -> Tensor:
        """Where times lie in (0, 1]."""
        rows = self.schedule.num_timesteps
        return time if rows is None else (time + 1) / rows

    def _levels(self, time: Tensor, like: Tensor) -> tuple[Level, Level, Tensor]:
        """The level at each time, the cleaner one, and whether that is the image itself: tensors [B,1,1,1]."""
        rows, earlier = self.schedule.num_timesteps, self._position(time) * (1 - self.gap)
        if rows is None:
            ends, near = earlier < float(self.schedule.first), earlier.clamp(min=float(self.schedule.first))
        else:
            row = (earlier * rows).round().long() - 1
            ends, near = row < 0, row.clamp(min=0)

        def spread(level: Level) -> Level:
            return Level(*(torch.as_tensor(value).to(like.device).view(-1, 1, 1, 1) for value in level))

        return spread(self.schedule.at(time)), spread(self.schedule.at(near)), ends.to(like.device).view(-1, 1, 1, 1)
