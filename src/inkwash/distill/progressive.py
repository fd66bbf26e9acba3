"""Progressive distillation (Salimans & Ho 2022): one step of the student is two of its teacher."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from inkwash.core import (
    CLEAN,
    Level,
    Prediction,
    Schedule,
    as_floats,
    determinant,
    diffuse,
    posterior,
    target,
    trailing,
)
from inkwash.distill.method import Stage, check_first_level
from inkwash.distill.teacher import Teacher
from inkwash.errors import UsageError
from inkwash.nets import Condition
from inkwash.settings import Distillation, Sampler, Sampling

if TYPE_CHECKING:
    from inkwash.training import StepRandomness

_LEAST = 32  # steps that the first teacher takes at least


@final
class Progressive:
    """The student of N steps learns where two of its teacher's 2N steps of DDIM lead (algorithm 2).

    Both walk the trailing plan, whose levels of N steps are every second one of 2N. The target is the x̂₀ with which one
    step arrives there (appendix G); on the last edge it is the teacher's second x̂₀. The squared error of x̂₀ has the
    weight max(SNR, 1) (eq. 9, "truncated SNR"). Every step of the student is equally likely.
    """

    def __init__(self, schedule: Schedule, prediction: Prediction, teacher: Teacher, amount: int) -> None:
        """`amount` is N. Raises UsageError for a schedule of too few rows, and as `check_first_level`."""
        self.prediction, self.teacher, self.steps = prediction, teacher, amount
        plan = list(trailing(schedule, 2 * amount))
        if [level.t for level in plan[:-1:2]] != [level.t for level in trailing(schedule, amount)[:-1]]:
            raise UsageError(
                f"the levels of {amount} steps are not among those of {2 * amount} on this schedule; take fewer "
                "`teacher_steps`."
            )
        check_first_level(schedule, prediction)
        time = torch.int64 if schedule.num_timesteps else torch.float32
        self._t = torch.tensor([level.t for level in plan[:-1]], dtype=time)
        self._alpha, self._sigma = (
            torch.tensor([as_floats(level)[i] for level in plan[:-1]], dtype=torch.float32) for i in (0, 1)
        )
        # x_coef and x0_coef of DDIM: of each of the teacher's edges, and of the student's
        self._small = _coefficients(plan, 1)
        self._large = _coefficients(plan, 2)

    @classmethod
    def stages(cls, steps: int, teacher_steps: int | None) -> Sequence[Stage]:
        """Halvings from `teacher_steps` (None: the first of 2·steps, 4·steps, … with 32 or more) down to `steps`."""
        if steps < 1:
            raise UsageError(f"a student takes at least 1 step (got `steps={steps}`).")
        if teacher_steps is None:
            teacher_steps = 2 * steps
            while teacher_steps < _LEAST:
                teacher_steps *= 2
        halved = (teacher_steps >> i for i in range(1, max(1, teacher_steps).bit_length()))
        counts = [count for count in halved if count >= steps]
        if not counts or steps << len(counts) != teacher_steps:
            raise UsageError(
                f"each stage halves the number of steps, and {teacher_steps} halved again and again is never {steps}; "
                f"`teacher_steps` must be {2 * steps}, {4 * steps}, {8 * steps} and so on."
            )
        return [Stage(f"{count} step{'s' if count > 1 else ''}", count, count) for count in counts]

    @classmethod
    def sampler(cls, steps: int, limit: str) -> Sampler:
        return Sampler("ddim", steps=steps, spacing="trailing", limit=limit)

    @classmethod
    def check_sampler(cls, made: Distillation, sampler: Sampling) -> None:
        own = cls.sampler(made.steps, sampler.limit)
        asked = (sampler.solver, sampler.steps, sampler.spacing or "trailing", sampler.eta or 0.0, sampler.churn or 0.0)
        if asked != (own.solver, own.steps, own.spacing, 0.0, 0.0):
            raise UsageError(
                f"this model was distilled for {made.steps} step{'s' if made.steps > 1 else ''} of ddim without noise, "
                "at trailing levels, and its network was trained for these alone; leave out `solver`, `steps`, "
                "`spacing`, `eta` and `churn`, or sample the run that it was distilled from."
            )

    def __call__(
        self, denoiser: nn.Module, x0: Tensor, randomness: "StepRandomness", cond: Tensor | None = None
    ) -> Tensor:
        edge = (randomness.strata * self.steps).long().clamp(max=self.steps - 1).to(x0.device)
        level = self._level(2 * edge, x0)
        x = diffuse(x0, randomness.eps, level)
        wanted = self.target(x, edge, cond)
        eps = (x - level.alpha * wanted) / level.sigma
        condition = None if cond is None else Condition(cond, torch.ones(len(x0), dtype=torch.bool, device=x0.device))
        error = denoiser(x, level, condition, raw=True) - target(self.prediction, wanted, eps, level)
        on_x0 = torch.as_tensor(determinant(self.prediction, level) / level.sigma) ** 2
        snr = torch.as_tensor(level.alpha / level.sigma) ** 2
        loss = snr.clamp(min=1) / on_x0 * error.square()
        per_image: Tensor = loss.flatten(1).mean(1)
        return per_image

    def target(self, x: Tensor, edge: Tensor, cond: Tensor | None) -> Tensor:
        """The x̂₀ [B,C,H,W] that takes x over the student's edges `edge` [B] to where two steps of the teacher lead."""
        first, second = self._level(2 * edge, x), self._level(2 * edge + 1, x)
        x_coef, x0_coef = _at(self._small, 2 * edge, x)
        between = x_coef * x + x0_coef * self.teacher(x, first, cond)
        x_coef, x0_coef = _at(self._small, 2 * edge + 1, x)
        arrived = x_coef * between + x0_coef * self.teacher(between, second, cond)
        x_coef, x0_coef = _at(self._large, 2 * edge, x)
        return (arrived - x_coef * x) / x0_coef

    def _level(self, place: Tensor, like: Tensor) -> Level:
        values = (self._t, self._alpha, self._sigma)
        return Level(*(value.to(like.device)[place].view(-1, 1, 1, 1) for value in values))


def _coefficients(plan: Sequence[Level], stride: int) -> Tensor:
    """[edges,2] of DDIM's x_coef and x0_coef from each level to the one `stride` later; float32."""
    ends = [*plan[stride:], *[CLEAN] * (stride - 1)]
    pairs = [posterior(t, s, eta=0.0)[:2] for t, s in zip(plan[:-1], ends, strict=True)]
    return torch.tensor(pairs, dtype=torch.float64).float()


def _at(table: Tensor, place: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    x_coef, x0_coef = table.to(like.device)[place].unbind(1)
    return x_coef.view(-1, 1, 1, 1), x0_coef.view(-1, 1, 1, 1)
