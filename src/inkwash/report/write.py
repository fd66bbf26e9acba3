"""The report of a study as files: a page, a table, a summary, and the figures for use elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from inkwash.atomic import replacing
from inkwash.report.chart import Drawing
from inkwash.report.figures import measured_figure, overview_figure, theory_figure, trade_figure
from inkwash.report.languages import LANGUAGES, Language
from inkwash.report.page import render
from inkwash.report.sections import story
from inkwash.report.sections.section import Section
from inkwash.study.table import Table, as_csv
from inkwash.view import write


def write_report(
    table: Table,
    out: Path,
    about: Mapping[str, Any],
    tick: Callable[[int, int], object] = lambda done, of: None,
    languages: Sequence[Language] = LANGUAGES,
) -> list[Path]:
    """Writes the report of a study into the folder `out`, and returns its files, the page first.

    They are report.html, which holds everything in all languages and loads nothing; summary.md; cells.csv, one line
    a cell; and each figure as figures/*.svg and *.png. Files that were there are replaced, each whole or not at all,
    the page last.

    Args:
        about: more that the report should say of how it was made, such as the machine, by name.
        tick: called with how many figures are drawn, and of how many.

    Raises:
        InkwashError: when the system refuses, as when the disk is full.
    """
    sections = story(table)
    figures = draw_figures(table, sections, tick)
    all_of_it = table, sections, figures, about, languages
    texts = {
        out / "report.html": render("page.html.j2", *all_of_it),
        out / "cells.csv": as_csv(table),
        out / "summary.md": render("summary.md.j2", *all_of_it),
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


def draw_figures(
    done: Table, sections: Sequence[Section], tick: Callable[[int, int], object] = lambda done, of: None
) -> dict[str, Drawing]:
    """All figures of a report, by name."""
    found = [overview_figure(done)]
    for section in sections:
        tick(len(found), 1 + 2 * len(sections))
        found.append((trade_figure if section.trades else theory_figure)(done, section.axis))
        tick(len(found), 1 + 2 * len(sections))
        found.append(measured_figure(done, section.axis, spread=section.trades))
    tick(len(found), len(found))
    return {figure.name: figure for figure in found}


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "replace"))  # names of folders may hold bytes that are no text
