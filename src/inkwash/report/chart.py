"""Charts along an axis of a study: lines with bands for numeric axes, dots with error bars for axes of names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from inkwash.metrics.score import SCORES
from inkwash.plots.figure import GREY, INK, PLAIN, SMALL, drawn
from inkwash.plots.marks import Pair, curve, key, level
from inkwash.plots.scales import scale_names, scale_numbers, scale_score
from inkwash.plots.sheet import BARE, FOOT, LETTER, NEXT, TICKS, TITLE, Legend, Sheet, new_sheet
from inkwash.plots.svg import to_svg
from inkwash.report.languages import ENGLISH, Text, text
from inkwash.report.layout import Layout, Panel, marked
from inkwash.study.axes import AXES
from inkwash.study.table import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST = 24  # characters of a name in a figure


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure as SVG and as pixels, in English."""

    name: str
    svg: str  # a complete SVG file
    pixels: npt.NDArray[np.uint8]  # [H,W,3]
    texts: dict[str, Text]  # its translatable texts, by their English version
    notes: tuple[Text, ...]  # notes for the caption


class Writer:
    """Writes English texts on a figure, and records them for translation."""

    def __init__(self) -> None:
        self.texts: dict[str, Text] = {}

    def __call__(self, macro: str, *about: Any) -> str:
        said = text(macro, *about)
        english = said(ENGLISH)
        self.texts[english] = said
        return english

    def value(self, axis: str, value: Any) -> str:
        """The text of a value of an axis that is understandable on its own."""
        return self("value", axis, short_name(value))

    def panel(self, panel: Panel) -> str:
        """The title lines of a panel: its value of the panel axis, and its other fixed values."""
        (axis, value), *rest = panel.at.items()
        more = {name: short_name(each) for name, each in rest}
        return self.value(axis, value) + ("\n" + self("point", more) if more else "")

    def finished(self, name: str, figure: "Figure", notes: Sequence[Text]) -> Drawing:
        """Returns the finished figure."""
        return Drawing(name, to_svg(figure), drawn(figure), self.texts, tuple(notes))


def short_name(value: Any) -> Any:
    """Shortens a long name for a figure; returns any other value unchanged."""
    if not isinstance(value, str) or len(value) <= LONGEST:
        return value
    return f"{value[: LONGEST // 2]}…{value[1 - LONGEST // 2 :]}"


@dataclass(frozen=True, eq=False)
class Chart:
    """A sheet of axes along an axis of a study."""

    plan: Layout
    write: Writer
    sheet: Sheet

    def put(
        self, axes: "Axes", panel: Panel, score: Callable[[Row], Pair], points: bool = True, joined: bool = True
    ) -> None:
        """Draws the values of `score` for the cells of a panel: lines with bands, or dots with bars on axes of names.

        Lines may be without points, and points may be unconnected; dots without points are hollow diamonds.
        """
        plan = self.plan
        for i, (value, colour, marker) in enumerate(marked(plan.colour, plan.colours)):
            if value not in panel.lines:
                continue
            rows = panel.lines[value].rows
            along, scores = [row.value(plan.axis) for row in rows], [score(row) for row in rows]
            if plan.numeric:
                look: Any = {"linestyle": "-" if joined else "none", "marker": marker if points else "none"}
                curve(axes, along, scores, colour, **look)
                continue
            beside = (i - (len(plan.colours) - 1) / 2) * 0.7 / len(plan.colours)
            mean, sd = zip(*scores, strict=True)
            look = {"marker": marker, "markersize": 5} if points else {"marker": "D", "mfc": "none", "markersize": 7}
            up = [plan.values.index(each) + beside for each in along]
            axes.errorbar(mean, up, xerr=sd if any(sd) else None, ls="none", color=colour, elinewidth=1.5, **look)

    def level(self, axes: "Axes", at: Pair) -> None:
        """Draws a dashed line at a score, with a band of its standard deviation."""
        level(axes, at, upright=not self.plan.numeric)

    def scale(self, axes: "Axes", score: str, values: Sequence[Pair]) -> None:
        """Sets limits and ticks: those of the score from all its `values`, and those of the axis from its values."""
        plan = self.plan
        scale_score(axes, "y" if plan.numeric else "x", values, SCORES[score].share)
        if plan.numeric:
            scale_numbers(axes, plan.values, self.sheet.wide, AXES[plan.axis].log)
        else:
            scale_names(axes, [self.write.value(plan.axis, value) for value in plan.values])

    def name(
        self, axes: "Axes", panel: Panel, score: str, top: bool = True, bottom: bool = True, left: bool = True
    ) -> None:
        """Writes the labels around axes: the panel's values above it if there are several panels, else the score."""
        numbers, several, title = self.plan.numeric, len(self.plan.panels) > 1, self.write("score_head", score)
        above = (self.write.panel(panel) if top else "") if several else title
        axes.set_title(above, loc="left", size=SMALL if several else PLAIN, color=INK, pad=6, linespacing=1.05)
        along = self.write("axis_title", self.plan.axis) if bottom else ""
        axes.set_xlabel(along if numbers else title * several, size=SMALL, color=GREY)
        axes.set_ylabel(title if numbers and several and left else "", size=SMALL, color=GREY)
        axes.tick_params(labelleft=left)


def new_chart(plan: Layout, write: Writer, rows: int, columns: int, high: int, style: Legend) -> Chart:
    """An empty chart. Axes of numbers are `high` px high, those of names as high as the names need.

    Several panels share what is at their left, and their titles stand above the first row alone.
    """
    numbers, several = plan.numeric, len(plan.panels) > 1
    names = [write.value(plan.axis, value) for value in plan.values]
    legend: Legend = [
        (write.value(plan.colour, value), key(colour, marker, "-" if numbers else ""))
        for value, colour, marker in marked(plan.colour, plan.colours)
        if plan.colour is not None
    ]
    return Chart(plan, write, new_sheet(
        rows, columns, high if numbers else max(110, len(names) * max(42, 18 * len(plan.colours))),
        (legend, style),
        first=TICKS + 22 * several if numbers else 40 + LETTER * max(map(len, names)),
        other=NEXT if several or not numbers else TICKS,
        between=(FOOT if numbers != several else BARE) + ((0 if numbers else NEXT) if several else TITLE),
        last=FOOT if numbers or several else BARE,
    ))  # fmt: skip
