"""A study from beginning to end, without the talking."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inkwash.atomic import TEMPORARY
from inkwash.errors import UsageError
from inkwash.metrics.score import OnStep
from inkwash.settings import Scoring, Sweep
from inkwash.study.cells import Cell, cells
from inkwash.study.subject import Measure, Subject, opened, ready
from inkwash.study.table import Table, table
from inkwash.study.units import Unit, units
from inkwash.study.workers import OnEvaluations, do

CELLS = "cells"  # the folder of finished units, in a study's folder


@dataclass(frozen=True)
class Session:
    """A study made ready: all is checked, and what is done already is known."""

    cells: list[Cell]
    units: list[Unit]
    measure: Measure
    folder: Path

    @property
    def left(self) -> int:
        """Network evaluations, over all images, that are still to be made."""
        return sum(unit.cost for unit in self.units if not unit.drawn_path.is_file())

    def finish(self, jobs: int | None = None, tick: OnEvaluations = lambda evaluations: None) -> Table:
        """Does what is left, with `jobs` processes (see `crew.do`), and makes the table."""
        do(self.units, jobs, tick)
        for left in self.folder.glob(f"{TEMPORARY}*"):  # of a process that was killed while it wrote; nobody writes now
            left.unlink(missing_ok=True)
        return table(self.cells, self.measure, self.folder)


def begin(
    subjects: Sequence[Subject],
    sweeps: Sequence[Sweep],
    scoring: Scoring,
    folder: Path,
    default_n: int,
    tick: OnStep = lambda step, steps: None,
) -> Session:
    """Makes a study ready in `folder`; `tick` is called while the features are trained, if they must be.

    Raises UsageError, before anything is computed, for subjects of different images, an axis that they do not
    have, or an n that the data set does not allow.
    """
    if not subjects:
        raise UsageError("a study needs a run to draw from (got none).")
    names = [subject.name for subject in subjects]
    if len(set(names)) < len(names):
        raise UsageError(f"the runs need names of their own in the table, and these are {', '.join(names)}.")
    prints = {subject.images("train").fingerprint for subject in subjects}
    if len(prints) > 1:
        told = ", ".join(f"{subject.name} on {opened(subject).run.data.source}" for subject in subjects)
        raise UsageError(f"one study compares runs of the same images at the same size; got {told}.")
    found = cells(subjects, sweeps, 1, scoring.seed)  # first of all, as it costs nothing
    measure = ready(Measure(subjects[0], scoring), default_n, tick)
    found = [replace(cell, sampling=replace(cell.sampling, n=measure.n)) for cell in found]
    kept = folder / CELLS
    return Session(found, units(found, measure, kept), measure, kept)
