"""A study from beginning to end, without any printing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inkwash.atomic import sweep
from inkwash.errors import UsageError
from inkwash.metrics.score import OnStep
from inkwash.settings import Scoring
from inkwash.study.axes import Sweep
from inkwash.study.cells import Cell, cells
from inkwash.study.references import ReferenceSpec, notes, prepare_reference, reference
from inkwash.study.subject import Subject
from inkwash.study.table import Table, table
from inkwash.study.units import OnEvaluations, Unit, units
from inkwash.study.workers import compute_all

CELLS = "cells"  # the folder of finished units, in a study's folder


@dataclass(frozen=True)
class Session:
    """A validated study, ready to compute. Units finished by an earlier session are reused."""

    cells: list[Cell]
    units: list[Unit]
    reference_spec: ReferenceSpec
    folder: Path

    @property
    def n(self) -> int:
        """Images in each of the three draws of a cell."""
        return self.reference_spec.n

    @property
    def notes(self) -> list[str]:
        """Sentences on what will not be measured, or only with a bias."""
        return notes(self.reference_spec)

    @property
    def left(self) -> int:
        """The number of remaining network evaluations, over all images."""
        return sum(unit.cost for unit in self.units if not unit.images_path.is_file())

    def finish(self, jobs: int | None = None, on_evaluations: OnEvaluations = lambda evaluations: None) -> Table:
        """Computes the remaining units with `jobs` processes (see `workers.compute_all`), and returns the table."""
        compute_all(self.units, jobs, on_evaluations)
        sweep(self.folder)
        return table(self.cells, self.reference_spec, self.folder)


def begin(
    subjects: Sequence[Subject],
    sweeps: Sequence[Sweep],
    scoring: Scoring,
    folder: Path,
    default_n: int,
    on_step: OnStep = lambda step, steps: None,
) -> Session:
    """Checks a study and prepares it in `folder`. `on_step` is called while a classifier is trained, if needed.

    Raises UsageError, before anything is computed, for subjects of different images, an axis that they do not
    have, an n that the data set does not allow, or several cells to compare on images that are all alike.
    """
    if not subjects:
        raise UsageError("a study needs a run to draw from (got none).")
    names = [subject.name for subject in subjects]
    if len(set(names)) < len(names):
        raise UsageError(f"the runs need names of their own in the table, and these are {', '.join(names)}.")
    prints = {subject.images("train").fingerprint for subject in subjects}
    if len(prints) > 1:
        each = ", ".join(f"{subject.name} on {subject.images('train').name}" for subject in subjects)
        raise UsageError(f"one study compares runs of the same images at the same size; got {each}.")
    found = cells(subjects, sweeps, 1, scoring.seed)  # first, since it is cheap
    spec = prepare_reference(ReferenceSpec(subjects[0], scoring), default_n, on_step)
    if len(found) > 1 and reference(spec).real_std == 0:
        raise UsageError(
            f"{subjects[0].name}'s images are all alike, so no setting draws more or less varied ones than another; "
            "study a run of images that differ, or measure this one with inkwash evaluate."
        )
    found = [replace(cell, sampling=replace(cell.sampling, n=spec.n)) for cell in found]
    return Session(found, units(found, spec, folder / CELLS), spec, folder / CELLS)
