"""Axes in rows and columns, and what is drawn on them: lines with bands, dots with bars, scales, legends."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from inkwash.report.labels import place, places
from inkwash.report.lines import NUMBERS, Layout, Panel
from inkwash.report.words import AXES, Text
from inkwash.study.table import Row
from inkwash.view.figure import COLOURS, GREY, INK, PLAIN, SMALL, new_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Pair = tuple[float, float]  # a mean and its standard deviation
Legend = Sequence[tuple[Text, Any]]  # labels, each with a handle
SHARES = ("precision", "recall", "coverage", "accuracy")  # lie in [0, 1]
MARKERS = ("o", "s", "^", "D", "v", "P")
WIDTH, RIGHT = 1400, 36  # px
TICKS, NEXT, LETTER = 108, 20, 14  # px: left of axes with numbers, of those beside them, and for a letter of a name
TITLE, HIGH, BARE, FOOT = 54, 230, 44, 78  # px: words above axes, axes, ticks below them, ticks and words below them
MINUS, RAISED = "\N{MINUS SIGN}", str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
BAND, APART = 0.18, 52  # how dense a band is; px between two ticks


@dataclass(frozen=True, eq=False)
class Sheet:
    """A figure of axes in rows and columns, with room for legends above."""

    figure: "Figure"
    columns: int
    first: int  # px for what is at the left of the first column
    other: int  # and of the others
    high: int  # px of axes
    pitch: int  # px from a row to the next
    head: int  # px above the first row

    @property
    def wide(self) -> float:
        """Px from one side of axes to the other."""
        return (WIDTH - RIGHT - self.first - (self.columns - 1) * (self.other + RIGHT)) / self.columns

    def at(self, row: int, column: int) -> "Axes":
        """New axes at a place counted from the upper left corner."""
        left = self.first + column * (self.wide + self.other + RIGHT)
        up = round(self.figure.get_size_inches()[1] * self.figure.dpi)
        return new_axes(self.figure, left, up - self.head - row * self.pitch - self.high, self.wide, self.high)


def new_sheet(plan: Layout, rows: int, columns: int, high: int, above: Sequence[Legend]) -> Sheet:
    """An empty sheet for an axis with its legends.

    Axes of numbers are `high` px high, those of names as high as the names need. Several panels share what is at
    their left, and their titles are above the first row alone.
    """
    numbers, several = plan.axis in NUMBERS, len(plan.panels) > 1
    first = TICKS + 22 * several
    if not numbers:
        high = max(110, len(plan.values) * max(42, 18 * len(plan.colours)))
        first = 40 + LETTER * max(len(place(plan.axis, value).en) for value in plan.values)
    below, last = FOOT if numbers != several else BARE, BARE if not numbers and not several else FOOT
    pitch = high + below + (NEXT if several and not numbers else 0 if several else TITLE)
    head = room(above) + TITLE
    figure = new_figure(WIDTH, head + (rows - 1) * pitch + high + last)
    legends(figure, above)
    return Sheet(figure, columns, first, NEXT if several or not numbers else TICKS, high, pitch, head)


def legends(figure: "Figure", each: Sequence[Legend]) -> None:
    """Legends one below the other above all axes."""
    up = figure.get_size_inches()[1] * figure.dpi
    for i, legend in enumerate(each):
        if legend:
            figure.legend(
                [handle for _, handle in legend], [text.en for text, _ in legend], ncols=_beside(legend),
                loc="upper left", bbox_to_anchor=(0.01, 1 - room(each[:i]) / up), frameon=False, fontsize=SMALL,
                labelcolor=INK, handlelength=1.8, borderpad=0, borderaxespad=0,
            )  # fmt: skip


def room(each: Sequence[Legend]) -> int:
    """Px that legends need, and a margin."""
    return 10 + sum(36 * math.ceil(len(legend) / _beside(legend)) for legend in each if legend)


def _beside(legend: Legend) -> int:
    """How many labels fit in a row."""
    return max(1, min(len(legend), (WIDTH - 40) // (85 + 11 * max(len(text.en) for text, _ in legend))))


def colours(axis: str | None, values: Sequence[Any]) -> list[str]:
    """A colour for each value: by hand for names, and for numbers from dark to light, whatever eyes see them."""
    if axis not in NUMBERS and len(values) <= len(COLOURS):
        return list(COLOURS[: len(values)])
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["plasma"](0.7 * i / max(1, len(values) - 1))) for i in range(len(values))]


def key(colour: str, marker: str = "", line: Literal["-", "--", ""] = "-", hollow: bool = False) -> Any:
    """What stands in a legend for a line, a marker or both."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, marker=marker, linestyle=line, markerfacecolor="white" if hollow else colour)


