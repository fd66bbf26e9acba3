"""Graphical marks: colours, markers, lines with bands, levels, and their legend keys."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from inkwash.plots.figure import COLOURS, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

Pair = tuple[float, float]  # a mean and its standard deviation
MARKERS = ("o", "s", "^", "D", "v", "P")
BAND = 0.18  # the opacity of a band


def shades(count: int, ordered: bool) -> list[str]:
    """A colour for each of `count` values: distinct ones for names, from dark to light for ordered numbers."""
    if not ordered and count <= len(COLOURS):
        return list(COLOURS[:count])
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["plasma"](0.7 * i / max(1, count - 1))) for i in range(count)]


def key(colour: str, marker: str = "", line: Literal["-", "--", ""] = "-", hollow: bool = False) -> "Line2D":
    """The legend key of a line, a marker or both."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, marker=marker, linestyle=line, markerfacecolor="white" if hollow else colour)


def curve(axes: "Axes", x: Sequence[float], y: Sequence[Pair], colour: str, **look: Any) -> None:
    """A line through means, and a band of one standard deviation on either side."""
    axes.plot(x, [mean for mean, _ in y], color=colour, markersize=4.5, **look)
    low, high = [mean - sd for mean, sd in y], [mean + sd for mean, sd in y]
    axes.fill_between(x, low, high, color=colour, alpha=BAND, linewidth=0)


def level(axes: "Axes", at: Pair, upright: bool = False) -> None:
    """A dashed line across the axes at a mean, or upright, with a band of its standard deviation."""
    line, span = (axes.axvline, axes.axvspan) if upright else (axes.axhline, axes.axhspan)
    line(at[0], color=GREY, linestyle="--", linewidth=1.2, zorder=1)
    if at[1] > 0:
        span(at[0] - at[1], at[0] + at[1], color=GREY, alpha=BAND, linewidth=0, zorder=0.5)


def ring(axes: "Axes", x: Sequence[float], y: Sequence[float], colour: str) -> None:
    """Rings around highlighted points."""
    axes.plot(x, y, "o", markersize=11, markerfacecolor="none", markeredgecolor=colour)
