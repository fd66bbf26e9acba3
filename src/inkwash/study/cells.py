"""The cells of a study: all combinations of the swept values, checked before anything is computed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

from inkwash import choices
from inkwash.core import Level, Plan, as_floats, determinant
from inkwash.denoise.guidance import is_active
from inkwash.errors import UsageError
from inkwash.runs import build, guidance
from inkwash.sample import Solver, denoising_edges
from inkwash.sample.solver import fact
from inkwash.settings import OPTIONS, Sampling
from inkwash.study.axes import AXES, Axis, Sweep
from inkwash.study.subject import Subject, load_model


@dataclass(frozen=True)
class Cell:
    """A subject with sampler settings. `sampling.n` is the number of images in one draw."""

    subject: Subject
    sampling: Sampling

    @cached_property
    def evaluations(self) -> int:
        """Network evaluations per image; the fewest where they are not `evaluations_known`."""
        (solver, plan), model = self.solver_and_plan, load_model(self.subject)
        levels: list[Level] = []
        for t, s in denoising_edges(plan):
            last = as_floats(s)[1] == 0  # the sampling loop handles the last step itself
            levels += (t,) if last else fact(solver, "evaluated_at")(t, s)
        if self.sampling.scale in (None, 0, 1):
            return len(levels)
        interval = guidance.interval(model, self.sampling)
        return len(levels) + sum(is_active(level, interval) for level in levels)

    @property
    def evaluations_known(self) -> bool:
        """Whether the solver's evaluations are known before it has drawn."""
        known: bool = fact(self.solver_and_plan[0], "evaluations_known")
        return known

    @property
    def eta(self) -> float:
        """The given η, or else the solver's default."""
        eta: float = fact(build.solver(self.sampling), "eta") if self.sampling.eta is None else self.sampling.eta
        return eta

    @property
    def solver_and_plan(self) -> tuple[Solver, Plan]:
        """The sequence of noise levels from noise to image."""
        schedule = load_model(self.subject).schedule
        return build.solver(self.sampling, schedule), build.plan(self.sampling, schedule)


def cells(subjects: Sequence[Subject], sweeps: Sequence[Sweep], n: int, seed: int) -> list[Cell]:
    """All cells of the sweeps, without repetition. Axes of names vary slowest, then numbers, and steps fastest.

    Raises UsageError for an axis that a subject or a sampler does not have, before anything is computed.
    """
    flags = [axis for axis in AXES.values() if axis.type is not None and not axis.of_subject]
    order = sorted(flags, key=lambda axis: (axis.numeric, axis.log))
    found: dict[Cell, None] = {}
    for sweep in sweeps:
        _check(subjects, sweep)
        values = [getattr(sweep, axis.name) or (None,) for axis in order]
        for subject in _chosen(subjects, sweep):
            for combination in product(*values):
                given = {axis.name: value for axis, value in zip(order, combination, strict=True) if value is not None}
                sampling = Sampling(**{"n": n, "seed": seed, **given})
                found[_check_start(Cell(subject, _canonical(subject, sampling)))] = None
    return list(found)


def _canonical(subject: Subject, sampling: Sampling) -> Sampling:
    """Normalises the settings: drops an η or variance without effect, and resolves the default scale and spacing."""
    eta = sampling.eta or 0.0 if fact(_default(sampling.solver), "has_eta") else None
    make = choices.SOLVERS.load(sampling.solver)
    without: dict[str, Any] = {name: None for name in sampling.options if not choices.takes(make, name)}
    plain = replace(sampling, eta=eta, variance="small", **without)
    noisy = fact(build.solver(plain), "eta") > 0
    model = load_model(subject)
    return replace(
        plain,
        variance=sampling.variance if noisy else "small",
        spacing=build.spacing(plain),
        scale=guidance.scale(model, sampling) if model.condition is not None or sampling.scale is not None else None,
    )


def _default(name: Any) -> Solver:
    """The solver of that name with its default settings."""
    return build.solver(Sampling(solver=name))


def _check(subjects: Sequence[Subject], sweep: Any) -> None:
    solvers = {name: _default(name) for name in sweep.solver}
    if sweep.eta and not any(fact(solver, "has_eta") for solver in solvers.values()):
        have = "have" if len(solvers) > 1 else "has"
        raise UsageError(f"{' and '.join(solvers)} {have} no η; leave out `eta`, or add ddim to `solver`.")
    if "large" in sweep.variance and not any(fact(solver, "has_variance") for solver in solvers.values()):
        adds = "add" if len(solvers) > 1 else "adds"
        raise UsageError(f"{' and '.join(solvers)} {adds} no noise; leave out `variance`, or add ddpm to `solver`.")
    for name in OPTIONS:
        if getattr(sweep, name) and not any(choices.takes(choices.SOLVERS.load(each), name) for each in solvers):
            have = "have" if len(solvers) > 1 else "has"
            those = ", ".join(choices.SOLVERS.taking(name))
            raise UsageError(f"{' and '.join(solvers)} {have} no `{name}`; leave it out, or add one of {those}.")
    for axis in _subject_axes():
        there = sorted({str(getattr(subject, axis.name)) for subject in subjects})
        for value in getattr(sweep, axis.name):
            if value not in there:
                raise UsageError(
                    f"none of the runs has the {axis.title} {value} (they have {', '.join(there)}), which is fixed "
                    f"when a network is trained. Train one with `{axis.name}={value!r}`, and name its folder too."
                )


def _subject_axes() -> list[Axis]:
    """The axes that choose among the subjects."""
    return [axis for axis in AXES.values() if axis.type is not None and axis.of_subject]


def _chosen(subjects: Sequence[Subject], sweep: Sweep) -> list[Subject]:
    wanted = {axis.name: getattr(sweep, axis.name) for axis in _subject_axes()}
    return [
        subject
        for subject in subjects
        if all(getattr(subject, name) in values for name, values in wanted.items() if values)
    ]


def _check_start(cell: Cell) -> Cell:
    """Returns the cell. Raises UsageError if x₀ cannot be computed from its network at the first level of its plan."""
    model, (_, plan) = load_model(cell.subject), cell.solver_and_plan
    if determinant(model.denoiser.prediction, plan[0]) == 0:
        raise UsageError(
            f"{cell.subject.name} predicts {cell.subject.prediction}, which says nothing of the image at pure "
            f"noise, where {cell.sampling.spacing} spacing begins on its schedule; take karras or leading as `spacing`."
        )
    return cell
