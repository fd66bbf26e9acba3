"""One score over another: cells as points, joined along an axis and named where there is room."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from inkwash.report.labels import place
from inkwash.report.lines import Layout, Panel
from inkwash.report.sheet import MARKERS, Pair, colours, short
from inkwash.view.figure import GREY, INK, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]
LETTER, TALL = 11, 20  # px of a letter, and of a line of words
SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))  # of a point, the best first


def trade(axes: "Axes", plan: Layout, panel: Panel, x: str, y: str, floor: Mapping[str, Pair]) -> None:
    """A panel's score y over x, and a cross where real images are; of several lines the ends are named.

    All panels of the plan have the same limits.
    """
    _limits(axes, plan, x, y, floor)
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
        full.extend(each for end in ends for each in _between(axes, *end))

    draw([(floor[x], floor[y])], GREY, marker="x", markersize=9, markeredgewidth=2)
    shades = zip(plan.colours, colours(plan.colour, plan.colours), MARKERS, strict=False)
    for value, colour, marker in shades:
        if value in panel.lines:
            rows = panel.lines[value].rows
            draw([(row.scores[x], row.scores[y]) for row in rows], colour, marker=marker, markersize=5.5)
    for line in panel.lines.values():
        for row in line.rows if len(panel.lines) == 1 else (line.rows[0], line.rows[-1]):
            _name(axes, (row.scores[x][0], row.scores[y][0]), place(plan.axis, row.value(plan.axis)).en, full)


def _limits(axes: "Axes", plan: Layout, x: str, y: str, floor: Mapping[str, Pair]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    rows = [row for panel in plan.panels for line in panel.lines.values() for row in line.rows]
    for axis, limit, score in ((axes.xaxis, axes.set_xlim, x), (axes.yaxis, axes.set_ylim, y)):
        pairs = [floor[score], *(row.scores[score] for row in rows)]
        low, high = min(mean - sd for mean, sd in pairs), max(mean + sd for mean, sd in pairs)
        pad = 0.12 * (high - low) or 0.1
        limit(low - pad, high + pad)
        axis.set_major_locator(MaxNLocator(5, steps=(1, 2, 2.5, 5, 10)))
        axis.set_major_formatter(FuncFormatter(short))


def _between(axes: "Axes", a: Point, b: Point) -> list[Point]:
    """Px from one place to another, close together."""
    (left, low), (right, high) = axes.transData.transform((a, b)).tolist()
    count = math.ceil(math.hypot(right - left, high - low) / 6) + 1
    return [(left + (right - left) * i / count, low + (high - low) * i / count) for i in range(count + 1)]


def _name(axes: "Axes", at: Point, text: str, full: list[Point]) -> None:
    """Write beside a point, on the side where least is already."""
    x, y = axes.transData.transform(at).tolist()
    wide, high = LETTER * len(text) / 2, TALL / 2
    found = []
    for right, up in SIDES:
        u, v = x + right * (wide + 9), y + up * (high + (6 if right else 10))
        within = axes.bbox.x0 < u - wide and u + wide < axes.bbox.x1 and axes.bbox.y0 < v - high < axes.bbox.y1 - TALL
        found.append((sum(abs(u - a) < wide and abs(v - b) < high for a, b in full) + 1000 * (not within), u, v))
    _, u, v = min(found, key=lambda side: side[0])
    shift = (u - x) * 72 / axes.figure.dpi, (v - y) * 72 / axes.figure.dpi
    axes.annotate(text, at, shift, textcoords="offset points", ha="center", va="center", size=SMALL, color=INK)
    full += [(u + i * wide / 4, v + j * high / 2) for i in range(-4, 5) for j in range(-2, 3)]
