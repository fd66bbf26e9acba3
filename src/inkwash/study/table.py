"""The table of a study: what each cell was foretold, measured and cost."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from inkwash import __version__
from inkwash.errors import InkwashError
from inkwash.metrics.score import DRAWS, NAMES, Scores, summary
from inkwash.runs.record import code, used
from inkwash.study import theory
from inkwash.study.cells import Cell
from inkwash.study.subject import Measure, Subject, opened, reference
from inkwash.study.units import units

PICTURES = 10  # images of each cell that the report shows
AXES = ("prediction", "run", "solver", "steps", "scale", "eta", "spacing", "variance", "limit")


@dataclass(frozen=True, eq=False)
class Row:
    """One cell, finished. `pictures` uint8 [P,H,W,C] begin from the same noise in every row."""

    cell: Cell
    prediction: str  # what the network predicts
    theory: theory.Forecast
    draws: tuple[Scores, ...]
    evaluations: int  # of the network, for one image
    seconds: float  # for all images of all draws, on one core of the machine
    pictures: Any

    @cached_property
    def scores(self) -> dict[str, tuple[float, float]]:
        """Name -> (mean, standard deviation over the draws)."""
        return summary(list(self.draws))

    @property
    def guided(self) -> bool:
        """Whether guidance moved the images to where `theory` cannot follow: it stands for one perfect network."""
        return self.cell.sampling.scale not in (None, 0, 1)

    def value(self, axis: str) -> Any:
        """Where the row stands on an axis of AXES. What adds no noise stands at η = 0, ddpm at 1."""
        if axis == "prediction":
            return self.prediction
        if axis == "run":
            return self.cell.subject.name
        if axis == "eta" and self.cell.sampling.eta is None:
            return 1.0 if self.cell.sampling.solver == "ddpm" else 0.0
        return getattr(self.cell.sampling, axis)


@dataclass(frozen=True, eq=False)
class Table:
    """A finished study."""

    rows: tuple[Row, ...]
    floor: tuple[Scores, ...]  # of as many real images
    measure: Measure
    folder: Path  # of its units
    made: str  # when, as 2026-11-21 14:03

    @property
    def n(self) -> int:
        """Images in each of the three draws of a cell."""
        return self.measure.n

    @cached_property
    def axes(self) -> dict[str, list[Any]]:
        """The axes that were swept, in the order to be read, with their values in order."""
        found = {axis: _ordered([row.value(axis) for row in self.rows]) for axis in AXES}
        if len(found["prediction"]) == len(found["run"]):  # one run a prediction: the same axis
            del found["run"]
        if len(set(found["solver"])) == len({(row.value("solver"), row.value("spacing")) for row in self.rows}):
            del found["spacing"]  # each solver has its own
        if len(set(found["solver"])) == len({(row.value("solver"), row.value("eta")) for row in self.rows}):
            del found["eta"]  # here too, as ddpm has 1
        if len({(row.value("run"), row.value("scale")) for row in self.rows}) == len(self.subjects):
            del found["scale"]  # each run has its own, or none
        return {axis: values for axis, values in found.items() if len(values) > 1}

    @cached_property
    def floor_scores(self) -> dict[str, tuple[float, float]]:
        """What as many real images score: name -> (mean, standard deviation)."""
        return summary(list(self.floor))

    @cached_property
    def subjects(self) -> list[Subject]:
        """The subjects, each once."""
        return list(dict.fromkeys(row.cell.subject for row in self.rows))

    @cached_property
    def facts(self) -> dict[str, Any]:
        """All that the scores depend on besides the cells, for whoever doubts them."""
        ruler = reference(self.measure)
        reader = ruler.reader
        runs = [part for subject in self.subjects for part in used(opened(subject).run)]
        return {
            "inkwash": __version__,
            "data": ruler.source.name,
            "split": ruler.source.split,
            "compared": ruler.compared,
            "n": self.n,
            "draws": DRAWS,
            "features": ruler.features.name,
            "features_digest": ruler.features.digest,
            "reader": None if reader is None else {"digest": reader.digest, "accuracy": reader.accuracy},
            "classes": list(ruler.source.classes),
            "fingerprint": ruler.source.fingerprint,
            "checkpoints": {subject.name: opened(subject).digest for subject in self.subjects},
            "trained": {
                subject.name: {name: opened(subject).facts.get(name) for name in ("step", "images_seen", "seconds")}
                for subject in self.subjects
            },
            **code(self.measure.scoring, *runs, *(row.cell.sampling for row in self.rows)),
        }


def table(cells: list[Cell], measure: Measure, folder: Path) -> Table:
    """The table of cells whose units are all done in `folder`."""
    ruler = reference(measure)
    stds = theory.stds(ruler.some(theory.IMAGES))
    rows = []
    for cell in cells:
        drawn, scores = [], []
        for unit in units([cell], measure, folder):
            images, scored = unit.drawn(), unit.scores()
            if images is None or scored is None:
                raise InkwashError(f"{unit.drawn_path} was lost while the study ran; run the same command again.")
            drawn.append(images)
            scores.append(scored)
        rows.append(
            Row(
                cell,
                opened(cell.subject).run.process.prediction,
                theory.predict(*cell.walk, stds),
                tuple(scores),
                drawn[0].evaluations,
                sum(each.seconds for each in drawn),
                drawn[0].images[:PICTURES],
            )
        )
    return Table(tuple(rows), ruler.floor, measure, folder, datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"))


def as_csv(done: Table) -> str:
    """One line a cell: its axes, what theory foretells, each score with its deviation and its floor, and its cost.

    Theory foretells nothing where the guidance scale is neither 0 nor 1.
    """
    facts, floor = done.facts, done.floor_scores
    axes = [axis for axis in AXES if axis != "prediction"]
    known = {name: facts[name] for name in ("data", "split", "features", "features_digest", "n", "draws")}
    scored = [name for name in NAMES if name in floor]
    columns = [part for name in scored for part in (name, f"{name}_sd", f"{name}_floor")]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([
        "prediction", *axes, "checkpoint", *known, "theory_spread", "theory_frechet", *columns,
        "evaluations", "seconds",
    ])  # fmt: skip
    for row in done.rows:
        lines.writerow([
            row.prediction, *(row.value(axis) for axis in axes), facts["checkpoints"][row.cell.subject.name],
            *known.values(), *("" if row.guided else f"{of:.6g}" for of in (row.theory.spread, row.theory.frechet)),
            *(part for name in scored for part in _numbers(row.scores.get(name), floor[name][0])),
            row.evaluations, f"{row.seconds:.3f}",
        ])  # fmt: skip
    return text.getvalue()


def _numbers(score: tuple[float, float] | None, floor: float) -> list[str]:
    return [f"{part:.6g}" for part in (*score, floor)] if score else ["", "", f"{floor:.6g}"]


def _ordered(values: list[Any]) -> list[Any]:
    each = list(dict.fromkeys(values))
    numbers = [value for value in each if isinstance(value, int | float)]
    return sorted(numbers) + [value for value in each if value not in numbers and value is not None]
