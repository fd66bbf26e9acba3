"""The report as one page of HTML that needs nothing but itself."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup, escape

from inkwash.report.facts import all_facts, beside
from inkwash.report.figures import Drawing
from inkwash.report.labels import cell_name, foretold, measured, plus_minus, printable, scored, titled
from inkwash.report.pictures import PictureGrid, picture_grids
from inkwash.report.svg import inlined
from inkwash.report.words import AXES, Section, Story, Text
from inkwash.study.table import Table

SCORED = ("frechet", "kernel", "precision", "recall", "density", "coverage", "spread", "entropy", "accuracy")
WORDS = {
    "theory": Text("What theory predicts", "理论的预测"),
    "measured": Text("What was measured", "测量结果"),
    "cells": Text("All cells", "所有格子"),
    "cell": Text("cell", "格子"),
    "foretold": Text("spread, theory", "离散程度（理论）"),
    "evaluations": Text("evaluations", "求值次数"),
    "seconds": Text("seconds", "秒"),
    "floor": Text("real images (floor)", "真实图像（下限）"),
    "method": Text("Method and facts", "方法与数据"),
}
CAPTIONS = {
    "overview": Text(
        "Quality and cost of all cells: down is better, left is cheaper.",
        "所有格子的质量与代价：越低越好，越左越省。",
    ),
    "theory": Text(
        "The spread that Gaussian data with the principal directions of the real images would come out with, and the "
        "one that was measured.",
        "与真实图像具有相同主方向的高斯数据会得到的离散程度，以及实际测得的离散程度。",
    ),
    "trade": Text(
        "Fidelity against diversity: each point is a guidance scale s, joined in its order; the cross is what as many "
        "real images score. Right is more diverse, up is more faithful.",
        "保真度与多样性：每个点是一个引导强度 s，按大小相连；叉号是同样多真实图像的得分。越右越多样，越上越逼真。",
    ),
    "pictures": Text(
        "The first images of the first draw, one row for each value; all images of a column begin from the same noise.",
        "第一次抽样的前几张图像，每行一个取值；同一列的图像都从相同的噪声出发。",
    ),
    "cells": Text(
        "Evaluations are of the network, for one image; seconds are for all images of a cell.",
        "求值次数是每张图像的网络求值次数；秒数是一个格子全部图像的用时。",
    ),
}


@dataclass(frozen=True)
class Part:
    """A section of the page with its figures, which it has if its axis was swept."""

    section: Section
    name: Text  # of the axis
    theory: Drawing | None
    trade: Drawing | None
    measured: Drawing | None
    grids: list[PictureGrid]


def page(done: Table, story: Story, figures: Mapping[str, Drawing], about: Mapping[str, Any]) -> str:
    """The HTML of a report. `figures` are by name, as `figures.py` names them."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"both": both, "inline": inline, "printable": printable, "then": then}
    template = environment.from_string(files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8"))
    parts = [
        Part(
            section,
            AXES.get(section.axis, Text(section.axis, section.axis)),
            figures.get(f"{section.axis}-theory"),
            figures.get(f"{section.axis}-trade"),
            figures.get(f"{section.axis}-measured"),
            picture_grids(done, section.axis) if section.axis in done.axes else [],
        )
        for section in story.sections
    ]
    scores = scored(done, SCORED)
    return template.render(
        story=story,
        parts=parts,
        overview=figures["overview"],
        words=WORDS,
        captions=CAPTIONS,
        beside=beside(done),
        heads=[titled(name) for name in scores],
        floor=[plus_minus(*done.floor_scores[name]) for name in scores],
        cells=[
            (
                cell_name(row, done),
                [foretold(row), *(measured(row, name) for name in scores)],
                (f"{row.evaluations:,}", f"{row.seconds:,.1f}"),
            )
            for row in done.rows
        ],
        facts=all_facts(done, about),
        made=done.made,
    )


def both(text: Text) -> Markup:
    """A text in both languages, of which the page shows one."""
    if text.en == text.zh:
        return rich(text.en)
    en, zh = rich(text.en), rich(text.zh)
    return Markup('<span class="en" lang="en">{}</span><span class="zh" lang="zh-Hans">{}</span>').format(en, zh)


def then(text: Text, more: Iterable[Text]) -> Text:
    """A text with others after it."""
    return sum(more, text)


def rich(text: str) -> Markup:
    """Text with `**…**` emphasised, and all else as it is written; no line ends within η = 0.5 or 3 ± 1."""
    text = re.sub(r" ([=±]) (?=[\d−-])", "\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", printable(text))
    parts = text.split("**")
    if len(parts) % 2 == 0:  # the last one has no other to go with
        parts[-2:] = ["**".join(parts[-2:])]
    strong = Markup("<strong>{}</strong>")
    return Markup("").join(strong.format(part) if i % 2 else escape(part) for i, part in enumerate(parts))


def inline(drawing: Drawing) -> Markup:
    """A figure as an element of the page, described by its caption."""
    return Markup(inlined(drawing.svg, f"{drawing.name}-", drawing.words, f"{drawing.name}-caption"))
