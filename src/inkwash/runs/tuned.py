"""Plans that are tuned for a run: found by `inkwash tune`, kept in tuned.json beside it, taken by spacing "tuned"."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from inkwash import __version__, choices
from inkwash.atomic import replacing
from inkwash.core import CLEAN, Plan, Seeded, karras
from inkwash.core.levels import as_levels
from inkwash.data.regular import open_regular
from inkwash.errors import InkwashError, UsageError
from inkwash.models import files_of
from inkwash.runs import build
from inkwash.runs.draw import CPU_BATCH
from inkwash.runs.guidance import guided
from inkwash.runs.model import TrainedModel
from inkwash.sample.solver import fact
from inkwash.sample.tuning import Reference, Start, end_error, local_errors, reference, refine, shortest, start_errors
from inkwash.settings import TUNED, Sampler, Sampling
from inkwash.training.checkpoint import FILES, digest

FILE = "tuned.json"
GRID = 48  # levels of which the steps are chosen
JUDGED_FROM = 1_000_000  # index of the first image on which a plan is judged; it is tuned on the images from 0 on
_KEY = ("solver", "steps", "limit", "scale")  # a plan is for these settings of a sampler
_S = TypeVar("_S", bound=Sampler)
OnEvaluations = Callable[[int], object]


@dataclass(frozen=True)
class Tuned:
    """A tuned plan as a spacing, and the distances of each spacing from the flow's images.

    Distances are root mean squares over pixels in [-1, 1], of images that the plan was not tuned on.
    """

    spacing: str
    error: float
    others: dict[str, tuple[float, float]]  # spacing -> with as many steps, with twice as many


def tune(model: TrainedModel, sampler: Sampler, n: int, seed: int, tick: OnEvaluations = lambda done: None) -> Tuned:
    """Finds the plan of `sampler.steps` steps whose n images end closest to those of the probability flow.

    GITS (Chen et al. 2024) begins: least sum of local errors. Then single steps are moved while the images get closer.
    The images of all classes in turn, if there are classes; `tick` is called with network evaluations as they are made.

    Raises UsageError for a sampler that adds noise, or a number of steps that cannot be tuned.
    """
    made = build.solver(sampler)
    if sampler.eta or fact(made, "eta"):
        raise UsageError("a plan is tuned for samplers that add no noise; take another `solver`, or `eta` 0.")
    if not fact(made, "evaluations_known"):
        raise UsageError(f"{sampler.solver} chooses its own steps, so there is nothing to tune; take another `solver`.")
    if not 2 <= sampler.steps <= GRID // 2:
        raise UsageError(f"a plan of 2 to {GRID // 2} steps can be tuned (got `steps={sampler.steps}`).")
    if n < 1:
        raise UsageError(f"`n` is a number of images, at least 1 (got {n}).")
    label = "all" if model.condition is not None and len(model.facts["classes"]) > 1 else None
    sampling = Sampling(**vars(replace(sampler, spacing="karras")), n=n, seed=seed, label=label)
    fine = karras(model.schedule, GRID)
    solver = build.solver(sampling, model.schedule)
    found = _references(model, sampling, 0, n, fine, tick)
    costs = local_errors(found, tick)
    starts = ([0.0], start_errors(found))  # from the noisiest level, and from any: either path may end closer
    begun = [shortest(costs, sampler.steps, each) for each in starts]
    chosen, _ = min((refine(found, path, solver, tick) for path in begun), key=lambda each: each[1])
    spacing = as_levels([*(fine[i] for i in chosen), CLEAN])

    judged = _references(model, sampling, JUDGED_FROM, n, fine, tick)
    others = {}
    for name in choices.SPACINGS.names:
        asked = [replace(sampling, spacing=name, steps=steps) for steps in (sampler.steps, 2 * sampler.steps)]
        try:
            few, more = (build.plan(each, model.schedule) for each in asked)
        except UsageError:
            continue  # the spacing does not suit the solver or the schedule
        others[name] = (end_error(judged, few, solver, tick), end_error(judged, more, solver, tick))
    plan = build.plan(replace(sampling, spacing=spacing), model.schedule)
    return Tuned(spacing, end_error(judged, plan, solver, tick), others)


def keep(model: TrainedModel, sampler: Sampler, found: Tuned) -> Path:
    """Stores a plan beside the run, in place of one for the same settings, and returns the file."""
    path = files_of(model.folder) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = {**_key(vars(sampler)), "checkpoint": model.digest}
    kept = [each for each in _stored(path) if {name: each.get(name) for name in mine} != mine]
    entry = {**mine, "spacing": found.spacing, "error": found.error, "others": found.others, "inkwash": __version__}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps([*kept, entry], indent=1), encoding="utf-8")
    return path


def resolved(sampler: _S, folder: Path, checkpoint: str) -> _S:
    """The sampler with the plan that was tuned for it in place of spacing "tuned"; others as they are.

    Raises UsageError if there is none for this checkpoint and these settings.
    """
    if sampler.spacing != TUNED:
        return sampler
    path = files_of(folder) / FILE
    stored, current = _stored(path), digest(folder / FILES[checkpoint])
    mine = _key(vars(sampler))
    fitting = [each for each in stored if _key(each) == mine]
    for each in fitting:
        if each.get("checkpoint") == current:
            return replace(sampler, spacing=each["spacing"])
    asked = _words(mine)
    if fitting:
        raise UsageError(f"the plan of {asked} in {path} was tuned for another checkpoint; run inkwash tune again.")
    known = f" There are plans for: {'; '.join(_words(_key(each)) for each in stored)}." if stored else ""
    raise UsageError(
        f"no plan was tuned for {asked}; run: inkwash tune {folder} --solver {sampler.solver} --steps {sampler.steps}."
        + known
    )


def _key(of: Mapping[str, Any]) -> dict[str, Any]:
    return {name: of.get(name) for name in _KEY}


def _words(key: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in key.items() if value is not None)


def _references(
    model: TrainedModel, sampling: Sampling, first: int, n: int, grid: Plan, tick: OnEvaluations
) -> list[Reference]:
    """The flow's images first, …, first + n − 1 of a request, in batches."""
    denoiser_of = guided(model, sampling).denoiser_of
    like = torch.empty(CPU_BATCH, *model.shape, device=model.device)
    found = []
    for start in range(first, first + n, CPU_BATCH):
        lanes = range(start, start + CPU_BATCH)
        begun = Start(build.limit(sampling, denoiser_of(lanes)), Seeded(sampling.seed, lanes)(like))
        found.append(reference(begun, grid[:-1], tick))
    return found


def _stored(path: Path) -> list[dict[str, Any]]:
    """The plans in a file; none if there is no file. Raises InkwashError for a damaged one."""
    if not path.exists():
        return []
    try:
        with open_regular(path) as file:
            found = json.loads(file.read())
        if not all(isinstance(each["spacing"], str) and isinstance(each["solver"], str) for each in found):
            raise TypeError
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InkwashError(f"{path} is damaged; delete it, and run inkwash tune again.") from error
    return list(found)
