"""The report of a study as files: a page, a table, a summary, and the figures for use elsewhere."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from inkwash.atomic import replacing
from inkwash.report.figures import Drawing, measured_figure, overview_figure, theory_figure, trade_figure
from inkwash.report.page import page
from inkwash.report.summary import summary
from inkwash.report.words import Story
from inkwash.study.table import Table, as_csv
from inkwash.view import write


def write_report(
    table: Table,
    story: Story,
    out: Path,
    about: Mapping[str, Any],
    tick: Callable[[int, int], object] = lambda done, of: None,
) -> list[Path]:
    """Writes the report of a study into the folder `out`, and returns its files, the page first.

    They are report.html, which holds everything in two languages and loads nothing; cells.csv, one line a cell;
    summary.md; and each figure as figures/*.svg and *.png. Files that were there are replaced, each whole or not
    at all, the page last.

    Args:
        about: more that the report should tell of how it was made, such as the machine, by name.
        tick: called with how many figures are drawn, and of how many.

    Raises:
        InkwashError: when the system refuses, as when the disk is full.
    """
    figures = _figures(table, tick)
    texts = {
        out / "report.html": page(table, story, figures, about),
        out / "cells.csv": as_csv(table),
        out / "summary.md": summary(table, story, figures),
    }
    origin = {"command": "study", **table.facts}
    drawn = []
    for name, figure in figures.items():
        png, svg = out / "figures" / f"{name}.png", out / "figures" / f"{name}.svg"
        write(png, figure.pixels[None], {"figure": name, **origin})
        _write(svg, figure.svg)
        drawn += [svg, png]
    for path in reversed(texts):
        _write(path, texts[path])
    return [*texts, *drawn]


def _figures(done: Table, tick: Callable[[int, int], object]) -> dict[str, Drawing]:
    found = [overview_figure(done)]
    of = 1 + 2 * len(done.axes)
    tick(1, of)
    for axis in done.axes:
        found.append(trade_figure(done) if axis == "scale" else theory_figure(done, axis))
        tick(len(found), of)
        found.append(measured_figure(done, axis))
        tick(len(found), of)
    return {figure.name: figure for figure in found}


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "replace"))  # names of folders may hold bytes that are no text
