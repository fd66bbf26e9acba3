"""Significance of differences between cells, with paired comparisons over the draws, which share their noise."""

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
        """Whether a mean over three draws differs significantly from 0 (Student's t, two-sided, 95 %)."""
        return abs(self.mean) > max(T_95 * self.error, ROUNDING)


def improvement(a: Row, b: Row, score: str = "frechet") -> Difference:
    """The improvement of a over b in a score; negative if a is worse.

    For a score without a direction, such as the spread, the difference a − b.
    """
    return mean_improvement([(a, b)], score)


def mean_improvement(pairs: Sequence[tuple[Row, Row]], score: str = "frechet") -> Difference:
    """The improvement of the first over the second row, averaged over the pairs, which all share their draws."""
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
    """Rows along one axis, in its order; `fixed` has their values on the other axes.

    Several rows share a value where several runs do, such as two runs with the same prediction.
    """

    fixed: dict[str, Any]
    rows: tuple[Row, ...]


def series(done: Table, axis: str) -> list[Series]:
    """All series of two values or more along a swept axis, in the order of the table.

    A run has one prediction, so along an axis of the subject its other properties change as well, and every run is
    in the series.
    """
    others = [name for name in done.axes if name != axis and not (AXES[name].of_subject and AXES[axis].of_subject)]
    found: dict[tuple[Any, ...], dict[Any, list[Row]]] = {}
    for row in done.rows:
        found.setdefault(tuple(row.value(name) for name in others), {}).setdefault(row.value(axis), []).append(row)
    return [
        Series(
            dict(zip(others, place, strict=True)),
            tuple(row for value in done.axes[axis] for row in rows.get(value, ())),
        )
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
    """1 if a is significantly better than b, −1 if it is significantly worse, 0 otherwise."""
    found = improvement(a, b, score)
    return int(math.copysign(1, found.mean)) if found.significant else 0


def best_row(rows: Sequence[Row]) -> tuple[Row, bool]:
    """The row with the smallest Fréchet distance, and whether it is significantly better than every other row."""
    best = min(rows, key=lambda row: row.scores["frechet"][0])
    return best, all(improvement(best, row).significant for row in rows if row is not best)


def image_correlation(a: Row, b: Row) -> float:
    """The mean correlation between the pictures of two rows that start from the same noise.

    It is 1 for identical images, and about 0 for unrelated ones. The mean picture is subtracted first.
    """
    x, y = (row.pictures.reshape(len(row.pictures), -1).astype(float) for row in (a, b))
    centre = (x.mean(0) + y.mean(0)) / 2
    x, y = x - centre, y - centre
    return float((x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum() or 1.0))
