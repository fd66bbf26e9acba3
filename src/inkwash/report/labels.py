"""What scores, cells and places in a figure are called, in two languages."""

import math
from collections.abc import Sequence
from typing import Any

from inkwash.metrics.score import SCORES
from inkwash.report.words import Text, label
from inkwash.study.table import Row, Table

SCORE = {
    "frechet": Text("Fréchet distance", "Fréchet 距离"),
    "kernel": Text("kernel distance", "核距离"),
    "precision": Text("precision", "精确率"),
    "recall": Text("recall", "召回率"),
    "density": Text("density", "密度"),
    "coverage": Text("coverage", "覆盖率"),
    "spread": Text("spread", "离散程度"),
    "entropy": Text("class entropy, bits", "类别熵（比特）"),
    "accuracy": Text("accuracy", "准确率"),
}
BETTER = {  # an arrow to where that is
    name: "↓" if score.better == "lower" else "↑" for name, score in SCORES.items() if score.better is not None
}
NONE, ROUNDING = "–", 1e-9  # for what there is not; deviations below are none
LONGEST = 24  # characters of a name in a figure


def titled(score: str) -> Text:
    """The name of a score with an arrow to where it is better."""
    arrow = f" {BETTER[score]}" if score in BETTER else ""
    return Text(SCORE[score].en + arrow, SCORE[score].zh + arrow)


def printable(text: str) -> str:
    """A text without what cannot be printed, as names of folders may hold."""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def shown(name: str) -> str:
    """A name that is not too long to stand in a figure."""
    name = printable(name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[1 - LONGEST // 2 :]}"


def place(axis: str, value: Any) -> Text:
    """A value of an axis, named so that nothing else need be read: 20 steps, η = 0.5, ddim."""
    return label(axis, shown(value) if axis == "run" else value)


def places(at: dict[str, Any]) -> Text:
    """Values of several axes in a row."""
    each = [place(axis, value) for axis, value in at.items()]
    return Text(" · ".join(text.en for text in each), " · ".join(text.zh for text in each))


def cell_name(row: Row, done: Table) -> Text:
    """A row among the others: its values on the axes that were swept. No η nor s where the cell has none."""
    axes = [axis for axis in done.axes if getattr(row.cell.sampling, axis, "") is not None]
    return places({axis: row.value(axis) for axis in axes or ("solver", "steps")})


def scored(done: Table, names: Sequence[str]) -> list[str]:
    """Those of the scores that some cell has: what is asked of no cell, real images alone have."""
    return [name for name in names if name in done.floor_scores and any(name in row.scores for row in done.rows)]


def measured(row: Row, score: str) -> str:
    """A score of a row as a table shows it, if it has it."""
    return plus_minus(*row.scores[score]) if score in row.scores else NONE


def foretold(row: Row) -> str:
    """The spread that theory foretells, where it does: it knows no guidance."""
    return NONE if row.guided else f"{row.theory.spread:.3f}"


def plus_minus(mean: float, sd: float) -> str:
    """A mean and its standard deviation, both as far as two digits of the deviation go."""
    if not (math.isfinite(mean) and math.isfinite(sd)):
        return NONE
    digits = 3 if sd < ROUNDING else min(7, max(0, 1 - math.floor(math.log10(sd))))
    return f"{mean:.{digits}f} ± {sd:.{digits}f}".replace("-", "\N{MINUS SIGN}")
