"""The figure of a race: quality against seconds, images and arithmetic, a line for each recipe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inkwash.plots.figure import COLOURS, GREY, INK, PLAIN, SMALL, drawn
from inkwash.plots.marks import MARKERS, curve, key, level, ring
from inkwash.plots.scales import scale_score
from inkwash.plots.sheet import NEXT, Legend, new_sheet
from inkwash.plots.svg import drawing, to_svg
from inkwash.race.race import Race, Standing
from inkwash.race.racer import Point, Racer
from inkwash.race.target import HEADS, RACED
from inkwash.view.pixels import Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HIGH = 380  # px, of the axes
FAR = 6  # an axis is logarithmic if the recipes' end points differ by more than this factor
MINUTES = 300  # seconds above which time is given in minutes


@dataclass(frozen=True)
class Cost:
    """The x axis of a panel: its name, and the position of a point."""

    name: str
    of: Callable[[Racer, Point], float]


def costs(standings: Sequence[Standing]) -> tuple[Cost, ...]:
    """The costs of training: time, images and arithmetic."""
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
    """The figure as SVG, and as uint8 [H,W,3]. A ring marks the first point that reached the target."""
    standings, score, target = race.standings(), race.score, race.terms.until
    values = [race.floor[score], *(point.scores[score] for each in standings for point in each.points)]
    values += [] if target is None else [(target.value, 0.0)]
    looks = [(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i in range(len(standings))]
    with drawing():
        recipes = [(each.racer.name, key(*look)) for each, look in zip(standings, looks, strict=True)]
        levels: Legend = [("as many real images: the floor", key(GREY, line="--"))]
        levels = levels if target is None else [*levels, (f"target: {target}", key(INK))]
        each_cost = costs(standings)
        sheet = new_sheet(1, len(each_cost), HIGH, (recipes, levels), other=NEXT)
        for column, cost in enumerate(each_cost):
            axes = sheet.at(0, column)
            level(axes, race.floor[score])
            for each, (colour, marker) in zip(standings, looks, strict=True):
                x = [cost.of(each.racer, point) for point in each.points]
                curve(axes, x, [point.scores[score] for point in each.points], colour, marker=marker)
                if each.reached:
                    ring(axes, [cost.of(each.racer, each.at)], [each.at.scores[score][0]], INK)
            if target is not None:
                axes.axhline(target.value, color=INK, linewidth=1, zorder=1)
            _along(axes, cost, standings)
            scale_score(axes, "y", values, RACED[score].share)  # the same in all columns
            axes.tick_params(labelleft=column == 0)
        sheet.figure.axes[0].set_title(HEADS[score], loc="left", size=PLAIN, color=INK, pad=6)
        return to_svg(sheet.figure), drawn(sheet.figure)


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
