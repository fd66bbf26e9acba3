"""Writes the report of a study: a page, a table, a summary, and the figures as separate files."""

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
    """Writes the report of a study to the folder `out`, and returns the paths of its files, the page first.

    The files are report.html, a self-contained page in all languages; summary.md; cells.csv, with one line per cell;
    and each figure as figures/*.svg and *.png. Existing files are replaced atomically, the page last.

    Args:
        about: additional facts for the report, by name, such as the machine.
        tick: called with the number of figures drawn and their total number.

    Raises:
        InkwashError: if an operating system error occurs, such as a full disk.
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
        temporary.write_bytes(text.encode("utf-8", "replace"))  # folder names may contain invalid text
