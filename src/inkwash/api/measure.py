"""Scores and studies of runs from Python: what `Run.evaluate` and `Run.study` do."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from inkwash.api.scores import Scores, Study
from inkwash.errors import UsageError
from inkwash.lock import holding
from inkwash.models import title
from inkwash.progress import bar, classifier_bar
from inkwash.report.sections import answers
from inkwash.report.write import write_report
from inkwash.runs.model import TrainedModel
from inkwash.settings import Sampler, Scoring
from inkwash.study.axes import AXES, Sweep, one_cell, sweep_of
from inkwash.study.evaluate import check_likelihood, cost, evaluation, lines
from inkwash.study.machine import machine_facts
from inkwash.study.references import forget
from inkwash.study.session import begin
from inkwash.study.subject import Trained

PathLike = str | os.PathLike[str]


def scoring(
    n: int | None,
    features: str,
    inception: PathLike | None,
    class_scores: bool,
    split: Literal["train", "test"],
    seed: int,
) -> Scoring:
    """Returns what is measured, checked; the arguments are those of `Run.evaluate`."""
    return Scoring(
        n=n, features=features, inception=None if inception is None else Path(inception),
        class_scores=class_scores, split=split, seed=seed,
    )  # fmt: skip


def evaluate(
    model: TrainedModel,
    sampler: Sampler,
    what: Scoring,
    likelihood: int,
    against: PathLike | None,
    out: PathLike | None,
    data_dir: PathLike | None,
    jobs: int | None,
    progress: bool,
) -> Scores:
    """Scores the images that `sampler` draws from the model; see `Run.evaluate`."""
    place = model.folder / "evaluation" if out is None else Path(out)
    with holding(place, "an evaluation"):
        real = None if against is None else os.fspath(against)
        check_likelihood(_subject(model, data_dir, real), likelihood)
        table = _measured([model], one_cell(sampler), what, place, 2000, data_dir, jobs, progress, real)
        with bar(cost(likelihood), "evaluations", not progress, scale=True) as shown:
            found = evaluation(table, place, likelihood, shown.update)
        return Scores(found, tuple(lines(found)))


def study(
    models: Sequence[TrainedModel],
    axes: dict[str, Any],
    what: Scoring,
    out: PathLike | None,
    data_dir: PathLike | None,
    jobs: int | None,
    progress: bool,
) -> Study:
    """Varies sampler settings of the runs and writes a report; see `Run.study`."""
    names = "-".join(title(model.folder) for model in models)
    place = Path("runs") / f"study-{names}" if out is None else Path(out)
    with holding(place, "a study"):
        table = _measured(models, _sweep(axes, models), what, place, 200, data_dir, jobs, progress)
        with bar(1 + 2 * len(table.axes), "figures", not progress) as shown:
            paths = write_report(table, place, machine_facts(), lambda done, of: shown.update(done - shown.n))
        return Study(table, answers(table), tuple(paths))


def _sweep(axes: dict[str, Any], models: Sequence[TrainedModel]) -> Sweep:
    """Returns the sweep over `axes`, each with one value or several; other axes as the sampler of the runs' recipe.

    Raises UsageError for an unknown axis.
    """
    known = [axis.name for axis in AXES.values() if axis.type is not None]
    wrong = sorted(set(axes) - set(known))
    if wrong:
        raise UsageError(f"a study has no axis `{wrong[0]}`; the axes are {', '.join(known)}.")
    several = {
        name: (value,) if isinstance(value, str) or not isinstance(value, Sequence) else tuple(value)
        for name, value in axes.items()
    }
    samplers = {model.run.default_sampler for model in models}
    defaults = sweep_of(samplers.pop()) if len(samplers) == 1 else Sweep()
    same = several.get("solver", defaults.solver) == defaults.solver
    return Sweep(**{**vars(defaults), **several}) if same else Sweep(**several)


def _measured(
    models: Sequence[TrainedModel],
    sweep: Sweep,
    scoring: Scoring,
    out: Path,
    default_n: int,
    data_dir: PathLike | None,
    jobs: int | None,
    progress: bool,
    against: str | None = None,
) -> Any:
    forget()  # a run may have been trained further since it was last opened
    subjects = [_subject(model, data_dir, against) for model in models]
    with classifier_bar(progress) as on_step:
        job = begin(subjects, [sweep], scoring, out, default_n, on_step)
    with bar(job.left, "evaluations", not progress, scale=True) as shown:
        return job.finish(jobs, shown.update)


def _subject(model: TrainedModel, data_dir: PathLike | None, against: str | None) -> Any:
    place = None if data_dir is None else Path(data_dir)
    return Trained(model.folder, model.which, model.device.type, place, model.weights, against)
