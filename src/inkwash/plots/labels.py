"""Labels next to points, placed to avoid overlap."""

import math
from typing import TYPE_CHECKING

from inkwash.plots.figure import INK, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]
LETTER, TALL = 11, 20  # px of a letter, and of a line of words
SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))  # of a point, the best first


def pixels_between(axes: "Axes", a: Point, b: Point) -> list[Point]:
    """Px from one place to another, close together."""
    (left, low), (right, high) = axes.transData.transform((a, b)).tolist()
    count = math.ceil(math.hypot(right - left, high - low) / 6) + 1
    return [(left + (right - left) * i / count, low + (high - low) * i / count) for i in range(count + 1)]


def name_point(axes: "Axes", at: Point, text: str, full: list[Point]) -> None:
    """Write a label next to a data point, on the side with the least of `full`, the px already drawn; adds its own."""
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
