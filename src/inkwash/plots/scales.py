"""Limits and ticks of the axes of a figure."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inkwash.plots.marks import Pair

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MINUS, RAISED = "\N{MINUS SIGN}", str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
TEN = 10  # a score that spans more than this factor has a logarithmic scale
APART = 52  # px between two ticks, at least


def short(value: float, _: int | None = None) -> str:
    """A number at a tick: 0.25, and far below one 2·10⁻⁵."""
    if value == 0 or abs(value) >= 5e-4:
        return f"{value:.6g}".replace("-", MINUS)
    digits, power = f"{value:.3e}".split("e")
    return f"{float(digits):g}·10{str(int(power)).translate(RAISED)}".replace("-", MINUS)


def scale_score(axes: "Axes", which: str, values: Sequence[Pair], share: bool, snug: bool = False) -> None:
    """Limits and ticks of a score along "x" or "y", for all its `values`.

    A share lies in [0, 1], unless the limits are to fit the values `snug`ly. A positive score that spans more than
    a factor of ten is drawn on a logarithmic scale.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    limit, set_scale = (axes.set_xlim, axes.set_xscale) if which == "x" else (axes.set_ylim, axes.set_yscale)
    finite = [(mean, sd) for mean, sd in values if math.isfinite(mean) and math.isfinite(sd)]
    if not finite:
        return
    axis.set_major_formatter(FuncFormatter(short))
    least, most = min(mean for mean, _ in finite), max(mean + sd for mean, sd in finite)
    if not snug and not share and least > 0 and most > TEN * least:
        set_scale("log")
        limit(least / 1.4, most * 1.4)
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < 60 * least else (1,)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(short))
        return
    low = min(mean - sd for mean, sd in finite)
    pad = (0.12 if snug else 0.06) * (most - low) or 0.1
    if share and not snug:
        limit(-0.04, 1.04)
    else:
        limit(low - pad, most + pad)
    axis.set_major_locator(MaxNLocator(5 if which == "y" or snug else 4, steps=(1, 2, 2.5, 5, 10)))


def scale_numbers(axes: "Axes", values: Sequence[float], wide: float, log: bool) -> None:
    """The x axis for ascending values of a setting or a cost: logarithmic, or else from 0.

    There is a tick at the first, at the last, and at as many between as have room on axes `wide` px wide.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    ticks = list(values) if log else list(dict.fromkeys((0.0, *values)))
    axes.margins(x=0.05)
    if log:
        axes.set_xscale("log")
    else:
        axes.set_xlim(-0.05 * ticks[-1], 1.05 * ticks[-1])
    way = [math.log(tick) if log else tick for tick in ticks]
    least = APART / wide * (way[-1] - way[0])
    shown = [0]
    for i in range(1, len(ticks) - 1):
        if min(way[i] - way[shown[-1]], way[-1] - way[i]) >= least:
            shown.append(i)
    axes.xaxis.set_major_locator(FixedLocator([ticks[i] for i in sorted({*shown, len(ticks) - 1})]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def scale_names(axes: "Axes", names: Sequence[str]) -> None:
    """The y axis for names, the first at the top."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
