"""Results of `Run.evaluate` and `Run.study`: scores that print as a table, and the paths of the written files."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inkwash.foreign import harmless

if TYPE_CHECKING:
    from inkwash.study.evaluate import Evaluation
    from inkwash.study.table import Table


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """The scores of one run under one sampler, as `inkwash evaluate` finds them. `print` shows the table."""

    found: "Evaluation"
    lines: tuple[str, ...]

    @property
    def scores(self) -> dict[str, tuple[float, float]]:
        """Each score's mean over three draws, and its standard deviation."""
        return self.found.table.rows[0].scores

    @property
    def floor(self) -> dict[str, tuple[float, float]]:
        """The scores of the same number of real images, which a perfect model would reach."""
        return self.found.table.floor_scores

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files with all numbers and figures."""
        return self.found.paths

    def __getitem__(self, name: str) -> float:
        return self.scores[name][0]

    def __str__(self) -> str:
        return "\n".join(map(harmless, self.lines))

    def __repr__(self) -> str:
        return f"Scores({', '.join(f'{name} {mean:.3g} ± {sd:.2g}' for name, (mean, sd) in self.scores.items())})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


@dataclass(frozen=True, eq=False, repr=False)
class Study:
    """A finished study: its table, the sentences of its summary, and its report."""

    table: "Table"
    summary: Sequence[str]
    paths: tuple[Path, ...]  # the report first

    def __str__(self) -> str:
        return "\n".join(map(harmless, self.summary))

    def __repr__(self) -> str:
        return f"Study({len(self.table.rows)} cells, report in {self.paths[0]})"

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{html.escape(text)}</li>" for text in self.summary)
        return f"<p>{html.escape(repr(self))}</p><ul>{items}</ul>"
