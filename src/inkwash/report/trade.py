"""Plots of one score over another: cells are points, connected along an axis and labelled where there is room."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from inkwash.plots.figure import GREY
from inkwash.plots.labels import Point, name_point, pixels_between
from inkwash.plots.marks import Pair
from inkwash.plots.scales import scale_score
from inkwash.report.chart import Writer
from inkwash.report.layout import Layout, Panel, marked

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def trade(axes: "Axes", plan: Layout, panel: Panel, x: str, y: str, floor: Mapping[str, Pair], write: Writer) -> None:
    """Plots score y over score x in a panel, with a cross for real images; of several lines only the ends are labelled.

    All panels of the plan have the same limits.
    """
    for which, score in (("x", x), ("y", y)):
        scale_score(axes, which, [floor[score], *(row.scores[score] for row in plan.rows)], share=True, snug=True)
    bars: Any = {"linestyle": "none", "elinewidth": 1, "alpha": 0.4}
    full: list[Point] = []  # px where something is

    def draw(points: list[tuple[Pair, Pair]], colour: str, **look: Any) -> None:
        (across, wide), (up, high) = (zip(*pairs, strict=True) for pairs in zip(*points, strict=True))
        axes.errorbar(across, up, high, wide, color=colour, **bars)
        axes.plot(across, up, color=colour, **look)
        middles = list(zip(across, up, strict=True))
        ends = list(pairwise(middles))
        ends += [((a - b, c), (a + b, c)) for (a, b), (c, _) in points]
        ends += [((a, c - d), (a, c + d)) for (a, _), (c, d) in points]
        full.extend(each for end in ends for each in pixels_between(axes, *end))

    draw([(floor[x], floor[y])], GREY, marker="x", markersize=9, markeredgewidth=2)
    for value, colour, marker in marked(plan.colour, plan.colours):
        if value in panel.lines:
            rows = panel.lines[value].rows
            draw([(row.scores[x], row.scores[y]) for row in rows], colour, marker=marker, markersize=5.5)
    for line in panel.lines.values():
        for row in line.rows if len(panel.lines) == 1 else (line.rows[0], line.rows[-1]):
            name_point(axes, (row.scores[x][0], row.scores[y][0]), write.value(plan.axis, row.value(plan.axis)), full)
