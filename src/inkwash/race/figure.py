"""The figure of a race: quality against seconds, images and arithmetic, a line for each recipe."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inkwash.race.race import Race, Standing
from inkwash.race.racer import Point, Racer
from inkwash.race.target import BETTER, TITLES
from inkwash.report.svg import drawing, to_svg
from inkwash.view.figure import COLOURS, GREY, INK, PLAIN, SMALL, drawn, new_axes, new_figure
from inkwash.view.pixels import Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HIGH = 1500, 380  # px, of the figure and of its axes
LEFT, GAP, RIGHT, TITLE, FOOT, ROW = 95, 45, 30, 48, 85, 36
BAND = 0.18  # how dense a band is
MARKERS = ("o", "s", "^", "D", "v", "P")
FAR = 6  # an axis on which the recipes end so many times apart is logarithmic
FLOOR = "as many real images: the floor"
MINUTES = 300  # seconds from which time is told in minutes


@dataclass(frozen=True)
class Cost:
    """What a panel has along: its name, and where a point is."""

    name: str
    of: Callable[[Racer, Point], float]


def costs(standings: Sequence[Standing]) -> tuple[Cost, ...]:
    """Time, images, and the arithmetic that the training took: what each recipe pays with."""
    long = max(each.points[-1].seconds for each in standings) >= MINUTES
    time = Cost("minutes of training", lambda racer, point: point.seconds / 60)
    if not long:
        time = Cost("seconds of training", lambda racer, point: point.seconds)
    return (
        time,
        Cost("images trained on", lambda racer, point: point.images),
        Cost(
            "network evaluations × FLOP of one",
            lambda racer, point: point.evaluations * racer.operations,
        ),
    )


def race_figure(race: Race) -> tuple[str, Pixels]:
    """The figure as SVG, and as uint8 [H,W,3]. A ring is where the target was first seen reached."""
    standings, score = race.standings(), race.score
    floor, values = race.floor[score], [point.scores[score] for each in standings for point in each.points]
    values += [floor] if race.terms.until is None else [floor, (race.terms.until.value, 0.0)]
    with drawing():
        names = [*(each.racer.name for each in standings), FLOOR, f"target: {race.terms.until}"]
        columns = _columns(names)
        up = 10 + math.ceil(len(names) / columns) * ROW + TITLE + HIGH + FOOT
        figure = new_figure(WIDTH, up)
        each = costs(standings)
        wide = (WIDTH - LEFT - RIGHT - (len(each) - 1) * GAP) / len(each)
        for i, cost in enumerate(each):
            axes = new_axes(figure, LEFT + i * (wide + GAP), FOOT, wide, HIGH)
            handles = _panel(axes, race, standings, cost)
            _along(axes, cost, standings)
            _score_axis(axes, score, values)
            axes.tick_params(labelleft=i == 0)  # it is the same in all
        figure.axes[0].set_title(f"{TITLES[score]} {BETTER[score]}", loc="left", size=PLAIN, color=INK, pad=6)
        _legend(figure, handles, columns, up)
        return to_svg(figure), drawn(figure)


def _panel(axes: "Axes", race: Race, standings: Sequence[Standing], cost: Cost) -> dict[str, Any]:
    """Draws the lines, the floor and the target; what the legend has to name."""
    score = race.score
    handles: dict[str, Any] = {}
    mean, sd = race.floor[score]
    for i, each in enumerate(standings):
        x = [cost.of(each.racer, point) for point in each.points]
        y = [point.scores[score] for point in each.points]
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        (handles[each.racer.name],) = axes.plot(x, [m for m, _ in y], color=colour, marker=marker, markersize=4.5)
        axes.fill_between(x, [m - s for m, s in y], [m + s for m, s in y], color=colour, alpha=BAND, linewidth=0)
        if each.reached:
            there = (cost.of(each.racer, each.at), each.at.scores[score][0])
            axes.plot(*there, "o", markersize=12, markerfacecolor="none", markeredgecolor=INK)
    axes.axhspan(mean - sd, mean + sd, color=GREY, alpha=BAND, linewidth=0, zorder=0.5)
    handles[FLOOR] = axes.axhline(mean, color=GREY, linestyle="--", linewidth=1.2, zorder=1)
    if race.terms.until is not None:
        line = axes.axhline(race.terms.until.value, color=INK, linewidth=1, zorder=1)
        handles[f"target: {race.terms.until}"] = line
    return handles


def _along(axes: "Axes", cost: Cost, standings: Sequence[Standing]) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    ends = [cost.of(each.racer, each.points[-1]) for each in standings]
    if max(ends) > FAR * min(ends):
        axes.set_xscale("log")
    else:
        axes.set_xlim(0, 1.03 * max(ends))
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 2.5, 5, 10)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(cost.name, size=SMALL, color=GREY)


def _score_axis(axes: "Axes", score: str, values: Sequence[tuple[float, float]]) -> None:
    """Alike for all panels; logarithmic for a distance of which there is more than a factor of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    least, most = min(mean for mean, _ in values), max(mean + sd for mean, sd in values)
    if BETTER[score] == "↑":
        axes.set_ylim(-0.04, 1.04)
    elif least > 0 and most > 10 * least:
        axes.set_yscale("log")
        axes.set_ylim(least / 1.4, most * 1.4)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < 200 * least else (1,)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        low = min(mean - sd for mean, sd in values)
        pad = 0.06 * (most - low) or 0.1
        axes.set_ylim(low - pad, most + pad)


def _legend(figure: "Figure", handles: dict[str, Any], columns: int, up: int) -> None:
    figure.legend(
        list(handles.values()), list(handles), loc="upper left", bbox_to_anchor=(0.01, 1 - 10 / up), ncols=columns,
        frameon=False, fontsize=SMALL, labelcolor=INK, handlelength=1.8, borderpad=0, borderaxespad=0,
    )  # fmt: skip


def _columns(labels: Sequence[str]) -> int:
    """How many of these a row of the legend holds."""
    wide = [80 + 9 * len(label) for label in labels]
    return len(labels) if sum(wide) < WIDTH else max(1, WIDTH // max(wide))
