"""inkwash posterior."""

import os
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from inkwash import choices
from inkwash.checked import Count, listed
from inkwash.commands._base import RUNS, Code, Command, Encoder, Jobs, allow_choices
from inkwash.errors import UsageError
from inkwash.foreign import as_csv, say, show

_OPERATORS = ("mask:box", "downsample:2", "blur:1", "fourier:0.5")
_METHODS = (
    "moment:20", "ddnm", "ddnm+", "ddrm", "ddrm:0", "pigdm", "dps", "replacement", "repaint", "diffpir", "daps",
    "twisted:400",
)  # fmt: skip


@dataclass(frozen=True)
class Posterior(Command):
    """Measure restoration methods against exact posteriors; no training needed."""

    order: ClassVar[int] = 45

    operator: Annotated[tuple[str, ...], listed(str)] = _OPERATORS
    """Linear operators, on images of 6×6 pixels."""
    noise: Annotated[tuple[float, ...], listed(float)] = (0.0, 0.05, 0.2)
    """Standard deviations of the noise; the prior's is 0.25."""
    method: Annotated[tuple[str, ...], listed(str)] = _METHODS
    """Methods, each as `inkwash restore` takes it."""
    n: Annotated[Count, tyro.conf.arg(aliases=["-n"])] = 400
    """Restorations of each measurement."""
    steps: Count = 60
    """Sampling steps; methods with their own solver make three times as many."""
    jobs: Jobs = None
    seed: int = 0
    """Seed of the measurements and the restorations."""
    out: Path = RUNS / "posterior"
    """Folder for posterior.csv and posterior.md."""
    encoder: Encoder = None
    code: Code = ()

    def run(self) -> None:
        """Prints the table as it grows, and writes it."""
        from inkwash.atomic import replacing
        from inkwash.inverse.table import FLOOR, Row, problems, table
        from inkwash.progress import bar

        allow_choices(choices.OPERATORS, *self.operator)
        allow_choices(choices.METHODS, *self.method)
        if self.out.is_file():
            raise UsageError(f"{self.out} is a file; `out` is a folder.")
        found: list[Row] = []
        todo = problems(self.operator, self.noise, self.method)
        jobs = min(len(todo), self.jobs or os.cpu_count() or 1)
        with bar(len(todo), "problems") as shown:
            for rows in table(todo, self.method, self.n, self.steps, self.seed, jobs):
                found += rows
                shown.update()
        self.out.mkdir(parents=True, exist_ok=True)
        cells = [[each.name for each in fields(Row)], *map(astuple, found)]
        with replacing(self.out / "posterior.csv") as path:
            path.write_text(as_csv(cells), encoding="utf-8")
        lines = [
            "| prior | operator | noise | method | error of the mean | sd / exact | scatter | mode | distance | cost |",
            "|---|---|--:|---|--:|--:|--:|--:|--:|--:|",
        ]
        for row in found:
            start = f"| {row.prior} | {row.operator} | {row.noise:g} | {row.method} |"
            mode = "" if row.mode is None else f"{row.mode:+.3f}"
            errors = f" {row.mean:.3f} | {row.spread:.3f} | {row.scatter:.3f} | {mode} | {row.distance:.3f} |"
            errors += f" {row.evaluations:.0f} |"
            lines.append(start + (f" {row.refused} | | | | | |" if row.refused else errors))
        with replacing(self.out / "posterior.md") as path:
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        for line in lines:
            show(line)
        say(f"{self.n} restorations each; chance alone leaves the rows of {FLOOR}")
        show(self.out / "posterior.csv")
        show(self.out / "posterior.md")
