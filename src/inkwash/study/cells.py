"""The cells of a study: every combination of what is swept, each checked before anything is computed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from inkwash.core import Plan, determinant
from inkwash.denoise.guidance import is_active
from inkwash.errors import UsageError
from inkwash.runs import build, guidance
from inkwash.sample import Solver
from inkwash.settings import Sampling, Sweep
from inkwash.study.subject import Subject, opened

WITH_ETA = ("ddim", "ddim-lab", "dpmpp2m")


@dataclass(frozen=True)
class Cell:
    """One way of drawing images from one subject. `sampling.n` are the images of one draw."""

    subject: Subject
    sampling: Sampling

    @property
    def evaluations(self) -> int:
        """Of the network, for one image."""
        (_, plan), model = self.walk, opened(self.subject)
        levels = [*plan[:-1], *(plan[1:-1] if self.sampling.solver == "heun" else ())]
        if self.sampling.scale in (None, 0, 1):
            return len(levels)
        interval = guidance.interval(model, self.sampling)
        return sum(1 + is_active(level, interval) for level in levels)

    @property
    def walk(self) -> tuple[Solver, Plan]:
        """How x goes from noise to image."""
        return build.solver(self.sampling), build.plan(self.sampling, opened(self.subject).schedule)


def cells(subjects: Sequence[Subject], sweeps: Sequence[Sweep], n: int, seed: int) -> list[Cell]:
    """All cells of the sweeps, without repetition, in the order of the flags.

    Raises UsageError for an axis that a subject or a sampler does not have, before anything is computed.
    """
    found: dict[Cell, None] = {}
    for sweep in sweeps:
        _check(subjects, sweep)
        axes = (
            sweep.solver, sweep.spacing or (None,), sweep.variance, sweep.limit, sweep.scale or (None,),
            sweep.eta or (None,), sweep.steps,
        )  # fmt: skip
        for subject in _chosen(subjects, sweep):
            for solver, spacing, variance, limit, scale, eta, steps in product(*axes):
                sampling = Sampling(solver, steps, eta, variance, spacing, limit, scale, n=n, seed=seed)
                found[_checked(Cell(subject, _canonical(subject, sampling)))] = None
    return list(found)


def _canonical(subject: Subject, sampling: Sampling) -> Sampling:
    """The same drawing, said in one way: an η and a scale where there are these, and the spacing by its name."""
    eta = sampling.eta or 0.0 if sampling.solver in WITH_ETA else None
    quiet = sampling.solver == "heun" or eta == 0
    variance = "small" if quiet else sampling.variance
    model = opened(subject)
    strength = guidance.scale(model, sampling) if model.condition is not None or sampling.scale is not None else None
    return replace(sampling, eta=eta, variance=variance, spacing=build.spacing(sampling), scale=strength)


def _check(subjects: Sequence[Subject], sweep: Sweep) -> None:
    if sweep.eta and not any(solver in WITH_ETA for solver in sweep.solver):
        have = "have" if len(sweep.solver) > 1 else "has"
        raise UsageError(f"{' and '.join(sweep.solver)} {have} no η; leave out `eta`, or add ddim to `solver`.")
    if "large" in sweep.variance and set(sweep.solver) == {"heun"}:
        raise UsageError("heun adds no noise; leave out `variance`, or add ddpm to `solver`.")
    for name in sweep.prediction:
        there = sorted({opened(subject).run.process.prediction for subject in subjects})
        if name not in there:
            raise UsageError(
                f"none of the runs predicts {name} (they predict {', '.join(there)}): what a network predicts is "
                f"fixed when it is trained. Train one with `prediction={name!r}`, and name its folder too."
            )


def _chosen(subjects: Sequence[Subject], sweep: Sweep) -> list[Subject]:
    wanted = sweep.prediction
    return [subject for subject in subjects if not wanted or opened(subject).run.process.prediction in wanted]


def _checked(cell: Cell) -> Cell:
    model, (_, plan) = opened(cell.subject), cell.walk
    if determinant(model.denoiser.prediction, plan[0]) == 0:
        raise UsageError(
            f"{cell.subject.name} predicts {model.run.process.prediction}, which says nothing of the image at pure "
            f"noise, where {cell.sampling.spacing} spacing begins on its schedule; take karras or leading as `spacing`."
        )
    return cell
