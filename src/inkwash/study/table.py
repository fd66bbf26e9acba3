"""The table of a study: for each cell the prediction of theory, the measured scores, and the cost."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from inkwash import __version__, foreign
from inkwash.errors import InkwashError
from inkwash.metrics.score import DRAWS, SCORES, Scores, summary
from inkwash.runs.model import TrainedModel
from inkwash.runs.record import code, used
from inkwash.study import theory
from inkwash.study.axes import AXES, Axis
from inkwash.study.cells import Cell
from inkwash.study.references import ReferenceSpec, reference
from inkwash.study.subject import Subject, load_model
from inkwash.study.units import units

PICTURES = 10  # images of each cell that the report shows


@dataclass(frozen=True, eq=False)
class Row:
    """A finished cell. `pictures` uint8 [P,H,W,C] start from the same noise in every row."""

    cell: Cell
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
        """Whether guidance was applied, which `theory` does not model: it assumes a single exact denoiser."""
        return self.cell.sampling.scale not in (None, 0, 1)

    def value(self, axis: str) -> Any:
        """The value of the row on an axis of AXES."""
        return AXES[axis].read(self)


@dataclass(frozen=True, eq=False)
class Table:
    """A finished study."""

    rows: tuple[Row, ...]
    floor: tuple[Scores, ...]  # scores of the same number of real images
    reference_spec: ReferenceSpec
    folder: Path  # of its units
    made: str  # when, as 2026-11-21 14:03

    @property
    def n(self) -> int:
        """Images in each of the three draws of a cell."""
        return self.reference_spec.n

    @cached_property
    def axes(self) -> dict[str, list[Any]]:
        """The swept axes in the order of AXES, with their values in order."""
        found = {name: _ordered(axis, [row.value(name) for row in self.rows]) for name, axis in AXES.items()}
        return {name: each for name, each in found.items() if len(each) > 1 and not self._is_decided(AXES[name])}

    def _is_decided(self, axis: Axis) -> bool:
        """Whether another axis decides this one: each sampler has its own spacing, or each run its own scale."""
        if axis.follows is None:
            return False
        pairs = {(row.value(axis.follows), row.value(axis.name)) for row in self.rows}
        return len(pairs) == len({value for value, _ in pairs})

    @cached_property
    def floor_scores(self) -> dict[str, tuple[float, float]]:
        """Scores of the same number of real images: name -> (mean, standard deviation)."""
        return summary(list(self.floor))

    @cached_property
    def subjects(self) -> list[Subject]:
        """The subjects, without repetition."""
        return list(dict.fromkeys(row.cell.subject for row in self.rows))

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Everything besides the cells that the scores depend on."""
        against = reference(self.reference_spec)
        reader = against.reader
        runs = [part for subject in self.subjects if (run := load_model(subject).run) for part in used(run)]
        return {
            "inkwash": __version__,
            "data": against.source.name,
            "split": against.source.split,
            "compared": against.compared,
            "floor_split": against.floor_source.split,
            "n": self.n,
            "draws": DRAWS,
            "features": against.features.name,
            "features_digest": against.features.digest,
            "reader": None if reader is None else {"digest": reader.digest, "accuracy": reader.accuracy},
            "classes": list(against.source.classes),
            "fingerprint": against.source.fingerprint,
            "weights": {subject.name: weights for subject in self.subjects if (weights := _weights(subject))},
            "checkpoints": {subject.name: load_model(subject).digest for subject in self.subjects},
            "trained": {
                subject.name: {name: _facts(subject).get(name) for name in ("step", "images_seen", "seconds")}
                for subject in self.subjects
            },
            **code(self.reference_spec.scoring, *runs, *(row.cell.sampling for row in self.rows)),
        }


def table(cells: list[Cell], spec: ReferenceSpec, folder: Path) -> Table:
    """Builds the table of cells whose units are all finished in `folder`."""
    against = reference(spec)
    stds = theory.stds(against.some(theory.IMAGES))
    rows = []
    for cell in cells:
        draws, scores = [], []
        for unit in units([cell], spec, folder):
            drawn, scored = unit.images(), unit.scores()
            if drawn is None or scored is None:
                raise InkwashError(f"{unit.images_path} was lost while the study ran; run the same command again.")
            draws.append(drawn)
            scores.append(scored)
        rows.append(
            Row(
                cell,
                theory.predict(*cell.solver_and_plan, stds),
                tuple(scores),
                draws[0].evaluations,
                sum(each.seconds for each in draws),
                draws[0].images[:PICTURES],
            )
        )
    return Table(tuple(rows), against.floor, spec, folder, datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"))


def as_csv(done: Table) -> str:
    """One line a cell: its axes, what theory predicts, each score with its deviation and its floor, and its cost.

    Theory predicts nothing where the guidance scale is neither 0 nor 1.
    """
    facts, floor = done.facts, done.floor_scores
    known = {name: facts[name] for name in ("data", "split", "features", "features_digest", "n", "draws")}
    scored = [name for name in SCORES if name in floor]
    columns = [part for name in scored for part in (name, f"{name}_sd", f"{name}_floor")]
    lines: list[list[object]] = [
        [*AXES, "checkpoint", *known, "theory_spread", "theory_frechet", *columns, "evaluations", "seconds"]
    ]
    for row in done.rows:
        lines.append([
            *(row.value(axis) for axis in AXES), facts["checkpoints"][row.cell.subject.name], *known.values(),
            *("" if row.guided else f"{of:.6g}" for of in (row.theory.spread, row.theory.frechet)),
            *(part for name in scored for part in _numbers(row.scores.get(name), floor[name][0])),
            row.evaluations, f"{row.seconds:.3f}",
        ])  # fmt: skip
    return foreign.as_csv(lines)


def _numbers(score: tuple[float, float] | None, floor: float) -> list[str]:
    return [f"{part:.6g}" for part in (*score, floor)] if score else ["", "", f"{floor:.6g}"]


def _weights(subject: Subject) -> str | None:
    """Which weights drew: averaged ("ema") or those of the last step ("raw"), which are the same where none average."""
    model = load_model(subject)
    if not isinstance(model, TrainedModel):
        return None  # an exact denoiser has none
    return model.weights if model.run.training.ema else "raw"


def _facts(subject: Subject) -> dict[str, Any]:
    """The facts about the subject's training."""
    model = load_model(subject)
    return model.facts if isinstance(model, TrainedModel) else {}


def _ordered(axis: Axis, values: list[Any]) -> list[Any]:
    """The distinct values of an axis: numbers in ascending order, names in the order of the table."""
    each = [value for value in dict.fromkeys(values) if value is not None]
    return sorted(each) if axis.numeric else each