def put(axes: "Axes", plan: Layout, panel: Panel, score: Callable[[Row], Pair], marked: bool, joined: bool) -> None:
    """Draw what `score` says of the cells of a panel: as lines with bands, or for axes of names as dots with bars.

    `marked` draws the points and `joined` the lines between them; dots that are not marked are hollow diamonds.
    """
    for i, (value, colour) in enumerate(zip(plan.colours, colours(plan.colour, plan.colours), strict=True)):
        line = panel.lines.get(value)
        if line is None:
            continue
        along = [row.value(plan.axis) for row in line.rows]
        mean, sd = zip(*map(score, line.rows), strict=True)
        marker = MARKERS[i % len(MARKERS)]
        if plan.axis in NUMBERS:
            look: Any = {"linestyle": "-" if joined else "none", "marker": marker if marked else "none"}
            axes.plot(along, mean, color=colour, markersize=4.5, **look)
            low, high = [m - s for m, s in zip(mean, sd, strict=True)], [m + s for m, s in zip(mean, sd, strict=True)]
            axes.fill_between(along, low, high, color=colour, alpha=BAND, linewidth=0)
        else:
            beside = (i - (len(plan.colours) - 1) / 2) * 0.7 / len(plan.colours)
            up = [plan.values.index(each) + beside for each in along]
            look = {"marker": marker, "markersize": 5} if marked else {"marker": "D", "mfc": "none", "markersize": 7}
            bars = sd if any(sd) else None
            axes.errorbar(mean, up, xerr=bars, linestyle="none", color=colour, elinewidth=1.5, **look)


def level(axes: "Axes", plan: Layout, at: Pair) -> None:
    """A dashed line across at a score, with a band of its deviation."""
    along = plan.axis in NUMBERS
    line, span = (axes.axhline, axes.axhspan) if along else (axes.axvline, axes.axvspan)
    line(at[0], color=GREY, linestyle="--", linewidth=1.2, zorder=1)
    if at[1] > 0:
        span(at[0] - at[1], at[0] + at[1], color=GREY, alpha=BAND, linewidth=0, zorder=0.5)


def scales(axes: "Axes", sheet: Sheet, plan: Layout, score: str, values: Sequence[Pair]) -> None:
    """Limits and ticks: those of the score from all `values` of it, and those of the axis from its own."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    if plan.axis in NUMBERS:
        scale_score(axes, "y", score, values)
        if plan.axis == "steps":
            axes.set_xscale("log")
        axes.margins(x=0.05)
        ticks = list(plan.values)
        if plan.axis == "scale":  # from 0, however large the least
            ticks = list(dict.fromkeys((0.0, *ticks)))
            axes.set_xlim(-0.05 * ticks[-1], 1.05 * ticks[-1])
        axes.xaxis.set_major_locator(FixedLocator(_apart(ticks, plan.axis == "steps", APART / sheet.wide)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        scale_score(axes, "x", score, values)
        axes.set_ylim(len(plan.values) - 0.5, -0.5)  # the first above
        axes.yaxis.set_major_locator(FixedLocator(range(len(plan.values))))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda i, _: place(plan.axis, plan.values[round(i)]).en))


def scale_score(axes: "Axes", which: str, score: str, values: Sequence[Pair]) -> None:
    """Limits and ticks of a score; logarithmic for distances and spreads that span more than a factor of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    limit, set_scale = (axes.set_xlim, axes.set_xscale) if which == "x" else (axes.set_ylim, axes.set_yscale)
    finite = [(mean, sd) for mean, sd in values if math.isfinite(mean) and math.isfinite(sd)]
    if not finite:
        return
    least, most = min(mean for mean, _ in finite), max(mean + sd for mean, sd in finite)
    if score in SHARES:
        limit(-0.04, 1.04)
    elif least > 0 and most > 10 * least:
        set_scale("log")
        limit(least / 1.4, most * 1.4)
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < 60 * least else (1,)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(short))
        return
    else:
        low = min(mean - sd for mean, sd in finite)
        pad = 0.06 * (most - low) or 0.1
        limit(low - pad, most + pad)
    axis.set_major_locator(MaxNLocator(5 if which == "y" else 4, steps=(1, 2, 2.5, 5, 10)))
    axis.set_major_formatter(FuncFormatter(short))


def short(value: float, _: int | None = None) -> str:
    """A number at a tick: 0.25, and far below one 2·10⁻⁵."""
    if value == 0 or abs(value) >= 5e-4:
        return f"{value:.6g}".replace("-", MINUS)
    digits, power = f"{value:.3e}".split("e")
    return f"{float(digits):g}·10{str(int(power)).translate(RAISED)}".replace("-", MINUS)


def title(panel: Panel) -> list[Text]:
    """The lines above a panel: its value of the panel axis, and what else tells it from the others."""
    (axis, value), *rest = panel.at.items()
    return [place(axis, value), *([places(dict(rest))] if rest else [])]


def name(axes: "Axes", plan: Layout, panel: Panel, score: Text, top: bool, bottom: bool, left: bool) -> None:
    """The words round axes: the panel's place above it where there are several panels, else the score's name."""
    numbers, several = plan.axis in NUMBERS, len(plan.panels) > 1
    above = "\n".join(text.en for text in title(panel) if top) if several else score.en
    axes.set_title(above, loc="left", size=SMALL if several else PLAIN, color=INK, pad=6, linespacing=1.05)
    axes.set_xlabel((AXES[plan.axis].en if bottom else "") if numbers else score.en * several, size=SMALL, color=GREY)
    axes.set_ylabel(score.en if numbers and several and left else "", size=SMALL, color=GREY)
    axes.tick_params(labelleft=left)


def _apart(values: Sequence[float], log: bool, least: float) -> list[float]:
    """The first, the last, and of those between as many as lie `least` of the whole way apart."""
    way = [math.log(value) if log else value for value in values]
    kept = [0]
    share = least * (way[-1] - way[0])
    for i in range(1, len(values) - 1):
        if min(way[i] - way[kept[-1]], way[-1] - way[i]) >= share:
            kept.append(i)
    return [values[i] for i in [*kept, len(values) - 1]]
