"""Distilling a run: a chain of trainings, each of which begins with the weights of the one before."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from inkwash import choices
from inkwash.errors import UsageError
from inkwash.runs.distilling import method_of
from inkwash.runs.fit import Fit, fit
from inkwash.runs.guidance import scale
from inkwash.runs.model import TrainedModel, open_model
from inkwash.runs.record import check_same, described
from inkwash.settings import Distillation, RunSettings, Sampling, Training
from inkwash.training.checkpoint import LAST, digest, facts

STAGES = "stages"  # the folder, in that of the student, with the stages before the last


@dataclass(frozen=True)
class Request:
    """What is distilled, and how. `training` is that of each stage."""

    teacher: Path
    method: str
    steps: int
    teacher_steps: int | None
    training: Training


def distill(
    asked: Request, out: Path, resume: bool, stop: Callable[[], bool], data_dir: Path | None = None
) -> Iterator[tuple[str, Fit | None]]:
    """Trains the stages of a student in turn, the last of them in `out` and the others in folders within.

    Yields the name of each stage and its training, which the caller iterates to its end before the next one; None
    in place of the training of a stage that has ended before. Ends early where a training was stopped. All is checked
    before the first stage begins.

    Raises UsageError for a run that the method cannot take and for a folder that holds a run already, and what `fit`
    raises.
    """
    teacher = open_model(asked.teacher)
    _check(asked, teacher, out, resume)
    method = choices.DISTILLATIONS.load(asked.method)
    stages = method.stages(asked.steps, asked.teacher_steps)
    made = Distillation(
        asked.method, asked.steps, 0, str(asked.teacher.resolve()), teacher.digest, scale(teacher, Sampling()),
        teacher.conditioning.interval, teacher.run.sampler.limit,
    )  # fmt: skip
    for stage in stages:
        method_of(replace(made, steps=stage.steps, amount=stage.amount), teacher.run, teacher)
    before = asked.teacher
    for i, stage in enumerate(stages):
        folder = out if stage is stages[-1] else out / STAGES / f"{i + 1:02d}"
        if i:  # the student of one stage, guidance and all, teaches the next
            made = replace(made, teacher=str(before.resolve()), sha256=digest(before / LAST), scale=1.0, interval=None)
        run = student(teacher, replace(made, steps=stage.steps, amount=stage.amount), asked.training)
        begun = (folder / LAST).exists()
        if begun and _has_ended(folder, asked.training):
            check_same(folder, described(folder / LAST, facts(folder / LAST)), run, "a resumed one keeps its settings")
            yield stage.name, None
        else:
            given = data_dir or _data_dir(teacher)
            yield stage.name, fit(run, folder, given, begun, stop, from_run=None if begun else before)
        if not _has_ended(folder, asked.training):
            return
        before = folder


def student(teacher: TrainedModel, made: Distillation, training: Training) -> RunSettings:
    """The settings of a student: the teacher's network, images and process; a condition is never dropped."""
    method = choices.DISTILLATIONS.load(made.method)
    conditioning = teacher.conditioning
    if teacher.condition is not None:
        conditioning = replace(conditioning, condition_dropout=0.0, scale=1.0, interval=None)
    sampler = method.sampler(made.steps, made.limit)
    return replace(teacher.run, conditioning=conditioning, training=training, sampler=sampler, distillation=made)


def _check(asked: Request, teacher: TrainedModel, out: Path, resume: bool) -> None:
    before = teacher.run.distillation
    if before is not None:
        raise UsageError(f"{asked.teacher} was distilled itself; distill {before.teacher}, which it comes from.")
    if not teacher.facts["images"]:
        raise UsageError(f"{asked.teacher} was trained elsewhere, on images that are not known here.")
    if out.resolve() == asked.teacher.resolve():
        raise UsageError(f"{out} is the run that is distilled; choose another `out` for the student.")
    found = [
        folder
        for folder in (out, out / STAGES)
        if (folder / LAST).exists() or (folder.name == STAGES and folder.exists())
    ]
    if found and not resume:
        raise UsageError(
            f"{out} already holds a run or a part of one; add `resume=True` to go on, or choose another `out`."
        )
    if resume and not found:
        raise UsageError(f"there is nothing to resume in {out}; leave out `resume` to begin.")


def _has_ended(folder: Path, training: Training) -> bool:
    about = facts(folder / LAST)
    return bool(about["step"] >= (training.steps or about["steps"]))


def _data_dir(teacher: TrainedModel) -> Path | None:
    from inkwash.runs.model import data_dir

    return data_dir(teacher, None)
