"""Which differences of a table are significant: cells are compared draw by draw, as they share their noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inkwash.metrics.score import DRAWS, SCORES
from inkwash.study.axes import AXES
from inkwash.study.table import Row, Table

T_95 = 4.303  # Student's t for three draws, two-sided 95 %
ROUNDING = 1e-12  # sums that cancel over pairs leave as much


@dataclass(frozen=True)
class Difference:
    """The mean of a score's paired differences over the draws, and its standard error."""

    mean: float
    error: float

    @property
    def significant(self) -> bool:
        """Whether three draws can tell it from 0: Student's t, two-sided, 95 %."""
        return abs(self.mean) > max(T_95 * self.error, ROUNDING)


def improvement(a: Row, b: Row, score: str = "frechet") -> Difference:
    """By how much a is better than b in a score; negative where it is worse.

    Of a score without a direction, such as the spread, by how much it is larger.
    """
    return mean_improvement([(a, b)], score)


def mean_improvement(pairs: Sequence[tuple[Row, Row]], score: str = "frechet") -> Difference:
    """The improvement of the first over the second of each pair, on average over the pairs: all share their draws."""
    sign = (-1 if SCORES[score].better == "lower" else 1) / len(pairs)
    each = [sign * sum(_value(a, i, score) - _value(b, i, score) for a, b in pairs) for i in range(DRAWS)]
    mean = sum(each) / DRAWS
    return Difference(mean, math.sqrt(sum((one - mean) ** 2 for one in each) / (DRAWS - 1) / DRAWS))


def _value(row: Row, draw: int, score: str) -> float:
    value = row.draws[draw][score]
    assert value is not None, f"{score} was not measured"
    return value


@dataclass(frozen=True)
class Series:
    """Rows that differ in one axis only, in its order; `fixed` is where they stand on the others."""

    fixed: dict[str, Any]
    rows: tuple[Row, ...]


def series(done: Table, axis: str) -> list[Series]:
    """All series of two rows or more along a swept axis, in the order of the table.

    A run has one prediction, so along an axis of the subject its other properties change as well.
    """
    others = [name for name in done.axes if name != axis and not (AXES[name].of_subject and AXES[axis].of_subject)]
    found: dict[tuple[Any, ...], dict[Any, Row]] = {}
    for row in done.rows:
        found.setdefault(tuple(row.value(name) for name in others), {}).setdefault(row.value(axis), row)
    return [
        Series(dict(zip(others, place, strict=True)), tuple(rows[value] for value in done.axes[axis] if value in rows))
        for place, rows in found.items()
        if len(rows) > 1
    ]


def first_unbeaten(along: Series, least: float, score: str = "frechet") -> int:
    """The index of the first row of a series that no later row is significantly better than, by `least` or more."""
    rows = along.rows
    for i, row in enumerate(rows):
        better = (improvement(later, row, score) for later in rows[i + 1 :])
        if not any(each.significant and each.mean >= least for each in better):
            return i
    return len(rows) - 1


def significant_sign(a: Row, b: Row, score: str = "frechet") -> int:
    """1 where a is significantly better than b, −1 where it is worse, 0 where three draws cannot tell."""
    found = improvement(a, b, score)
    return int(math.copysign(1, found.mean)) if found.significant else 0


def best_row(rows: Sequence[Row]) -> tuple[Row, bool]:
    """The row of the least Fréchet distance, and whether it is significantly better than every other."""
    best = min(rows, key=lambda row: row.scores["frechet"][0])
    return best, all(improvement(best, row).significant for row in rows if row is not best)


def image_correlation(a: Row, b: Row) -> float:
    """How alike the pictures of two rows are that began from the same noise: the mean correlation over images.

    1 for the same images, about 0 for images that have no more in common than any two. The mean over pictures is
    subtracted from each picture first.
    """
    x, y = (row.pictures.reshape(len(row.pictures), -1).astype(float) for row in (a, b))
    centre = (x.mean(0) + y.mean(0)) / 2
    x, y = x - centre, y - centre
    return float((x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum() or 1.0))
