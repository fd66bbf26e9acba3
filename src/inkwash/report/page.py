"""The report as text: a self-contained HTML page, and a summary in Markdown."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from inkwash.plots.svg import inlined
from inkwash.report.chart import Drawing
from inkwash.report.languages import NONE, Language, Text, plus_minus, printable, text
from inkwash.report.layout import place
from inkwash.report.pictures import picture_grids
from inkwash.report.sections.evidence import evidence
from inkwash.report.sections.method import facts, method
from inkwash.report.sections.section import Section
from inkwash.study.table import Row, Table

LEFT_OUT: dict[str, tuple[str, ...]] = {  # scores that a template's table omits
    "page.html.j2": (),
    "summary.md.j2": ("kernel", "density", "entropy"),
}


def render(
    template: str, done: Table, sections: Sequence[Section], figures: Mapping[str, Drawing], about: Mapping[str, Any],
    languages: Sequence[Language],
) -> str:  # fmt: skip
    """Renders the page of a report or its summary, by a template of LEFT_OUT. The first language is shown initially.

    `figures` maps the names of `figures.py` to figures, and `about` has additional facts.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape="html" in template,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"printable": printable, "plain": plain}
    both = partial(in_all, languages)
    title = text("title", done.facts["data"], list(done.axes))
    scores = [
        name
        for name in done.floor_scores  # a score that only real images have
        if name not in LEFT_OUT[template] and any(name in row.scores for row in done.rows)
    ]
    return environment.get_template(template).render(
        languages=languages, tags={language.code: language.tag for language in languages},
        title=title, titles={language.code: title(language) for language in languages},
        text=text, both=both, say=lambda macro, *named: both(text(macro, *named)), inline=partial(inline, languages),
        done=done, sections=sections, figures=figures, measured_on=text("measured_on", done.facts),
        grids=partial(picture_grids, done), place=partial(place, done), scores=scores,
        cells=[(row, table_row(row, scores)) for row in done.rows],
        floor=[plus_minus(*done.floor_scores[name]) for name in scores],
        doubts=evidence(done), method=method(done), facts=facts(done, about),
    )  # fmt: skip


def in_all(languages: Sequence[Language], *texts: Text) -> Markup:
    """The texts in every language, of which the page shows one; only once if all languages are equal."""
    words = [language.speak(*texts) for language in languages]
    if len(set(words)) == 1:
        return rich(words[0])
    span = Markup('<span class="{}" lang="{}">{}</span>')
    each = zip(languages, words, strict=True)
    return Markup("").join(span.format(language.code, language.tag, rich(word)) for language, word in each)


def inline(languages: Sequence[Language], drawing: Drawing) -> Markup:
    """A figure as an element of the page, described by its caption."""
    words = {}
    for english, said in drawing.texts.items():
        each = [({"class": language.code, "lang": language.tag}, said(language)) for language in languages]
        words[english] = each if len({word for _, word in each}) > 1 else [({}, english)]
    return Markup(inlined(drawing.svg, f"{drawing.name}-", words, f"{drawing.name}-caption"))


def table_row(row: Row, scores: Sequence[str]) -> list[str]:
    """The predicted spread of a cell and its scores, formatted for a table. Theory does not cover guidance."""
    foretold = NONE if row.guided else f"{row.theory.spread:.3f}"
    return [foretold, *(plus_minus(*row.scores[name]) if name in row.scores else NONE for name in scores)]


def rich(words: str) -> Markup:
    """Converts text to HTML with `**…**` emphasised, and without line breaks inside η = 0.5 or 3 ± 1."""
    words = re.sub(r" ([=±]) (?=[\d−-])", "\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", printable(words))
    parts = words.split("**")
    if len(parts) % 2 == 0:  # the last `**` has no partner
        parts[-2:] = ["**".join(parts[-2:])]
    strong = Markup("<strong>{}</strong>")
    return Markup("").join(strong.format(part) if i % 2 else escape(part) for i, part in enumerate(parts))


def plain(words: str) -> str:
    """Escapes text for Markdown, except for `**…**`."""
    parts = (re.sub(r"([\\`*_\[\]<>|&~$#])", r"\\\1", part) for part in printable(words).split("**"))
    return "**".join(parts)
