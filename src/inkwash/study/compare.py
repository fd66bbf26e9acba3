"""Which differences of a table are real: cells are compared draw by draw, as they share their noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inkwash.metrics.score import DRAWS
from inkwash.study.table import Row, Table

SURE = 4.303  # Student's t for three draws, two-sided 95 %
ROUNDING = 1e-12  # shares that cancel over pairs leave as much
LOWER = ("frechet", "kernel")  # the scores of which less is better


@dataclass(frozen=True)
class Difference:
    """The mean of a score's paired differences over the draws, and its standard error."""

    mean: float
    error: float

    @property
    def sure(self) -> bool:
        """Whether three draws can tell it from 0: Student's t, two-sided, 95 %."""
        return abs(self.mean) > max(SURE * self.error, ROUNDING)


def gain(a: Row, b: Row, name: str = "frechet") -> Difference:
    """By how much a is better than b in a score; negative where it is worse. For the spread: by how much larger."""
    return mean_gain([(a, b)], name)


def mean_gain(pairs: Sequence[tuple[Row, Row]], name: str = "frechet") -> Difference:
    """The gain of the first over the second of each pair, on average over pairs: all pairs share their draws."""
    sign = (-1 if name in LOWER else 1) / len(pairs)
    apart = [
        sign * sum(getattr(a.draws[i], name) - getattr(b.draws[i], name) for a, b in pairs) for i in range(DRAWS)
    ]  # fmt: skip
    mean = sum(apart) / DRAWS
    return Difference(mean, math.sqrt(sum((each - mean) ** 2 for each in apart) / (DRAWS - 1) / DRAWS))


@dataclass(frozen=True)
class Family:
    """Rows that differ in one axis only, in its order; `fixed` is where they stand on the others."""

    fixed: dict[str, Any]
    rows: tuple[Row, ...]


def families(done: Table, axis: str) -> list[Family]:
    """All families of two rows or more along a swept axis, in the order of the table."""
    tied = {"prediction": "run", "run": "prediction"}.get(axis)  # a run has one prediction: both change at once
    others = [name for name in done.axes if name not in (axis, tied)]
    found: dict[tuple[Any, ...], dict[Any, Row]] = {}
    for row in done.rows:
        found.setdefault(tuple(row.value(name) for name in others), {}).setdefault(row.value(axis), row)
    return [
        Family(dict(zip(others, place, strict=True)), tuple(rows[value] for value in done.axes[axis] if value in rows))
        for place, rows in found.items()
        if len(rows) > 1
    ]


def enough(family: Family, least: float, name: str = "frechet") -> int:
    """The first row of a family that no later row is surely better than, by `least` or more."""
    rows = family.rows
    for i, row in enumerate(rows):
        better = (gain(later, row, name) for later in rows[i + 1 :])
        if not any(each.sure and each.mean >= least for each in better):
            return i
    return len(rows) - 1


def significant_sign(a: Row, b: Row, name: str = "frechet") -> int:
    """1 where a is surely better than b, −1 where it is surely worse, 0 where three draws cannot tell."""
    found = gain(a, b, name)
    return int(math.copysign(1, found.mean)) if found.sure else 0


def best_row(rows: Sequence[Row]) -> tuple[Row, bool]:
    """The row of the least Fréchet distance, and whether it is surely better than every other."""
    best = min(rows, key=lambda row: row.scores["frechet"][0])
    return best, all(gain(best, row).sure for row in rows if row is not best)


def likeness(a: Row, b: Row) -> float:
    """How alike the pictures of two rows are that began from the same noise: the mean correlation over images.

    1 for the same images, about 0 for images that have no more in common than any two. Each picture has the mean
    over pictures taken off first.
    """
    x, y = (row.pictures.reshape(len(row.pictures), -1).astype(float) for row in (a, b))
    centre = (x.mean(0) + y.mean(0)) / 2
    x, y = x - centre, y - centre
    return float((x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum() or 1.0))
